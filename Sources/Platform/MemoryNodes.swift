import Foundation

/// The machine's memory nodes (NUMA) and the processors beside each; most machines have one.
///
/// What is divided among threads, the rows of a matrix as well as the members of a team, goes to nodes by its position in the whole. So a
/// thread finds what it reads in the memory beside it.
public struct MemoryNodes: Sendable, Equatable {
  /// The logical processors of each node that this process may run on, at least one per node.
  public let processors: [[Int]]
  /// What share of all processors the nodes up to and including each have.
  private let borders: [Double]

  /// Nodes.
  public var count: Int { processors.count }

  /// Those of this machine that this process may run on. One where the environment variable `POWERINFER_NUMA` is `off`.
  public static let current: MemoryNodes = {
    let mask = Processors.mask
    if ProcessInfo.processInfo.environment["POWERINFER_NUMA"] == "off" { return MemoryNodes([mask]) }
    return MemoryNodes(root: "", mask: mask)
  }()

  /// - Parameter processors: of each node; nodes without any do not count.
  public init(_ processors: [[Int]]) {
    self.processors = processors.filter { !$0.isEmpty }
    let all = Double(max(1, processors.reduce(0) { $0 + $1.count }))
    var count = 0
    borders = self.processors.map {
      count += $0.count
      return Double(count) / all
    }
  }

  /// As Linux tells under `/sys`; one node where it does not tell, or not for every processor.
  ///
  /// - Parameters:
  ///   - root: empty, or the folder that stands for `/` (tests).
  ///   - mask: the processors that count.
  init(root: String, mask: [Int]) {
    let folder = "\(root)/sys/devices/system/node"
    let online = smallFile("\(folder)/online").map { CoreTopology.processors(inList: $0[...]) } ?? []
    let allowed = Set(mask)
    let nodes = online.map { node in
      let list = smallFile("\(folder)/node\(node)/cpulist") ?? ""
      return CoreTopology.processors(inList: list[...]).filter(allowed.contains)
    }
    let named = nodes.flatMap(\.self)
    self.init(named.count == mask.count && Set(named) == allowed ? nodes : [mask])
  }

  /// The nodes that so many threads use: all; one per thread where threads are fewer; a single one of all processors for a single thread,
  /// or for more threads than processors.
  public func serving(threads: Int) -> MemoryNodes {
    let all = processors.flatMap(\.self)
    if threads < 2 || threads > all.count { return MemoryNodes([all]) }
    if threads >= count { return self }
    return MemoryNodes((0..<threads).map { processors[node(ofMember: $0, of: threads)] })
  }

  /// The node of what lies at a position.
  ///
  /// - Parameter position: 0 for the beginning of the whole, 1 for its end.
  public func node(at position: Double) -> Int {
    min(borders.firstIndex { position < $0 } ?? count - 1, count - 1)
  }

  /// The node of a member of a team.
  public func node(ofMember index: Int, of count: Int) -> Int { node(at: (Double(index) + 0.5) / Double(count)) }
}

import Synchronization

/// Follows texts through a grammar, for one vocabulary. States, the ways between them and the tokens that they allow are found as
/// they are needed and kept, for all answers that are held to the grammar.
///
/// A state is the set of all places in the grammar at which a text may be, each a node and the calls that led to it.
final class GrammarMachine: Sendable {
  /// A state's number; see ``dead``.
  typealias State = Int32
  /// The state of a text that fits nothing.
  static let dead: State = -1

  private let graph: GrammarGraph
  let table: TokenTable
  private let memory = Mutex(Memory())

  private static let placeLimit = 2000
  /// Places that all states together may have come to: a second or so.
  private static let workLimit = 20_000_000
  private static let stateLimit = 1 << 16
  private static let maskLimit = 1024

  private struct Memory {
    /// A call under way: where it goes on, and the call around it.
    struct Frame: Hashable {
      let next: Int32
      let outer: Int32
    }

    struct Entry {
      /// Nodes with edges, each with its frame.
      let places: [UInt64]
      /// Whether the text may end here.
      let mayEnd: Bool
    }

    /// Where a byte leads that nobody has asked for.
    static let unknown: State = -2

    var frames: [Frame] = []
    var frameNumbers: [Frame: Int32] = [:]
    var entries: [Entry] = []
    /// [states, 256]: where each byte leads.
    var next: [State] = []
    var numbers: [[UInt64]: State] = [:]
    var masks: [State: TokenMask] = [:]
    var work = 0
  }

  /// - Throws: ``GrammarError``.
  init(_ graph: GrammarGraph, _ table: TokenTable) throws {
    self.graph = graph
    self.table = table
    _ = try memory.withLock { memory in try state(from: [Self.place(graph.starts[0], -1)], &memory) }
  }

  /// The state of the empty text.
  let start: State = 0

  /// - Throws: `GrammarError` where the grammar becomes too large.
  func state(after bytes: some Sequence<UInt8>, from state: State) throws -> State {
    try memory.withLock { memory in
      var state = state
      for byte in bytes where state != Self.dead { state = try next(state, byte, &memory) }
      return state
    }
  }

  func mayEnd(_ state: State) -> Bool { state != Self.dead && memory.withLock { $0.entries[Int(state)].mayEnd } }

  /// Whether nothing can follow.
  func isComplete(_ state: State) -> Bool {
    state != Self.dead && memory.withLock { $0.entries[Int(state)].mayEnd && $0.entries[Int(state)].places.isEmpty }
  }

  /// The mask of a state, where it was made before.
  func knownMask(of state: State, isFirst: Bool) -> TokenMask? {
    isFirst && table.stripsSpace ? nil : memory.withLock { $0.masks[state] }
  }

  /// Whether a token may come next.
  ///
  /// - Parameter isFirst: whether it would begin the answer.
  /// - Throws: `GrammarError` where the grammar becomes too large.
  func allows(_ token: Int32, in state: State, isFirst: Bool) throws -> Bool {
    guard state != Self.dead else { return false }
    if table.ends.contains(token) { return mayEnd(state) }
    var text = table.text(of: token)
    guard !text.isEmpty else { return false }
    if isFirst, table.stripsSpace, text.first == 0x20 { text = text.dropFirst() }
    return try self.state(after: text, from: state) != Self.dead
  }

  /// The tokens that may come next.
  ///
  /// - Parameter isFirst: whether they would begin the answer.
  /// - Throws: `GrammarError` where the grammar becomes too large.
  func mask(of state: State, isFirst: Bool) throws -> TokenMask {
    guard state != Self.dead else { return TokenMask(count: table.count) }
    return try memory.withLock { memory in
      let strips = isFirst && table.stripsSpace
      if !strips, let known = memory.masks[state] { return known }
      var mask = TokenMask(count: table.count)
      if strips {
        for token in table.order {
          let text = table.text(of: token)
          var reached = state
          for byte in text.first == 0x20 ? text.dropFirst() : text where reached != Self.dead {
            reached = try next(reached, byte, &memory)
          }
          if reached != Self.dead { mask.insert(token) }
        }
      } else {
        try fill(&mask, from: state, &memory)
      }
      if memory.entries[Int(state)].mayEnd { table.ends.forEach { mask.insert($0) } }
      if !strips {
        if memory.masks.count >= Self.maskLimit { memory.masks.removeAll() }
        memory.masks[state] = mask
      }
      return mask
    }
  }

  // MARK: Tokens

  private func fill(_ mask: inout TokenMask, from state: State, _ memory: inout Memory) throws {
    // The states along the present token; all tokens that begin like one which came to nothing come to nothing.
    var path = [state]
    var deadFrom = Int.max
    for (index, token) in table.order.enumerated() {
      let shared = table.shared[index]
      if shared >= deadFrom { continue }
      deadFrom = .max
      path.removeLast(path.count - 1 - min(shared, path.count - 1))
      for byte in table.text(of: token).dropFirst(path.count - 1) {
        let reached = try next(path[path.count - 1], byte, &memory)
        if reached == Self.dead {
          deadFrom = path.count
          break
        }
        path.append(reached)
      }
      if deadFrom == .max { mask.insert(token) }
    }
  }

  // MARK: States

  private static func place(_ node: Int32, _ frame: Int32) -> UInt64 {
    UInt64(UInt32(bitPattern: node)) << 32 | UInt64(UInt32(bitPattern: frame))
  }

  private func next(_ state: State, _ byte: UInt8, _ memory: inout Memory) throws -> State {
    let known = memory.next[Int(state) << 8 | Int(byte)]
    if known != Memory.unknown { return known }
    var reached: [UInt64] = []
    for place in memory.entries[Int(state)].places {
      for edge in graph.nodes[Int(place >> 32)].edges where edge.bytes.contains(byte) {
        reached.append(Self.place(edge.target, Int32(truncatingIfNeeded: place)))
      }
    }
    let result = reached.isEmpty ? Self.dead : try self.state(from: reached, &memory)
    memory.next[Int(state) << 8 | Int(byte)] = result
    return result
  }

  /// The state of a text that may be at these places, and wherever they lead without a byte.
  private func state(from places: [UInt64], _ memory: inout Memory) throws -> State {
    var seen = Set(places)
    var left = Array(seen)
    var kept: [UInt64] = []
    var mayEnd = false
    func add(_ place: UInt64) throws {
      guard seen.insert(place).inserted else { return }
      guard seen.count <= Self.placeLimit else { throw GrammarError.tooAmbiguous(limit: Self.placeLimit) }
      left.append(place)
    }
    while let place = left.popLast() {
      let node = graph.nodes[Int(place >> 32)]
      let frame = Int32(truncatingIfNeeded: place)
      if !node.edges.isEmpty { kept.append(place) }
      for target in node.free { try add(Self.place(target, frame)) }
      if let call = node.call {
        let inner =
          graph.isLast[Int(call.next)] ? frame : Self.number(of: .init(next: call.next, outer: frame), &memory)
        try add(Self.place(graph.starts[Int(call.rule)], inner))
      }
      guard node.isEnd else { continue }
      if frame < 0 {
        mayEnd = true
      } else {
        let outer = memory.frames[Int(frame)]
        try add(Self.place(outer.next, outer.outer))
      }
    }
    memory.work += seen.count
    guard memory.work <= Self.workLimit else { throw GrammarError.tooAmbiguous(limit: Self.placeLimit) }
    if kept.isEmpty, !mayEnd { return Self.dead }
    kept.sort()
    // One more number tells texts that may end from others.
    let key = kept + [mayEnd ? 1 : 0]
    if let known = memory.numbers[key] { return known }
    guard memory.entries.count < Self.stateLimit else { throw GrammarError.tooManyStates(limit: Self.stateLimit) }
    let number = State(memory.entries.count)
    memory.entries.append(.init(places: kept, mayEnd: mayEnd))
    memory.next.append(contentsOf: repeatElement(Memory.unknown, count: 256))
    memory.numbers[key] = number
    return number
  }

  private static func number(of frame: Memory.Frame, _ memory: inout Memory) -> Int32 {
    if let known = memory.frameNumbers[frame] { return known }
    let number = Int32(memory.frames.count)
    memory.frames.append(frame)
    memory.frameNumbers[frame] = number
    return number
  }
}

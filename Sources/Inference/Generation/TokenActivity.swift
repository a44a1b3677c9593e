/// What the neurons did in the pass that a token of an answer came from.
public struct TokenActivity: Sendable, Equatable {
  /// The groups that the neurons of a layer stand in.
  public static let groups = 64
  /// The first groups, which hold a fifth of the neurons: those that fired most before.
  public static let hotGroups = 13

  public let layers: Int
  /// Of a layer.
  public let neurons: Int
  /// Neurons that fired, by layer and group: [layers, groups].
  public let fired: [UInt32]
  /// Whether groups are by how often neurons fired before; by their place in the file until enough tokens were seen.
  public let isSorted: Bool
  /// What the pass took, for all its tokens together.
  public let seconds: Double
  /// What the feed-forward layers took of it.
  public let feedForwardSeconds: Double

  /// - Parameters:
  ///   - layers: of the model.
  ///   - neurons: of a layer.
  ///   - fired: [layers, groups]
  ///   - isSorted: whether groups are by how often neurons fired before.
  ///   - seconds: what the pass took.
  ///   - feedForwardSeconds: what the feed-forward layers took of it.
  public init(
    layers: Int, neurons: Int, fired: [UInt32], isSorted: Bool, seconds: Double, feedForwardSeconds: Double
  ) {
    (self.layers, self.neurons, self.fired, self.isSorted) = (layers, neurons, fired, isSorted)
    (self.seconds, self.feedForwardSeconds) = (seconds, feedForwardSeconds)
  }

  /// The share of all neurons that fired.
  public var firedShare: Double { Double(total(of: Self.groups)) / Double(max(1, layers * neurons)) }

  /// The share of those that fired that was among the hot; nil until it is known which are hot, and where none fired.
  public var hotShare: Double? {
    let all = total(of: Self.groups)
    return isSorted && all > 0 ? Double(total(of: Self.hotGroups)) / Double(all) : nil
  }

  private func total(of groups: Int) -> Int {
    var sum = 0
    for (index, count) in fired.enumerated() where index % Self.groups < groups { sum += Int(count) }
    return sum
  }

  /// The share of each group's neurons that fired, 255 standing for all: [layers, groups].
  public var shares: [UInt8] {
    fired.enumerated().map { index, count in
      let size = Self.size(of: index % Self.groups, neurons: neurons)
      return size == 0 ? 0 : UInt8(clamping: (Int(count) * 255 + size / 2) / size)
    }
  }

  /// Neurons of a group: those whose rank times `groups` over `neurons` is its number.
  private static func size(of group: Int, neurons: Int) -> Int {
    func begin(_ group: Int) -> Int { (group * neurons + groups - 1) / groups }
    return begin(group + 1) - begin(group)
  }
}

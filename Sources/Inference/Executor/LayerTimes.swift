/// What the feed-forward of each layer took while tokens were decoded: from its beginning to everyone's end of it.
struct LayerTimes {
  private(set) var nanoseconds: [UInt64]
  private(set) var tokens: [Int]

  init(layers: Int) {
    nanoseconds = Array(repeating: 0, count: layers)
    tokens = Array(repeating: 0, count: layers)
  }

  mutating func add(layer: Int, nanoseconds time: UInt64) {
    nanoseconds[layer] += time
    tokens[layer] += 1
  }

  /// The mean over tokens.
  func microseconds(layer: Int) -> Double { Double(nanoseconds[layer]) / Double(max(tokens[layer], 1)) / 1000 }

  mutating func reset() { self = .init(layers: tokens.count) }
}

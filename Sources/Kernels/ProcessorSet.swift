import CPowerInferKernels

/// Logical processors, by number.
struct ProcessorSet: Equatable, Sendable {
  private var words = [UInt64](repeating: 0, count: Int(PI_PROCESSOR_WORDS))

  init() {}

  init(_ processors: some Sequence<Int>) {
    for processor in processors { insert(processor) }
  }

  /// Those that a thread (a `pthread_t`) may use; nil where the system does not tell.
  init?(of thread: UInt) {
    guard pi_get_processors(thread, &words) == 0 else { return nil }
  }

  var isEmpty: Bool { words.allSatisfy { $0 == 0 } }

  func contains(_ processor: Int) -> Bool {
    isNumber(processor) && words[processor / 64] >> (processor % 64) & 1 == 1
  }

  mutating func insert(_ processor: Int) {
    if isNumber(processor) { words[processor / 64] |= 1 << (processor % 64) }
  }

  mutating func remove(_ processor: Int) {
    if isNumber(processor) { words[processor / 64] &= ~(1 << (processor % 64)) }
  }

  func intersection(_ other: ProcessorSet) -> ProcessorSet {
    var both = self
    for index in both.words.indices { both.words[index] &= other.words[index] }
    return both
  }

  /// Has a thread use these alone, from now on. Where it runs on, or waits for, another one, it moves at once.
  /// - Returns: whether the system did so.
  func hold(_ thread: UInt) -> Bool {
    pi_set_processors(thread, words) == 0
  }

  private func isNumber(_ processor: Int) -> Bool { processor >= 0 && processor < words.count * 64 }
}

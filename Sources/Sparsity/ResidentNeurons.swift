/// The neurons of a layer that an executor computes; another computes the rest, and their outputs are added.
public enum ResidentNeurons: Sendable, Equatable {
  /// Every neuron.
  case all
  /// Stretches in the file's order, ascending, none overlapping another.
  case ranges([Range<Int>])
  /// Single neurons in the file's order, ascending.
  case list([UInt32])

  /// How many of `neurons` they are.
  public func count(of neurons: Int) -> Int {
    switch self {
    case .all: neurons
    case .ranges(let ranges): ranges.reduce(0) { $0 + $1.count }
    case .list(let list): list.count
    }
  }

  /// Whether the bias of the layer's output is added with them. It belongs to neuron 0, so that of the executors that share a layer
  /// one adds it.
  public var includeOutputBias: Bool {
    switch self {
    case .all: true
    case .ranges(let ranges): ranges.first?.lowerBound == 0
    case .list(let list): list.first == 0
    }
  }

  /// Whether each of `neurons` is one of them; `nil` where all are.
  public func flags(of neurons: Int) -> [Bool]? {
    if case .all = self { return nil }
    var flags = [Bool](repeating: false, count: neurons)
    switch self {
    case .all: break
    case .ranges(let ranges): for range in ranges { for neuron in range { flags[neuron] = true } }
    case .list(let list): for neuron in list { flags[Int(neuron)] = true }
    }
    return flags
  }

  /// Each of them, ascending; `nil` where these are all.
  func list(of neurons: Int) -> [UInt32]? {
    switch self {
    case .all: nil
    case .ranges(let ranges): ranges.flatMap { $0.map { UInt32(truncatingIfNeeded: $0) } }
    case .list(let list): list
    }
  }

  /// All others of `neurons`, ascending.
  public func complement(of neurons: Int) -> [UInt32] {
    guard let flags = flags(of: neurons) else { return [] }
    return flags.indices.filter { !flags[$0] }.map { UInt32(truncatingIfNeeded: $0) }
  }

  /// Whether they are ascending neurons out of so many.
  public func isValid(of neurons: Int) -> Bool {
    switch self {
    case .all: true
    case .ranges(let ranges):
      ranges.allSatisfy { !$0.isEmpty && $0.lowerBound >= 0 && $0.upperBound <= neurons }
        && zip(ranges, ranges.dropFirst()).allSatisfy { $0.upperBound <= $1.lowerBound }
    case .list(let list):
      list.allSatisfy { Int($0) < neurons } && zip(list, list.dropFirst()).allSatisfy { $0 < $1 }
    }
  }
}

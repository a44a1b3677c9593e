/// The neurons of a layer from hottest to coldest, and how many of the first are computed without asking.
///
/// The order of neurons does not change what a layer computes, up to rounding; it says which belong together (PowerInfer,
/// arXiv:2312.12456, §4).
public struct NeuronOrder: Sendable, Equatable {
  /// Neuron numbers as the file has them, hottest first; a permutation of `0..<count`.
  public let neurons: [UInt32]
  /// Neurons at the front that fire so often that asking costs no less than computing the silent ones among them.
  public let hotCount: Int

  /// The file's own order, none of it hot.
  ///
  /// - Parameter count: neurons in the layer.
  public init(count: Int) {
    neurons = Array(0..<UInt32(clamping: count))
    hotCount = 0
  }

  /// Neurons by falling activation frequency; equally frequent ones keep the file's order.
  ///
  /// A neuron is hot where computing it in vain costs no more than asking: (1 - frequency) · `computingCost` ≤ `askingCost`.
  /// One that is silent for more than half of the tokens never is.
  ///
  /// - Parameters:
  ///   - frequencies: share of tokens for which each neuron fires, 0...1; NaN counts as 0.
  ///   - askingCost: bytes read to predict one neuron.
  ///   - computingCost: bytes read in vain for a neuron that is computed and stays silent.
  public init(frequencies: [Float], askingCost: Double, computingCost: Double) {
    let clean = frequencies.map { $0.isNaN ? 0 : $0 }
    let order = clean.indices.sorted { (clean[$0], $1) > (clean[$1], $0) }
    neurons = order.map { UInt32(clamping: $0) }
    hotCount =
      order.prefix {
        let frequency = Double(clean[$0])
        return frequency >= Self.leastHotFrequency && (1 - frequency) * computingCost <= askingCost
      }.count
  }

  /// A neuron below this is silent more often than not: whatever asking costs, it is better left out of the hot ones, which
  /// are computed for every token.
  static let leastHotFrequency = 0.5
}

public import PowerInferSparsity

/// Thresholds that leave out a share of every layer's neurons, and what they cost.
public struct Calibration: Sendable, Equatable {
  /// For the sidecar, or the model file.
  public let thresholds: GateThresholds
  /// In order of the layers.
  public let layers: [Layer]

  /// What the threshold of a layer did on the text.
  public struct Layer: Sendable, Equatable, Encodable {
    /// Counted from 0.
    public let layer: Int
    /// Neurons are computed from this |act(gate)| on.
    public let threshold: Float
    /// Share of neurons and tokens that give nothing, or next to nothing (below 2⁻²⁸), without any threshold, 0...1.
    public let silent: Double
    /// Share of neurons and tokens that are left out, 0...1.
    public let leftOut: Double
    /// Share of the sum of |h| · ‖row of the down projection‖ that the others give, 0...1.
    public let kept: Double
  }

  /// Mean of the layers' shares.
  public var silent: Double { layers.reduce(0) { $0 + $1.silent } / Double(max(layers.count, 1)) }
  /// Mean of the layers' shares.
  public var leftOut: Double { layers.reduce(0) { $0 + $1.leftOut } / Double(max(layers.count, 1)) }
  /// Mean of the layers' shares.
  public var kept: Double { layers.reduce(0) { $0 + $1.kept } / Double(max(layers.count, 1)) }

  /// Finds for each layer the threshold that leaves out the share `target`, as near as a fraction of a percent.
  ///
  /// Neurons that give nothing are always left out, but for a target of 0, with which the threshold is 0.
  ///
  /// - Throws: `NeuronRecordError.target` for a share that is not in 0..<1.
  public init(_ statistics: NeuronStatistics, target: Float) throws(NeuronRecordError) {
    // Checked first: no cut makes sense otherwise.
    _ = try GateThresholds(thresholds: [], target: target, tokens: statistics.profile.tokens, text: "")
    let cuts = statistics.histograms.map { $0.cut(leavingOut: Double(target)) }
    layers = cuts.enumerated().map { index, cut in
      Layer(layer: index, threshold: cut.threshold, silent: cut.silent, leftOut: cut.leftOut, kept: cut.kept)
    }
    thresholds = try GateThresholds(
      thresholds: cuts.map(\.threshold), target: target, tokens: statistics.profile.tokens,
      text: statistics.profile.text)
  }
}

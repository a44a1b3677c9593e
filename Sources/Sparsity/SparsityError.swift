/// Why the neurons of a model cannot be chosen as asked.
public enum SparsityError: Error, Equatable, CustomStringConvertible {
  case noPredictor(layer: Int)
  case thresholdNotANumber
  case gateIsNeverSilent(activation: String)
  case noGateThresholds
  case bitsMargin(Float)
  case bitsNeedThresholds(activation: String)
  case notEnoughMemory(bytes: Int, what: String)
  case residentNeurons(layers: Int, expected: Int, neurons: Int)

  public var description: String {
    switch self {
    case .noPredictor(let layer):
      "The predictor source needs a predictor in every layer, but the file has no \"blk.\(layer).fc1.weight\"."
    case .thresholdNotANumber:
      "The predictor's threshold is not a number, expected any number or an infinity."
    case .gateIsNeverSilent(let activation):
      "The gate source needs neurons that are silent, as ReLU's are, but the model's activation is \(activation), which is "
        + "never exactly zero; the threshold source is made for it."
    case .noGateThresholds:
      "The threshold source needs the thresholds that `powerinfer calibrate` finds, but the model has none."
    case .bitsMargin(let margin):
      "The margin of leading bits is \(margin), expected a finite number, 0 or more."
    case .bitsNeedThresholds(let activation):
      "The bits source needs neurons that are silent, as ReLU's are, or the thresholds that `powerinfer calibrate` finds, but the "
        + "model's activation is \(activation) and it has none."
    case .notEnoughMemory(let bytes, let what):
      "The \(what) in memory need \(bytes) bytes, more than this machine gives."
    case .residentNeurons(let layers, let expected, let neurons):
      "The resident neurons of \(layers) layers are given, expected those of \(expected): ascending and below \(neurons)."
    }
  }
}

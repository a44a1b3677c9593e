/// Why neurons cannot be placed.
public enum PlacementError: Error, Equatable, CustomStringConvertible {
  case bandwidth(Double)
  case turn(Double)
  case budget(Int)
  case step(Int)
  case bytesPerNeuron(layer: Int, Int)
  case tokens(of: String, Int)
  case tooLarge(tokens: Int)

  public var description: String {
    switch self {
    case .bandwidth(let value): "The bytes per second of a device are \(value), expected a number above 0."
    case .turn(let value): "The seconds per turn of a device are \(value), expected a number of 0 or more."
    case .budget(let bytes): "The budget is \(bytes) bytes, expected 0 or more."
    case .step(let step): "Neurons are to be placed \(step) at a time, expected at least 1."
    case .bytesPerNeuron(let layer, let bytes): "A neuron of layer \(layer) takes \(bytes) bytes, expected at least 1."
    case .tokens(let what, let count): "The \(what) is \(count) tokens, expected at least 1."
    case .tooLarge(let tokens): "What \(tokens) tokens take in memory is more than can be counted."
    }
  }
}

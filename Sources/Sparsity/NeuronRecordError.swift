public import PowerInferGGUF

/// Why what a file says about a model's neurons cannot be used.
public enum NeuronRecordError: Error, Equatable, CustomStringConvertible {
  // The file.
  case container(GGUFError)
  indirect case inFile(path: String, reason: NeuronRecordError)
  case otherKind(expected: NeuronRecordKind, found: String?)
  case otherModel

  // What it says.
  case version(key: String, expected: Int, found: Int)
  case shape(expected: FeedForwardShape, found: FeedForwardShape)
  case layers(expected: Int, found: Int)
  case count(key: String, expected: Int, found: Int)
  case unequal(frequencies: Int, contributions: Int)
  case uneven(layer: Int, expected: Int, found: Int)
  case tokens(Int)
  case target(Float)
  case frequency(layer: Int, neuron: Int, Float)
  case contribution(layer: Int, neuron: Int, Float)
  case threshold(layer: Int, Float)
  case marginLayers(expected: Int, found: Int)
  case margin(layer: Int, Float)
  case loss(Float)

  public var description: String {
    switch self {
    case .container(let error):
      return error.description
    case .inFile(let path, let reason):
      return "\(shown(path)): \(reason)"
    case .otherKind(let expected, let found):
      let what = found.map { "its key \"general.type\" says \(shown($0))" } ?? "it has no key \"general.type\""
      return "The file holds no \(expected.name): \(what), where \"\(expected.fileType)\" was expected."
    case .otherModel:
      return
        "The file belongs to another model, or to this one with its weights in another type or its neurons in another "
        + "order."
    case .version(let key, let expected, let found):
      return "The metadata key \"\(key)\" is \(found); this version reads \(expected)."
    case .shape(let expected, let found):
      return "The activation profile is of \(found.layers) layers of \(found.neurons) neurons, but the model has "
        + "\(expected.layers) of \(expected.neurons)."
    case .layers(let expected, let found):
      return "There are gate thresholds for \(found) layers, but the model has \(expected)."
    case .count(let key, let expected, let found):
      return "The metadata key \"\(key)\" holds \(found) numbers, expected \(expected)."
    case .unequal(let frequencies, let contributions):
      return "There are frequencies for \(frequencies) layers, but contributions for \(contributions)."
    case .uneven(let layer, let expected, let found):
      return "Layer \(layer) has numbers for \(found) neurons, expected \(expected) as in the others."
    case .tokens(let count):
      return "The number of tokens counted is \(count), expected at least 1."
    case .target(let target):
      return "The share of neurons to leave out is \(target), expected 0 or more and less than 1."
    case .frequency(let layer, let neuron, let value):
      return "The frequency of neuron \(neuron) in layer \(layer) is \(value), expected 0 to 1."
    case .contribution(let layer, let neuron, let value):
      return "The contribution of neuron \(neuron) in layer \(layer) is \(value), expected a number of 0 or more."
    case .threshold(let layer, let value):
      return "The threshold of layer \(layer) is \(value), expected a number of 0 or more."
    case .marginLayers(let expected, let found):
      return "There are margins of leading bits for \(found) layers, but the model has \(expected)."
    case .margin(let layer, let value):
      return "The margin of layer \(layer) is \(value), expected a number of 0 or more."
    case .loss(let loss):
      return "The loss is \(loss), expected a share above 0 and less than 1."
    }
  }
}

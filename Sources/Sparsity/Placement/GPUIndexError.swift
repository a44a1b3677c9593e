public import PowerInferGGUF

/// Why a list of the neurons on a GPU cannot be read or written.
public enum GPUIndexError: Error, Equatable, CustomStringConvertible {
  // The file.
  case container(GGUFError)
  indirect case inFile(path: String, reason: GPUIndexError)
  case magic(Magic)
  case otherKind(found: String?)
  case layerKey(expected: Int, found: Int)
  case tensorCount(expected: Int, found: Int)
  case type(tensor: String, found: TensorType)
  case shape(tensor: String, expected: [Int], found: [Int])
  case rank(tensor: String, dimensions: Int)
  case capacity(Int)

  // What it lists.
  case layers(expected: Int, found: Int)
  case neurons(Int)
  case mark(layer: Int, neuron: Int, Int32)
  case range(layer: Int, neuron: Int, neurons: Int)
  case order(layer: Int, neuron: Int, after: Int)
  case sum(layer: Int, marked: Int, listed: Int)
  case unmarked(layer: Int, neuron: Int)

  public var description: String {
    switch self {
    case .container(let error):
      error.description
    case .inFile(let path, let reason):
      "\(shown(path)): \(reason)"
    case .magic(let found):
      "The file starts with \"\(found.rawValue)\", where \"\(Magic.powerInfer.rawValue)\" was expected of a GPU index."
    case .otherKind(let found?):
      "The file is no GPU index: its architecture is \(shown(found)), where \"\(GPUIndex.architecture)\" was expected."
    case .otherKind(nil):
      "The file is no GPU index: it names no architecture, where \"\(GPUIndex.architecture)\" was expected."
    case .layerKey(let expected, let found):
      "The metadata key \"\(GPUIndex.layersKey)\" is \(found), but the model has \(expected) layers."
    case .tensorCount(let expected, let found):
      "The file has \(found) tensors, expected \(expected), two for each layer of the model."
    case .type(let tensor, let found):
      "The tensor \(shown(tensor)) is of type \(found.name), expected \(TensorType.i32.name)."
    case .shape(let tensor, let expected, let found):
      "The tensor \(shown(tensor)) has the shape \(found), expected \(expected)."
    case .rank(let tensor, let dimensions):
      "The tensor \(shown(tensor)) has \(dimensions) dimensions, expected 1."
    case .capacity(let bytes):
      "The bytes that the neurons need are \(bytes), expected 0 or more."
    case .layers(let expected, let found):
      "There are neurons listed for \(found) layers, but the model has \(expected)."
    case .neurons(let count):
      "The model has \(count) neurons in a layer, expected at most \(Int32.max) for a GPU index."
    case .mark(let layer, let neuron, let value):
      "Neuron \(neuron) of layer \(layer) is marked with \(value), expected 0 or 1."
    case .range(let layer, let neuron, let neurons):
      "Layer \(layer) lists neuron \(neuron), expected 0 to \(neurons - 1)."
    case .order(let layer, let neuron, let after):
      "Layer \(layer) lists neuron \(neuron) after \(after), expected ascending numbers."
    case .sum(let layer, let marked, let listed):
      "Layer \(layer) marks \(marked) neurons, but lists \(listed)."
    case .unmarked(let layer, let neuron):
      "Layer \(layer) lists neuron \(neuron), but does not mark it."
    }
  }
}

import PowerInfer
import PowerInferGGUF
import PowerInferModel

/// Where a weight stands in a model, told by its name: which vectors it is multiplied with.
struct WeightRole: Hashable {
  /// Counted from 0; the number of layers for the output matrix.
  let layer: Int
  let input: MatrixInput
  /// Whether rows are neurons (`ffn_down_t`): then an element of the input scales a row, and none a column.
  let isByNeuron: Bool

  /// Nil for what is multiplied with nothing that a pass shows: predictors, norms, embeddings that are not also the output.
  init?(named name: String, layers: Int, isTied: Bool) {
    if name == "output.weight" || (isTied && name == "token_embd.weight") {
      self.init(layer: layers, input: .output)
      return
    }
    let parts = name.split(separator: ".")
    guard parts.count == 4, parts[0] == "blk", parts[3] == "weight", let layer = Int(parts[1]), layer < layers,
      layer >= 0
    else { return nil }
    switch parts[2] {
    case "attn_q", "attn_k", "attn_v", "attn_qkv": self.init(layer: layer, input: .attention)
    case "attn_output": self.init(layer: layer, input: .attentionOutput)
    case "ffn_gate", "ffn_up": self.init(layer: layer, input: .feedForward)
    case "ffn_down": self.init(layer: layer, input: .down)
    case "ffn_down_t": self.init(layer: layer, input: .down, isByNeuron: true)
    default: return nil
    }
  }

  private init(layer: Int, input: MatrixInput, isByNeuron: Bool = false) {
    self.layer = layer
    self.input = input
    self.isByNeuron = isByNeuron
  }

  /// Whether the rows of the tensor are neurons.
  static func isByNeuron(_ tensor: String) -> Bool { tensor.hasSuffix(".ffn_down_t.weight") }

  /// The name that importance matrices have for the tensor. For `ffn_down_t` it is that of the plain layout, whose columns
  /// its rows are.
  static func importanceName(of tensor: String) -> String {
    tensor.replacing(".ffn_down_t.", with: ".ffn_down.")
  }
}

extension ModelConfiguration {
  /// Elements of such an input.
  func columns(of input: MatrixInput) -> Int {
    switch input {
    case .attention, .feedForward, .output: hiddenSize
    case .attentionOutput: querySize
    case .down: feedForwardSize
    }
  }
}

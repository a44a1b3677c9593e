import PowerInferGGUF
public import PowerInferKernels

/// The down projection of a feed-forward layer, in either of the two layouts files use.
public enum DownProjection: Sendable {
  /// `ffn_down`, [f, d]: one row per output, as every other matrix.
  case rows(Matrix)
  /// `ffn_down_t`, [d, f]: row i is what neuron i adds to the output (spec §1.3), so silent neurons cost nothing.
  case neurons(Matrix)
}

/// The activation predictor of a layer (PowerInfer §5.1): neuron i is expected to fire when (fc2 · relu(fc1 · x))[i] reaches the
/// threshold.
public struct PredictorWeights: Sendable {
  public let fc1: Matrix  // fc1, [d, rank]
  public let fc2: Matrix  // fc2, [rank, f]

  /// Width of the hidden layer, which may differ from layer to layer.
  public var rank: Int { fc1.rows }
}

/// The weights of a norm, all [d].
public struct NormWeights: Sendable {
  public let gain: Vector  // .weight
  public let bias: Vector?  // .bias; layer norms have one, RMS norms none
}

/// Weights of one transformer layer. Shapes are [contiguous (input), rows (output)].
public struct LayerWeights: Sendable {
  public let attentionNorm: NormWeights  // attn_norm; with parallel blocks attn_norm_2 where the file has it
  public let query: Matrix  // attn_q or the first rows of attn_qkv, [d, heads · headSize]
  public let key: Matrix  // attn_k or the next rows, [d, kvHeads · headSize]
  public let value: Matrix  // attn_v or the last rows, [d, kvHeads · headSize]
  public let attentionOutput: Matrix  // attn_output, [heads · headSize, d]
  public let queryBias: Vector?  // attn_q.bias
  public let keyBias: Vector?  // attn_k.bias
  public let valueBias: Vector?  // attn_v.bias
  public let attentionOutputBias: Vector?  // attn_output.bias, [d]

  /// ffn_norm; with parallel blocks attn_norm beside an attn_norm_2, and `nil` where the attention's norm serves both.
  public let feedForwardNorm: NormWeights?
  public let gate: Matrix?  // ffn_gate, [d, f], one row per neuron; nil where neurons have none
  public let up: Matrix  // ffn_up, [d, f], one row per neuron
  public let down: DownProjection  // ffn_down [f, d] or ffn_down_t [d, f]
  public let gateBias: Vector?  // ffn_gate.bias, [f]
  public let upBias: Vector?  // ffn_up.bias, [f]; what a silent neuron gives is then act(bias), not 0
  public let downBias: Vector?  // ffn_down.bias or ffn_down_t.bias, [d]
  public let predictor: PredictorWeights?  // fc1, fc2 where the file has them
}

/// All weights of a model. Matrices point into the mapped file, or into a copy, and are valid while the model lives.
public struct Weights: Sendable {
  public let tokenEmbedding: Matrix  // token_embd, [d, V]
  public let positionEmbedding: Matrix?  // position_embd, [d, offset + positions], where positions are learned
  public let outputNorm: NormWeights  // output_norm
  public let output: Matrix  // output, [d, V]; token_embd where the file ties the two
  public let isOutputTied: Bool  // whether output is token_embd
  public let rotaryDivisors: [Float]?  // rope_freqs, [rotary dimensions / 2]
  public let layers: [LayerWeights]  // in order, from the embedding on

  /// Finds every weight of the model in the file, in any order, and checks types and shapes.
  ///
  /// - Throws: ``ModelError`` for a tensor that is missing, left over, misshapen or of a type without kernels.
  init(file: GGUFFile, configuration c: ModelConfiguration, copy: WeightCopy?) throws {
    var find = TensorFinder(file: file, copy: copy)
    tokenEmbedding = try find.matrix("token_embd.weight", columns: c.hiddenSize, rows: c.vocabularySize)
    positionEmbedding = try c.learnedPositionCount.map {
      try find.matrix("position_embd.weight", columns: c.hiddenSize, rows: $0)
    }
    outputNorm = try find.norm("output_norm", c)
    let ownOutput = try find.optionalMatrix("output.weight", columns: c.hiddenSize, rows: c.vocabularySize)
    output = ownOutput ?? tokenEmbedding
    isOutputTied = ownOutput == nil
    let rotaryPairs = c.rotary.dimensions / 2
    rotaryDivisors = rotaryPairs == 0 ? nil : try find.divisors("rope_freqs.weight", count: rotaryPairs)

    var layers: [LayerWeights] = []
    for index in 0..<c.layerCount {
      layers.append(try LayerWeights(index: index, find: &find, configuration: c))
    }
    self.layers = layers
    try find.expectNothingLeft()
  }
}

import GGUF
import Kernels

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

/// Weights of one transformer layer. Shapes are [contiguous (input), rows (output)].
public struct LayerWeights: Sendable {
  public let attentionNorm: Vector  // attn_norm, [d]
  public let query: Matrix  // attn_q, [d, heads · headSize], rows permuted for adjacent-pair rotation
  public let key: Matrix  // attn_k, [d, kvHeads · headSize], permuted likewise
  public let value: Matrix  // attn_v, [d, kvHeads · headSize]
  public let attentionOutput: Matrix  // attn_output, [heads · headSize, d]
  public let queryBias: Vector?  // attn_q.bias
  public let keyBias: Vector?  // attn_k.bias
  public let valueBias: Vector?  // attn_v.bias
  public let attentionOutputBias: Vector?  // attn_output.bias, [d]

  public let feedForwardNorm: Vector  // ffn_norm, [d]
  public let gate: Matrix  // ffn_gate, [d, f], one row per neuron
  public let up: Matrix  // ffn_up, [d, f], one row per neuron
  public let down: DownProjection  // ffn_down [f, d] or ffn_down_t [d, f]
  public let predictor: PredictorWeights?  // fc1, fc2 where the file has them
}

/// All weights of a model. Matrices point into the mapped file and are valid while it lives.
public struct Weights: Sendable {
  public let tokenEmbedding: Matrix  // token_embd, [d, V]
  public let outputNorm: Vector  // output_norm, [d]
  public let output: Matrix  // output, [d, V]; token_embd where the file ties the two
  public let isOutputTied: Bool  // whether output is token_embd
  public let rotaryDivisors: [Float]?  // rope_freqs, [rotary dimensions / 2]
  public let layers: [LayerWeights]  // in order, from the embedding on

  /// Finds every weight of the model in the file, in any order, and checks types and shapes.
  ///
  /// - Throws: ``ModelError`` for a tensor that is missing, left over, misshapen or of a type without kernels.
  public init(file: GGUFFile, configuration c: ModelConfiguration) throws {
    var find = TensorFinder(file: file)
    tokenEmbedding = try find.matrix("token_embd.weight", columns: c.hiddenSize, rows: c.vocabularySize)
    outputNorm = try find.vector("output_norm.weight", count: c.hiddenSize)
    let ownOutput = try find.optionalMatrix("output.weight", columns: c.hiddenSize, rows: c.vocabularySize)
    output = ownOutput ?? tokenEmbedding
    isOutputTied = ownOutput == nil
    rotaryDivisors = try find.divisors("rope_freqs.weight", count: c.rotary.dimensions / 2)

    var layers: [LayerWeights] = []
    for index in 0..<c.layerCount {
      layers.append(try LayerWeights(index: index, find: &find, configuration: c))
    }
    self.layers = layers
    try find.expectNothingLeft()
  }
}

extension LayerWeights {
  init(index: Int, find: inout TensorFinder, configuration c: ModelConfiguration) throws {
    let (d, f, q, kv) = (c.hiddenSize, c.feedForwardSize, c.querySize, c.keyValueSize)
    func name(_ part: String) -> String { "blk.\(index).\(part)" }

    attentionNorm = try find.vector(name("attn_norm.weight"), count: d)
    query = try find.matrix(name("attn_q.weight"), columns: d, rows: q)
    key = try find.matrix(name("attn_k.weight"), columns: d, rows: kv)
    value = try find.matrix(name("attn_v.weight"), columns: d, rows: kv)
    attentionOutput = try find.matrix(name("attn_output.weight"), columns: q, rows: d)
    queryBias = try find.optionalVector(name("attn_q.bias"), count: q)
    keyBias = try find.optionalVector(name("attn_k.bias"), count: kv)
    valueBias = try find.optionalVector(name("attn_v.bias"), count: kv)
    attentionOutputBias = try find.optionalVector(name("attn_output.bias"), count: d)

    feedForwardNorm = try find.vector(name("ffn_norm.weight"), count: d)
    gate = try find.matrix(name("ffn_gate.weight"), columns: d, rows: f)
    up = try find.matrix(name("ffn_up.weight"), columns: d, rows: f)
    if let transposed = try find.optionalMatrix(name("ffn_down_t.weight"), columns: d, rows: f) {
      down = .neurons(transposed)
    } else {
      down = .rows(try find.matrix(name("ffn_down.weight"), columns: f, rows: d))
    }
    predictor = try find.predictor(fc1: name("fc1.weight"), fc2: name("fc2.weight"), columns: d, neurons: f)
    find.ignore(name("rope_freqs.weight"))
    find.ignore(name("attn_rot_embd.weight"))
  }
}

import PowerInferGPU
import PowerInferModel

/// What a pass writes and reads on a device beside weights and cache, allocated once.
///
/// Rows of activations are as many floats apart as their columns rounded up to 32; what lies behind the columns is 0 from the beginning
/// and stays so.
struct GPUWorkspace {
  /// Activations with their 8-bit form, which products with quantised weights read.
  struct Form {
    let stride: Int
    let values: any GPUBuffer  // [rows, stride] floats
    let codes: any GPUBuffer  // [rows, stride] bytes
    let scales: any GPUBuffer  // [rows, stride / 32] pairs of scale and sum
  }

  let residual: any GPUBuffer  // [rows, d]
  let residualKept: any GPUBuffer  // [rows, d]: the rows whose logits are wanted
  let normed: Form  // [rows, d]
  let normedBeside: Form?  // [rows, d]: the feed-forward's own norm of parallel blocks
  let projected: any GPUBuffer  // [rows, queries + keys + values]
  let attended: Form  // [rows, heads · headSize]
  let attentionOutput: any GPUBuffer  // [rows, d]
  let gate: any GPUBuffer  // [rows, f]
  let up: any GPUBuffer  // [rows, f]
  let hidden: Form  // [rows, f]
  let feedForwardOutput: any GPUBuffer  // [rows, d], or [pieces, few rows, d]
  let predicting: GPUPredictionWorkspace?
  let list: any GPUBuffer  // [f]: neurons that are computed
  let starts: any GPUBuffer  // [runs + 1]: where runs of neurons begin in it
  let counts: any GPUBuffer  // [layers, countStride]: how many are listed and fire, and the grid that goes through them
  let hostCounts: any GPUBuffer  // the same, for the host
  let states: any GPUBuffer  // attention of stretches
  let output: Form  // [rows, d]: normed rows whose logits are wanted
  let chunk: Form  // [logitRows, d]
  let logits: any GPUBuffer  // [logitRows, V]
  let hostLogits: any GPUBuffer  // the same, for the host
  let candidates: any GPUBuffer  // [logitRows, most] of token and logit
  let found: any GPUBuffer  // [logitRows]

  let projectedStride: Int
  /// Rows whose logits there is room for.
  let logitRows: Int
  /// Rows of states.
  let stateRows: Int
  let byteCount: Int

  static func stride(_ columns: Int) -> Int { (columns + 31) / 32 * 32 }

  /// Bytes from layer to layer of ``counts``, and to where it says how many listed neurons give something: bindings may begin at every
  /// multiple of 256.
  static let countStride = 512
  static let tallyOffset = 256
  /// Rows of a pass that can take a long context in stretches; more keep a device busy without.
  private static let splitRows = 128
  /// Candidates of a row that can be asked for on the device.
  static let candidateCount = 64

  /// - Parameters:
  ///   - ranks: of the predictors that are asked.
  ///   - logitBytes: most bytes of logits at a time; 0 where the processor computes them.
  ///   - isShared: whether the processor computes some of the neurons.
  init(
    _ model: LanguageModel, rows: Int, stretches: Int, fewRows: Int, ranks: Set<Int>, logitBytes: Int,
    isShared: Bool, on device: any GPUDevice
  ) throws {
    let c = model.configuration
    var made: [any GPUBuffer] = []
    func buffer(_ bytes: Int, _ label: String, _ role: GPUBufferRole = .device) throws -> any GPUBuffer {
      let buffer = try device.makeBuffer(byteCount: bytes, role: role, label: label)
      made.append(buffer)
      return buffer
    }
    func floats(_ rows: Int, _ columns: Int, _ label: String) throws -> any GPUBuffer {
      try buffer(rows * Self.stride(columns) * 4, label)
    }
    func form(_ rows: Int, _ columns: Int, _ label: String) throws -> Form {
      let stride = Self.stride(columns)
      return Form(
        stride: stride, values: try floats(rows, columns, label),
        codes: try buffer(rows * stride, label + " in 8 bits"),
        scales: try buffer(rows * stride / 32 * 8, label + "'s scales"))
    }
    let (d, f) = (c.hiddenSize, c.feedForwardSize)
    residual = try floats(rows, d, "residual")
    residualKept = try floats(rows, d, "kept residual")
    normed = try form(rows, d, "normed rows")
    let hasOwnNorm = c.architecture.hasParallelBlocks && model.weights.layers.contains { $0.feedForwardNorm != nil }
    normedBeside = hasOwnNorm ? try form(rows, d, "rows normed beside") : nil
    projectedStride = Self.stride(c.querySize + 2 * c.keyValueSize)
    projected = try floats(rows, c.querySize + 2 * c.keyValueSize, "queries, keys, values")
    attended = try form(rows, c.querySize, "attended rows")
    attentionOutput = try floats(rows, d, "attention's output")
    gate = try floats(rows, f, "gates")
    up = try floats(rows, f, "neurons")
    hidden = try form(rows, f, "what neurons give")
    // A part of the neurons may take as many pieces as all of them. Then one more is the processor's.
    let pieces = NeuronRuns(neurons: f).pieces
    feedForwardOutput = try floats(
      max(rows, pieces * min(rows, fewRows)) + (isShared ? rows : 0), d, "feed-forward's output")
    if ranks.isEmpty {
      predicting = nil
    } else {
      predicting = GPUPredictionWorkspace(
        input: try form(rows, d, "what predictors read"),
        ranks: Dictionary(uniqueKeysWithValues: try ranks.map { ($0, try form(rows, $0, "predictors' hidden rows")) }),
        scores: try floats(rows, f, "predictions"))
    }
    list = try buffer(f * 4, "listed neurons")
    starts = try buffer((NeuronRuns(neurons: f).count + 1) * 4, "runs of listed neurons")
    counts = try buffer(c.layerCount * Self.countStride, "numbers of neurons")
    hostCounts = try buffer(c.layerCount * Self.countStride, "numbers of neurons for the host", .hostRead)
    let stateBytes = c.headCount * (c.headSize + 2) * 4
    stateRows = min(min(rows, Self.splitRows) * stretches, device.description.limits.bindingBytes / stateBytes)
    states = try buffer(stateRows * stateBytes, "attention's states")
    output = try form(rows, d, "normed rows for logits")
    // Somebody else's logits need no room, but a binding must be of something.
    let vocabulary = logitBytes > 0 ? c.vocabularySize : 1
    logitRows = max(1, min(rows, logitBytes / (vocabulary * 4)))
    chunk = try form(logitRows, d, "a few normed rows")
    logits = try buffer(logitRows * vocabulary * 4, "logits")
    hostLogits = try buffer(logitRows * vocabulary * 4, "logits for the host", .hostRead)
    candidates = try buffer(logitRows * Self.candidateCount * 8, "candidates", .hostRead)
    found = try buffer(logitRows * 4, "numbers of candidates", .hostRead)
    byteCount = made.reduce(0) { $0 + $1.byteCount }
    let zeroed = made.filter { $0.role == .device }
    try device.run(
      device.record("zeros behind rows") { recorder in
        for buffer in zeroed { try recorder.fill(buffer.all) }
      })
  }
}

/// What predictors write and read.
struct GPUPredictionWorkspace {
  /// Residuals as they are. Their floats are here only where the first rows of a pass do not ask.
  let input: GPUWorkspace.Form  // [rows, d]
  let ranks: [Int: GPUWorkspace.Form]  // [rows, rank], by rank
  let scores: any GPUBuffer  // [rows, f], of neurons that are asked about
}

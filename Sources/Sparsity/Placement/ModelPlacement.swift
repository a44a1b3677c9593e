public import PowerInferKernels
public import PowerInferModel

/// What of a model goes into video memory: all that is computed for every token first, then the hottest neurons.
///
/// Parts are counted one after another in the order of ``PlacedPart/Kind``. With the first that does not fit, it and all that
/// come after it stay in main memory, neurons included, as PowerInfer does. Embeddings always stay there: a token reads one
/// row of them.
public struct ModelPlacement: Sendable, Equatable {
  /// Bytes of video memory that may be used.
  public let budget: Int
  /// What is computed for every token, in the order in which it was counted.
  public let parts: [PlacedPart]
  /// What goes where of the feed-forward neurons.
  public let neurons: Placement

  /// Bytes of video memory in use.
  public var byteCount: Int { fixedBytes + neurons.byteCount }
  /// Expected seconds for one token at the beginning of a context: what attention reads of the cache is not counted.
  public let secondsPerToken: Double
  /// Expected tokens in a second, one after another.
  public var tokensPerSecond: Double { 1 / secondsPerToken }

  /// Bytes of main memory in use: the model's file, whose weights stay there, and what of cache and scratch space is not
  /// on the GPU. `Int.max` stands for more than can be counted.
  ///
  /// - Parameter fileBytes: of the model's file.
  public func mainMemoryBytes(fileBytes: Int) -> Int {
    let beside = parts.filter { !$0.isOnGPU && ($0.kind == .cache || $0.kind == .scratch) }
    return beside.reduce(fileBytes) { total, part in
      // The scratch space is a number from the command line.
      let (sum, overflows) = total.addingReportingOverflow(part.byteCount)
      return overflows ? .max : sum
    }
  }

  private var fixedBytes: Int { parts.reduce(0) { $0 + ($1.isOnGPU ? $1.byteCount : 0) } }

  /// Places a model.
  ///
  /// - Parameters:
  ///   - parts: what is computed for every token, in the order in which to count it.
  ///   - loads: the neurons of each layer.
  ///   - budget: bytes of video memory.
  ///   - cost: of both devices.
  ///   - step: neurons that are placed at a time.
  /// - Throws: ``PlacementError``.
  public init(
    parts: [PlacedPart], loads: [NeuronLoad], budget: Int, cost: CostModel, step: Int = Placement.defaultStep
  ) throws(PlacementError) {
    guard budget >= 0 else { throw .budget(budget) }
    var left = budget
    var fits = true
    self.parts = parts.map { part in
      var part = part
      fits = fits && part.byteCount <= left
      part.isOnGPU = fits
      if fits { left -= part.byteCount }
      return part
    }
    neurons = try Placement(loads, budget: fits ? left : 0, cost: cost, step: step)
    self.budget = budget
    secondsPerToken =
      neurons.seconds
      + self.parts.reduce(0) {
        $0 + ($1.isOnGPU ? cost.gpu : cost.cpu).seconds(Double($1.bytesPerToken))
      }
  }
}

/// A part of a model that is in video memory as a whole or not at all.
public struct PlacedPart: Sendable, Equatable {
  /// Parts, in the order in which they are given memory.
  public enum Kind: String, Sendable, Codable, CaseIterable {
    /// What a batch of tokens is while it is computed.
    case scratch
    /// Projections of queries, keys, values and outputs, with their biases.
    case attention
    /// Predictors, as in the file.
    case predictors
    /// All norms, and the biases of the down projections.
    case norms
    /// The output matrix; a copy of the embeddings where the file ties the two.
    case output
    /// Keys and values of the whole context.
    case cache
  }

  public let kind: Kind
  public let byteCount: Int
  /// Bytes that every token reads of it.
  public let bytesPerToken: Int
  /// Whether it is in video memory.
  public internal(set) var isOnGPU = false

  public init(_ kind: Kind, byteCount: Int, bytesPerToken: Int) {
    self.kind = kind
    self.byteCount = byteCount
    self.bytesPerToken = bytesPerToken
  }

  /// The parts of a model.
  ///
  /// - Parameters:
  ///   - model: an open model.
  ///   - contextSize: tokens in the cache.
  ///   - batchSize: tokens that are computed at once.
  ///   - scratch: bytes for it; nil counts what the activations of a batch take in F32 (residual stream and its norm, queries,
  ///     keys, values, what attention gives, gates, up projections, predictions), and the logits of one token.
  ///   - keys: how the cache keeps keys.
  ///   - values: how it keeps values.
  /// - Throws: ``PlacementError`` for a context or batch below 1, or too large to be counted.
  public static func parts(
    of model: LanguageModel, contextSize: Int, batchSize: Int, scratch: Int? = nil, keys: WeightFormat = .f16,
    values: WeightFormat = .f16
  ) throws(PlacementError) -> [PlacedPart] {
    let c = model.configuration
    guard contextSize >= 1 else { throw .tokens(of: "context", contextSize) }
    guard batchSize >= 1 else { throw .tokens(of: "batch", batchSize) }
    let perPosition =
      c.layerCount * (keys.rowBytes(columns: c.keyValueSize) + values.rowBytes(columns: c.keyValueSize))
    let (cache, overflow) = perPosition.multipliedReportingOverflow(by: contextSize)
    guard !overflow else { throw .tooLarge(tokens: contextSize) }
    let rank = model.weights.layers.compactMap { $0.predictor?.rank }.max()
    let row =
      2 * c.hiddenSize + 2 * c.querySize + 2 * c.keyValueSize + 2 * c.feedForwardSize
      + (rank.map { $0 + c.feedForwardSize } ?? 0)
    let (rows, tooMany) = (row * MemoryLayout<Float>.stride).multipliedReportingOverflow(by: batchSize)
    let (activations, tooManyBytes) = rows.addingReportingOverflow(c.vocabularySize * MemoryLayout<Float>.stride)
    guard !tooMany, !tooManyBytes else { throw .tooLarge(tokens: batchSize) }
    let w = model.weights
    func part(_ kind: Kind, _ bytes: Int) -> PlacedPart { PlacedPart(kind, byteCount: bytes, bytesPerToken: bytes) }
    let predictors = w.layers.reduce(0) { sum, layer in
      sum + (layer.predictor.map { WeightUse($0.fc1).bytes + WeightUse($0.fc2).bytes } ?? 0)
    }
    let downBiases = w.layers.reduce(0) { $0 + ($1.downBias?.count ?? 0) * MemoryLayout<Float>.stride }
    return [
      PlacedPart(.scratch, byteCount: scratch ?? activations, bytesPerToken: 0),
      part(.attention, w.use(.queryKeyValue).bytes + w.use(.attentionOutput).bytes),
      part(.predictors, predictors),
      part(
        .norms, w.use(.attentionNorm).bytes + w.use(.feedForwardNorm).bytes + w.use(.outputNorm).bytes + downBiases),
      part(.output, w.use(.logits).bytes),
      PlacedPart(.cache, byteCount: cache, bytesPerToken: 0),
    ]
  }
}

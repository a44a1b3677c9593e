import PowerInferKernels
import PowerInferModel
import PowerInferSparsity

@testable import PowerInfer

/// A second executor, written to be read: double precision in plain loops, one row after the other, no kernels, no threads.
///
/// It takes the steps of spec §4.2 in their order. Where it and the processor's executor agree, neither the order of summation nor
/// a buffer nor a race decides a result. Its pages have a size of their own, so that the engine is seen not to depend on any.
final class ReferenceExecutor: ModelExecutor {
  /// Another number than the processor's.
  static let pagePositions = 16

  let model: LanguageModel
  let maxRows: Int
  let pageLayout: PageLayout
  /// Pages that this executor has memory for; `nil` for any number.
  var pageCapacity: Int?
  /// Pages there are.
  var pageCount: Int { pages.count }
  /// Pages that were copied.
  private(set) var copies = 0
  /// Pages allocated twice, freed twice, or named without being there.
  private(set) var mistakes = 0

  let weights: ReferenceWeights
  private let sources: [ActivationSource]  // per layer
  private let mode: SparsityMode
  private let hasHalfCache: Bool
  private var pages: [PageID: Page] = [:]
  private var logits: [[Float]] = []  // of the last pass's wanted rows, [vocabulary] each
  private var counts: [ExecutorStatistics.Layer]

  private var c: ModelConfiguration { model.configuration }

  /// - Parameters:
  ///   - sparsity: which neurons are computed; what it leaves open is taken from the file.
  ///   - hasHalfCache: whether keys and values are rounded to half precision, as the processor's cache does.
  init(
    model: LanguageModel, sparsity: SparsityOptions = SparsityOptions(mode: .dense), maxRows: Int = 64,
    hasHalfCache: Bool = false
  ) throws {
    self.model = model
    self.maxRows = maxRows
    self.hasHalfCache = hasHalfCache
    let c = model.configuration
    weights = ReferenceWeights(model)
    mode = sparsity.mode
    sources = try (0..<c.layerCount).map { layer in
      switch sparsity.mode {
      case .dense, .auto: return .dense
      // Leading bits have NumPy's golden masks; where there are none, whole gates are asked.
      case .gate, .bits: return .gate
      case .predictor: return .predictor(threshold: sparsity.predictorThreshold ?? c.sparseThreshold)
      case .threshold:
        guard let found = sparsity.gateThresholds else { throw SparsityError.noGateThresholds }
        return .threshold(found.thresholds[layer])
      }
    }
    counts = sources.map { ExecutorStatistics.Layer(source: $0) }
    let bytes = 2 * Self.pagePositions * c.keyValueSize * MemoryLayout<Double>.stride
    pageLayout = PageLayout(
      positions: Self.pagePositions, layerBytes: Array(repeating: bytes, count: c.layerCount))
  }

  // MARK: Pages

  /// Keys and values of a page, [layers][positions][kvHeads · headSize]. What nobody wrote is not a number, so that whoever reads it
  /// is found out.
  private final class Page {
    var keys: [[[Double]]]
    var values: [[[Double]]]

    init(layers: Int, positions: Int, size: Int) {
      let empty = Array(repeating: Array(repeating: Double.nan, count: size), count: positions)
      keys = Array(repeating: empty, count: layers)
      values = keys
    }
  }

  func allocatePage(_ page: PageID) throws {
    if let pageCapacity, pages.count >= pageCapacity {
      throw EngineError.outOfCacheMemory(bytes: pageLayout.byteCount)
    }
    if pages[page] != nil { mistakes += 1 }
    pages[page] = Page(layers: c.layerCount, positions: pageLayout.positions, size: c.keyValueSize)
  }

  func copyPage(_ source: PageID, to target: PageID, positions: Int) {
    copies += 1
    guard source != target, let from = pages[source], let to = pages[target] else {
      mistakes += 1
      return
    }
    for layer in 0..<c.layerCount {
      for position in 0..<positions {
        to.keys[layer][position] = from.keys[layer][position]
        to.values[layer][position] = from.values[layer][position]
      }
    }
  }

  func freePage(_ page: PageID) {
    if pages.removeValue(forKey: page) == nil { mistakes += 1 }
  }

  // MARK: Passes

  func forward(_ pass: Pass) throws {
    logits = []
    // Rows of a sequence come in the order of their positions, so that each finds the keys and values of those before it.
    var pagesOf: [SequenceID: [Page]] = [:]
    for (piece, ids) in zip(pass.batch.pieces, pass.pages) {
      let found = ids.compactMap { pages[$0] }
      if found.count != pageLayout.pages(for: piece.position + piece.tokens.count) { mistakes += 1 }
      pagesOf[piece.sequence] = found
    }
    for row in pass.batch.rows {
      let residual = run(row, pagesOf[row.sequence] ?? [])
      if row.wantsLogits {
        logits.append(weights.output.multiplied(by: weights.outputNorm.applied(to: residual)).map { Float($0) })
      }
    }
  }

  func withLogits(of wanted: Range<Int>, _ body: (Range<Int>, UnsafeBufferPointer<Float>) throws -> Void) throws {
    // A few at a time: callers may not count on more.
    for start in stride(from: wanted.lowerBound, to: wanted.upperBound, by: 5) {
      let some = start..<min(start + 5, wanted.upperBound)
      try logits[some].flatMap { $0 }.withUnsafeBufferPointer { try body(some, $0) }
    }
  }

  func candidates(of wanted: Range<Int>, count: Int) -> [[TokenCandidate]] {
    logits[wanted].map { row in
      let all = row.enumerated().map { TokenCandidate(token: Int32($0.offset), logit: $0.element) }
      let numbers = all.filter { !$0.logit.isNaN }
      let sorted = numbers.sorted { $0.logit == $1.logit ? $0.token < $1.token : $0.logit > $1.logit }
      return Array(sorted.prefix(count))
    }
  }

  // MARK: The way of a row

  /// The residual stream after all layers.
  private func run(_ row: Batch.Row, _ pages: [Page]) -> [Double] {
    var residual = weights.tokenEmbedding[Int(row.token)]
    if case .learned(let offset) = c.architecture.positions, let learned = weights.positionEmbedding {
      residual = sum(residual, learned[row.position + offset])
    }
    for (index, layer) in weights.layers.enumerated() {
      let input = residual
      let attended = attend(layer, index, layer.attentionNorm.applied(to: input), row, pages)
      residual = sum(input, attended)
      // Parallel blocks both read the layer's input.
      let read = c.architecture.hasParallelBlocks ? input : residual
      let predictorInput = c.architecture.predictorInput == .layerInput ? input : residual
      let given = feedForward(
        layer, index, (layer.feedForwardNorm ?? layer.attentionNorm).applied(to: read),
        predictorInput: predictorInput, maySkip: row.maySkip)
      residual = sum(residual, given)
    }
    return residual
  }

  /// Wo · (softmax(query · keys · scale) · values), over the positions up to the row's own.
  private func attend(
    _ layer: ReferenceLayer, _ index: Int, _ input: [Double], _ row: Batch.Row, _ pages: [Page]
  ) -> [Double] {
    let (size, positions) = (c.headSize, pageLayout.positions)
    let query = rotated(layer.query.applied(to: input), position: row.position)
    let page = pages[row.position / positions]
    page.keys[index][row.position % positions] = stored(rotated(layer.key.applied(to: input), position: row.position))
    page.values[index][row.position % positions] = stored(layer.value.applied(to: input))

    var attended: [Double] = []
    for head in 0..<c.headCount {
      let start = head / c.queriesPerKeyValueHead * size
      let own = Array(query[head * size..<(head + 1) * size])
      let scores = (0...row.position).map { position in
        dot(own, pages[position / positions].keys[index][position % positions], from: start) * Double(c.attentionScale)
      }
      var output = [Double](repeating: 0, count: size)
      for (position, share) in softmax(scores).enumerated() {
        add(share, pages[position / positions].values[index][position % positions], from: start, to: &output)
      }
      attended += output
    }
    return layer.attentionOutput.applied(to: attended)
  }

  /// Each head with the elements of every pair turned by their angle.
  private func rotated(_ x: [Double], position: Int) -> [Double] {
    var result = x
    let pairs = model.rotary.frequencies.count
    for head in stride(from: 0, to: x.count, by: c.headSize) {
      for (pair, frequency) in model.rotary.frequencies.enumerated() {
        let (first, second) =
          switch c.rotary.pairing {
          case .neighbours: (head + 2 * pair, head + 2 * pair + 1)
          case .halves: (head + pair, head + pair + pairs)
          }
        let (cosine, sine) = turn(Double(position) * frequency, magnitude: model.rotary.magnitude)
        result[first] = x[first] * cosine - x[second] * sine
        result[second] = x[first] * sine + x[second] * cosine
      }
    }
    return result
  }

  private func stored(_ x: [Double]) -> [Double] { hasHalfCache ? x.map(roundedToHalf) : x }

  /// What a layer's neurons add to the residual.
  ///
  /// - Parameters:
  ///   - input: normalised.
  ///   - predictorInput: not normalised.
  ///   - maySkip: whether neurons are left out as the layer's source says.
  ///   - neurons: those that are computed; `nil` for all. The bias of the output goes with neuron 0.
  func feedForward(
    _ layer: ReferenceLayer, _ index: Int, _ input: [Double], predictorInput: [Double], maySkip: Bool,
    neurons: Set<Int>? = nil
  ) -> [Double] {
    let source = maySkip ? sources[index] : .dense
    var scores: [Double] = []
    if case .predictor = source, let (fc1, fc2) = layer.predictor {
      scores = fc2.multiplied(by: fc1.multiplied(by: predictorInput).map { max($0, 0) })
    }
    var output = [Double](repeating: 0, count: c.hiddenSize)
    if let bias = layer.downBias, neurons?.contains(0) ?? true { output = bias }
    var (computed, fired) = (0, 0)
    for neuron in 0..<c.feedForwardSize where neurons?.contains(neuron) ?? true {
      // Scores that are not a number count as active.
      if case .predictor(let threshold) = source, scores[neuron] < Double(threshold) { continue }
      let up = dot(layer.up.rows[neuron], input) + (layer.upBias?[neuron] ?? 0)
      let gate = layer.gate.map { dot($0.rows[neuron], input) + (layer.gateBias?[neuron] ?? 0) } ?? up
      let activated = activate(gate, c.activation)
      switch source {
      case .gate: if gate <= 0 { continue }
      case .threshold(let threshold): if abs(activated) < Double(threshold) { continue }
      case .dense, .predictor, .bits: break
      }
      computed += 1
      if c.activation != .relu || gate > 0 || mode == .threshold { fired += 1 }
      let given =
        switch c.architecture.gating {
        case .gated: activated * up
        case .gatedBoth: activated * activate(up, c.activation)
        case .ungated: activated
        }
      add(given, layer.down[neuron], to: &output)
    }
    if source != .dense {
      counts[index].tokens += 1
      counts[index].computed += computed
      counts[index].fired += fired
    }
    return output
  }

  // MARK: What was measured

  var statistics: ExecutorStatistics {
    var statistics = ExecutorStatistics(layers: counts)
    statistics.mode = mode
    return statistics
  }

  func resetStatistics() { counts = sources.map { ExecutorStatistics.Layer(source: $0) } }

  var memory: ExecutorMemory { ExecutorMemory(workspace: 0, copies: weights.byteCount) }
}

public import PowerInfer
import PowerInferKernels
public import PowerInferModel
import PowerInferPlatform
public import PowerInferSparsity

/// Finds for each layer how far to trust the leading bits of its gates, so that a model loses as much as it may.
///
/// All layers miss the same share of what neurons add, squared, which is what perplexity follows. How large that share may be is found by
/// reading the text with one share after the other. The last quarter of it is kept for saying what that costs where nothing was calibrated.
public struct MarginSearch {
  private let model: LanguageModel
  private let calibrated: ScoredText
  private let heldOut: ScoredText
  private let textName: String
  private let options: EngineOptions
  private let loss: Float

  /// Shares that are tried.
  private static let trials = 7
  /// The least and the largest share.
  private static let shares = 1e-6...0.25

  /// - Parameters:
  ///   - model: whose gates are asked.
  ///   - text: what it reads, cut for this model.
  ///   - textName: what the text is called in the results.
  ///   - options: threads and batch size; all else is set here.
  ///   - loss: share by which perplexity may rise, above 0 and less than 1.
  /// - Throws: `NeuronRecordError.loss`; ``SurveyError/noLeadingBits(_:)`` for a model whose neurons are never silent, or whose gates have
  ///   no leading bits.
  public init(
    model: LanguageModel, text: ScoredText, named textName: String, options: EngineOptions = EngineOptions(),
    loss: Float
  ) throws {
    // Checked first: no search makes sense otherwise.
    _ = try LeadingBitMargins(margins: [], loss: loss, tokens: 1, text: "")
    let activation = model.configuration.activation
    guard activation == .relu else { throw SurveyError.noLeadingBits("\(activation.name) is never exactly zero") }
    guard model.weights.layers.contains(where: { ($0.gate ?? $0.up).format.hasLeadingBits }) else {
      throw SurveyError.noLeadingBits("its gates are plain floats")
    }
    self.model = model
    let held = max(1, text.chunkCount / 4)
    (calibrated, heldOut) = (text.prefix(chunks: text.chunkCount - held), text.suffix(chunks: held))
    self.textName = textName
    var settings = EngineOptions(
      contextSize: text.contextSize, threads: options.threads, batchSize: options.batchSize)
    settings.tuning = options.tuning
    self.options = settings
    self.loss = loss
  }

  /// Threads that read.
  public var threads: Int { Self.workers(options) }

  private static func workers(_ options: EngineOptions) -> Int {
    let asked = options.threads ?? Processors.recommended
    // The engine refuses what is out of range.
    return min(max(asked, EngineOptions.threadRange.lowerBound), EngineOptions.threadRange.upperBound)
  }

  /// Runs everything.
  ///
  /// - Parameters:
  ///   - progress: told now and then how many tokens of all are done.
  ///   - isCancelled: asked now and then.
  /// - Throws: ``SurveyError/cancelled``, ``SurveyError/notFinite(layer:)``, `EvaluationError`, and what making an engine throws.
  public func run(
    progress: @escaping (_ done: Int, _ of: Int) -> Void = { _, _ in }, isCancelled: @escaping () -> Bool = { false }
  ) throws -> MarginCalibration {
    let all = calibrated.tokens.count * (3 + Self.trials) + heldOut.tokens.count * 2
    var done = 0
    func read(_ text: ScoredText, _ sparsity: SparsityOptions, _ observer: MarginRecorder? = nil) throws
      -> (likelihoods: [Double], perplexity: Double)
    {
      let before = done
      var options = options
      (options.sparsity, options.observer) = (sparsity, observer)
      let test = PerplexityTest(text, engine: try Engine(model: model, options: options))
      let result = try test.run(onTokens: { count, _ in progress(before + count, all) }, isCancelled: isCancelled)
      guard result.chunks == text.chunkCount else { throw SurveyError.cancelled }
      done += text.tokens.count
      return (test.negativeLogLikelihoods, result.perplexity.value)
    }
    let histograms = try survey(read: { _ = try read(calibrated, $0, $1) })
    let dense = try read(calibrated, Self.sparsity(.dense)).likelihoods
    func attempt(_ share: Double) throws -> (cuts: [MarginHistogram.Cut], change: Estimate) {
      let cuts = histograms.map { $0.cut(missing: share) }
      let likelihoods = try read(calibrated, Self.sparsity(.bits, try margins(cuts))).likelihoods
      return (cuts, SourceQuality.change(likelihoods, from: dense))
    }
    // The largest first: a loss may be more than any margin costs.
    var best = try attempt(Self.shares.upperBound)
    if best.change.value > Double(loss) {
      var (low, high, isFound) = (Self.shares.lowerBound, Self.shares.upperBound, false)
      for _ in 1..<Self.trials {
        let share = (low * high).squareRoot()
        let tried = try attempt(share)
        if tried.change.value <= Double(loss) { (low, best, isFound) = (share, tried, true) } else { high = share }
      }
      if !isFound { best = try attempt(0) }
    }
    let (cuts, change) = best
    let found = try margins(cuts)
    done = all - 2 * heldOut.tokens.count
    let reference = try read(heldOut, Self.sparsity(.dense))
    let other = try read(heldOut, Self.sparsity(.bits, found))
    return MarginCalibration(
      margins: found,
      layers: cuts.enumerated().map { index, cut in
        MarginCalibration.Layer(layer: index, margin: cut.margin, computed: cut.computed, missed: cut.missed)
      }, change: change, heldOutTokens: heldOut.tokens.count,
      heldOutChange: SourceQuality.change(other.likelihoods, from: reference.likelihoods),
      densePerplexity: reference.perplexity, perplexity: other.perplexity)
  }

  /// What every margin would compute and miss, layer by layer.
  private func survey(read: (SparsityOptions, MarginRecorder) throws -> Void) throws -> [MarginHistogram] {
    let workers = Self.workers(options)
    let recorder = MarginRecorder(
      configuration: model.configuration, norms: NeuronNorms.norms(of: model, team: ThreadTeam(workers: workers)),
      workers: workers)
    var sparsity = SparsityOptions(mode: .bits)
    sparsity.bitsMargin = 0
    try read(sparsity, recorder)
    if let layer = recorder.damagedLayer { throw SurveyError.notFinite(layer: layer) }
    return recorder.histograms
  }

  private func margins(_ cuts: [MarginHistogram.Cut]) throws -> LeadingBitMargins {
    try LeadingBitMargins(
      margins: cuts.map(\.margin), loss: loss, tokens: calibrated.tokens.count, text: textName)
  }

  /// Neurons that decoding leaves out are left out of the text.
  private static func sparsity(_ mode: SparsityMode, _ margins: LeadingBitMargins? = nil) -> SparsityOptions {
    var sparsity = SparsityOptions(mode: mode)
    (sparsity.bitsMargins, sparsity.masksPrompts) = (margins, true)
    return sparsity
  }
}

/// Margins for a wanted loss, and what they cost.
public struct MarginCalibration: Sendable, Equatable {
  /// For the sidecar, or the model file.
  public let margins: LeadingBitMargins
  /// In order of the layers.
  public let layers: [Layer]
  /// How much perplexity rose on the text that the margins were found on.
  public let change: Estimate
  /// Tokens of the rest of the text.
  public let heldOutTokens: Int
  /// How much perplexity rose on these.
  public let heldOutChange: Estimate
  /// Of these tokens, with all neurons.
  public let densePerplexity: Double
  /// Of these tokens, with the neurons that were chosen.
  public let perplexity: Double

  /// What the margin of a layer does on the text it was found on.
  public struct Layer: Sendable, Equatable, Encodable {
    /// Counted from 0.
    public let layer: Int
    /// Standard deviations.
    public let margin: Float
    /// Share of the neurons whose gates are completed, 0...1.
    public let computed: Double
    /// Share of the squares of what neurons add that is missed, 0...1.
    public let missed: Double
  }

  /// Mean of the layers' shares.
  public var computed: Double { layers.reduce(0) { $0 + $1.computed } / Double(max(layers.count, 1)) }
  /// Mean of the layers' shares.
  public var missed: Double { layers.reduce(0) { $0 + $1.missed } / Double(max(layers.count, 1)) }
}

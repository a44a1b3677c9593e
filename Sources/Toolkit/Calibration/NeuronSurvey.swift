public import PowerInfer
import PowerInferKernels
public import PowerInferModel
import PowerInferPlatform
public import PowerInferSparsity

/// A text run through a model to see what its neurons do: the source of profiles and thresholds.
///
/// The text is cut and read as by a `PerplexityTest`, and every neuron is computed for every token. Results are
/// the same bits for any number of threads.
public final class NeuronSurvey {
  /// What is read.
  public let text: ScoredText
  private let textName: String
  private let sequence: TokenSequence
  private let recorder: NeuronRecorder

  /// - Parameters:
  ///   - model: whose neurons are counted.
  ///   - text: what it reads, cut for this model.
  ///   - textName: what the text is called in the results.
  ///   - options: threads and batch size; all else is set here.
  ///   - thresholds: from which |act(gate)| on a neuron counts as firing; nil counts what gives anything but 0.
  /// - Throws: ``SurveyError/notEnoughMemory(bytes:)``, `NeuronRecordError` for thresholds of another shape, and what
  ///   making an engine throws.
  public init(
    model: LanguageModel, text: ScoredText, named textName: String, options: EngineOptions = EngineOptions(),
    thresholds: GateThresholds? = nil
  ) throws {
    let configuration = model.configuration
    try thresholds?.check(FeedForwardShape(configuration))
    // The engine refuses what is out of range.
    let asked = options.threads ?? Processors.recommended
    let workers = min(max(asked, EngineOptions.threadRange.lowerBound), EngineOptions.threadRange.upperBound)
    var options = options
    options.contextSize = text.contextSize
    options.sparsity = SparsityOptions(mode: .dense)
    let bytes = NeuronRecorder.byteCount(configuration: configuration, workers: workers)
    guard Memory.canAllocate(bytes) else { throw SurveyError.notEnoughMemory(bytes: bytes) }
    recorder = NeuronRecorder(
      configuration: configuration, norms: NeuronNorms.norms(of: model, team: ThreadTeam(workers: workers)),
      thresholds: thresholds?.thresholds, workers: workers)
    options.observer = recorder
    sequence = try Engine(model: model, options: options).makeSequence()
    self.text = text
    self.textName = textName
  }

  /// Threads that read.
  public var threads: Int { sequence.engine.threads }

  /// Reads the text, once.
  ///
  /// - Parameters:
  ///   - progress: told now and then how many tokens of all are done.
  ///   - isCancelled: asked now and then.
  /// - Throws: ``SurveyError/cancelled``, ``SurveyError/notFinite(layer:)``.
  public func run(
    progress: @escaping (_ done: Int, _ of: Int) -> Void = { _, _ in }, isCancelled: @escaping () -> Bool = { false }
  ) throws -> NeuronStatistics {
    let (sequence, total) = (sequence, text.tokens.count)
    for chunk in 0..<text.chunkCount {
      let before = chunk * text.contextSize
      func advance(_ done: Int) -> Bool {
        progress(before + done, total)
        return !isCancelled()
      }
      sequence.truncate(to: 0)
      let input = text.input(ofChunk: chunk)
      try sequence.read(input, progress: advance)
      guard advance(text.contextSize) else { throw SurveyError.cancelled }
      if let layer = recorder.damagedLayer { throw SurveyError.notFinite(layer: layer) }
    }
    return try NeuronStatistics(recorder, textName: textName)
  }
}

/// What a survey has found.
public struct NeuronStatistics: Sendable {
  /// How often neurons fire and what they add.
  public let profile: ActivationProfile
  /// Of what thresholds are compared with, [layers].
  let histograms: [MagnitudeHistogram]

  init(_ recorder: NeuronRecorder, textName: String) throws(NeuronRecordError) {
    profile = try ActivationProfile(
      frequencies: recorder.frequencies, contributions: recorder.contributions, tokens: recorder.tokenCount,
      text: textName)
    histograms = recorder.histograms
  }
}

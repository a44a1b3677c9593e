public import PowerInferModel
public import PowerInferSparsity

/// Measures what every activation source that a model has gives and costs: how fast it decodes, how much it computes, how much of
/// what neurons give it keeps, and how well the model then predicts a text.
///
/// Speeds are taken first, in turns, so that whatever else the machine does hits all sources alike. Then each reads the text in
/// batches that leave out the neurons that decoding leaves out.
public struct SourceComparison {
  /// What is compared, the measure of all others first.
  public static let modes: [SparsityMode] = [.dense, .gate, .bits, .predictor, .threshold]

  /// What is read.
  public let text: ScoredText
  /// Tokens before those that are decoded, from the beginning of the text: so many that attention has some work.
  public let prefix: Int
  /// Tokens decoded in a turn, the text's own after the prefix.
  public let decoded: Int
  /// Turns of each source, after one that does not count.
  public let turns: Int
  private let model: LanguageModel
  private let options: EngineOptions

  /// What is going on.
  public enum Step: Sendable, Hashable {
    /// All sources decode in turns.
    case decoding
    /// One of them reads the text.
    case reading(SparsityMode)
  }

  /// A source that the model lacks, or that this machine has no room for.
  public struct LeftOut: Sendable, Equatable {
    public let mode: SparsityMode
    /// A sentence.
    public let reason: String
  }

  /// What was found.
  public struct Outcome: Sendable {
    /// In the order of ``SourceComparison/modes``.
    public let sources: [SourceQuality]
    public let leftOut: [LeftOut]
    /// Whether nobody stopped it.
    public let isComplete: Bool
  }

  /// - Parameters:
  ///   - model: what all engines run.
  ///   - text: what they read.
  ///   - options: of all engines; context size, mode and observer are not looked at.
  ///   - decoding: tokens of a turn, of which there are no more than half a context.
  ///   - turns: of each source.
  public init(model: LanguageModel, text: ScoredText, options: EngineOptions, decoding: Int, turns: Int) {
    self.model = model
    self.text = text
    self.turns = max(turns, 1)
    prefix = text.contextSize / 2
    decoded = max(1, min(decoding, text.contextSize - prefix))
    var options = options
    options.contextSize = text.contextSize
    options.sparsity.masksPrompts = true
    options.observer = nil
    self.options = options
  }

  /// Runs everything.
  ///
  /// - Parameters:
  ///   - now: a clock in seconds.
  ///   - onSource: told of every source once all about it is known.
  ///   - onProgress: told now and then how many tokens of a step are done.
  ///   - isCancelled: asked now and then; when true, only the sources done so far are in the outcome.
  /// - Throws: ``EngineError``, ``EvaluationError/notFinite(chunk:position:)``, and what `onSource` throws.
  public func run(
    now: @escaping () -> Double = Generator.monotonicSeconds, onSource: (SourceQuality) throws -> Void = { _ in },
    onProgress: @escaping (Step, _ done: Int, _ of: Int) -> Void = { _, _, _ in },
    isCancelled: @escaping () -> Bool = { false }
  ) throws -> Outcome {
    var (found, leftOut): ([SourceQuality], [LeftOut]) = ([], [])
    func outcome(isComplete: Bool) -> Outcome { Outcome(sources: found, leftOut: leftOut, isComplete: isComplete) }
    guard let decoding = try decode(&leftOut, now: now, onProgress, isCancelled) else {
      return outcome(isComplete: false)
    }
    var reference: [Double] = []
    for runner in decoding.runners {
      let probe = QualityProbe(model: model, sources: runner.sources, norms: decoding.norms)
      let test = PerplexityTest(text, engine: try engine(runner.mode, observer: probe))
      let result = try test.run(onTokens: { onProgress(.reading(runner.mode), $0, $1) }, isCancelled: isCancelled)
      guard result.chunks == text.chunkCount else { return outcome(isComplete: false) }
      if found.isEmpty { reference = test.negativeLogLikelihoods }
      let source = SourceQuality(
        mode: runner.mode, sources: runner.sources, speeds: runner.speeds, layers: probe.layers, perplexity: result,
        change: SourceQuality.change(test.negativeLogLikelihoods, from: reference))
      found.append(source)
      try onSource(source)
    }
    return outcome(isComplete: true)
  }

  // MARK: Speed

  /// A source that decodes, and what was found about it.
  private struct Runner {
    let mode: SparsityMode
    let sources: [ActivationSource]
    var speeds: [Double] = []
  }

  /// What is left when the engines that decoded are gone, whose memory the next need.
  private struct Decoding {
    var runners: [Runner]
    let norms: [[Float]]
  }

  /// Has all sources decode in turns; nil where somebody stopped it.
  private func decode(
    _ leftOut: inout [LeftOut], now: () -> Double, _ onProgress: (Step, Int, Int) -> Void, _ isCancelled: () -> Bool
  ) throws -> Decoding? {
    var (runners, sequences): ([Runner], [TokenSequence]) = ([], [])
    for mode in Self.modes {
      do {
        let engine = try engine(mode, observer: nil)
        let chosen = engine.statistics.layers.map(\.source.mode)
        if mode == .bits, !chosen.contains(.bits) {
          leftOut.append(LeftOut(mode: mode, reason: "\(engine.sparsityReport.choice ?? "No gate has leading bits.")"))
          continue
        }
        runners.append(Runner(mode: mode, sources: engine.statistics.layers.map(\.source)))
        sequences.append(engine.makeSequence())
      } catch  where mode != .dense {
        leftOut.append(LeftOut(mode: mode, reason: "\(error)"))
      }
    }
    let input = text.input(ofChunk: 0)
    let tokens = input[prefix..<prefix + decoded]
    for sequence in sequences { try sequence.append(Array(input[..<prefix])) }
    let all = (turns + 1) * sequences.count * decoded
    var done = 0
    for turn in 0...turns {
      for (index, sequence) in sequences.enumerated() {
        sequence.truncate(to: prefix)
        let start = now()
        for token in tokens {
          if isCancelled() { return nil }
          try sequence.evaluate([token]) { _ in }
        }
        let time = now() - start
        if turn > 0 { runners[index].speeds.append(time > 0 ? Double(decoded) / time : 0) }
        done += decoded
        onProgress(.decoding, done, all)
      }
    }
    return Decoding(runners: runners, norms: NeuronNorms.norms(of: model, team: sequences[0].engine.team))
  }

  private func engine(_ mode: SparsityMode, observer: QualityProbe?) throws -> Engine {
    var options = options
    options.sparsity.mode = mode
    options.observer = observer
    return try Engine(model: model, options: options)
  }
}

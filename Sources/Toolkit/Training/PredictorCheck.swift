import PowerInfer
import PowerInferKernels
import PowerInferModel
import PowerInferPlatform
import PowerInferSparsity

/// Measures a model's predictors on a text, by the engine itself: how well the model predicts with and without them, and which
/// neurons they find.
struct PredictorCheck {
  let model: LanguageModel
  let text: ScoredText
  let options: EngineOptions

  init(opening path: String, text: ScoredText, options: EngineOptions) throws {
    model = try LanguageModel(opening: path)
    self.text = text
    self.options = options
  }

  /// What was found.
  struct Outcome {
    let dense: PerplexityResult
    let predicted: PerplexityResult
    let change: Estimate
    let layers: [NeuronQuality]
    /// Bytes of each layer's predictor.
    let bytes: [Int]

    /// For the file's metadata.
    func quality(learntTokens: Int, heldOutTokens: Int, text: String) -> PredictorQuality {
      func values(_ value: (NeuronQuality) -> Double?) -> [Float] { layers.map { Float(value($0) ?? 1) } }
      return PredictorQuality(
        tokens: learntTokens, heldOutTokens: heldOutTokens, text: text,
        densePerplexity: Float(dense.perplexity.value), perplexity: Float(predicted.perplexity.value),
        computed: values(\.computedShare), recall: values(\.recall), precision: values(\.precision),
        kept: values(\.keptShare), keptSquares: values(\.keptSquareShare))
    }
  }

  func run(
    progress: @escaping (_ done: Int, _ of: Int) -> Void, isCancelled: @escaping () -> Bool
  ) throws -> Outcome {
    let (count, layers) = (text.tokens.count, model.weights.layers)
    let dense = PerplexityTest(text, engine: try engine(.dense, observer: nil))
    let denseResult = try dense.run(onTokens: { done, _ in progress(done, 2 * count) }, isCancelled: isCancelled)
    let team = ThreadTeam(workers: options.threads ?? Processors.recommended)
    let probe = QualityProbe(
      model: model, sources: layers.map { _ in .predictor(threshold: 0) },
      norms: NeuronNorms.norms(of: model, team: team))
    let predicted = PerplexityTest(text, engine: try engine(.predictor, observer: probe))
    let result = try predicted.run(
      onTokens: { done, _ in progress(count + done, 2 * count) }, isCancelled: isCancelled)
    return Outcome(
      dense: denseResult, predicted: result,
      change: SourceQuality.change(predicted.negativeLogLikelihoods, from: dense.negativeLogLikelihoods),
      layers: probe.layers,
      bytes: layers.map { layer in
        layer.predictor.map { $0.fc1.rows * $0.fc1.rowBytes + $0.fc2.rows * $0.fc2.rowBytes } ?? 0
      })
  }

  private func engine(_ mode: SparsityMode, observer: QualityProbe?) throws -> Engine {
    var options = options
    options.contextSize = text.contextSize
    options.sparsity = SparsityOptions(mode: mode)
    options.sparsity.masksPrompts = true
    options.sparsity.predictorThreshold = 0
    options.observer = observer
    return try Engine(model: model, options: options)
  }
}

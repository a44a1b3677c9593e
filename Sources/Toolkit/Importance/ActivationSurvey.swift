import PowerInfer
import PowerInferModel
import PowerInferSparsity

/// Texts run through a model for somebody to see what goes into its matrices.
///
/// The texts are cut as by a `PerplexityTest`: each chunk is read from an empty context. All neurons are computed, and every
/// token passes all layers.
final class ActivationSurvey {
  private let text: ScoredText
  private let sequence: TokenSequence

  /// - Throws: what making an engine throws.
  init(model: LanguageModel, text: ScoredText, options: EngineOptions, observer: any ActivationObserver) throws {
    var options = options
    options.contextSize = text.contextSize
    options.sparsity = SparsityOptions(mode: .dense)
    options.activationObserver = observer
    sequence = try Engine(model: model, options: options).makeSequence()
    self.text = text
  }

  /// Threads that read.
  var threads: Int { sequence.engine.threads }

  /// Reads the text, once.
  ///
  /// - Parameters:
  ///   - progress: told now and then how many tokens of all are done.
  ///   - isCancelled: asked now and then.
  /// - Returns: whether the end was reached.
  func run(progress: @escaping (_ done: Int, _ of: Int) -> Void, isCancelled: @escaping () -> Bool) throws -> Bool {
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
      guard advance(text.contextSize) else { return false }
    }
    return true
  }
}

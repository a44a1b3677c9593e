import Foundation

/// Answers prompts: reads the prompt, chooses token after token and gives their text out as it comes.
///
/// The evaluator's memory is kept between prompts: what a prompt shares with the tokens before it from the start on is
/// not read again. One generator owns its evaluator; both belong to one thread.
public final class Generator {
  /// What runs the tokens.
  public let evaluator: any TokenEvaluator
  /// What turns tokens into text.
  public let vocabulary: any TokenVocabulary
  /// Chooses the tokens; replace it to change the options between answers.
  public var sampler: Sampler
  /// What the text of every answer is held to, from ``Engine/constraint(to:beginsText:)``; nil leaves it to the model.
  public var constraint: Constraint?

  /// The tokens in the evaluator's memory.
  private var cached: [Int32] = []
  private let now: () -> Double

  /// - Parameters:
  ///   - evaluator: the model with its memory.
  ///   - vocabulary: turns its tokens into text.
  ///   - sampler: chooses the tokens.
  ///   - now: a clock in seconds that never goes back.
  public init(
    evaluator: any TokenEvaluator, vocabulary: any TokenVocabulary, sampler: Sampler,
    now: @escaping () -> Double = Generator.monotonicSeconds
  ) {
    self.evaluator = evaluator
    self.vocabulary = vocabulary
    self.sampler = sampler
    self.now = now
  }

  /// Answers one prompt.
  ///
  /// - Parameters:
  ///   - prompt: the tokens to go on from, at least one and fewer than the context holds.
  ///   - options: when the answer ends.
  ///   - cancellation: looked at between tokens and between batches of the prompt.
  ///   - onText: given the text as it is certain: whole characters, never a part of a stop string. What it throws ends the
  ///     answer; what was read stays in the memory.
  ///   - onProgress: told how many tokens of the prompt are read and how many there are to read; the same of a full
  ///     context that is read again (`ContextPolicy.slide`).
  /// - Throws: `GenerationError`, `SamplingError`, what the evaluator throws and what `onText` throws.
  public func generate(
    _ prompt: [Int32], options: GenerationOptions = GenerationOptions(), cancellation: CancellationFlag? = nil,
    onText: (String) throws -> Void = { _ in }, onProgress: ((_ done: Int, _ of: Int) -> Void)? = nil
  ) throws -> GenerationResult {
    try options.validate()
    try options.check(prompt, contextSize: evaluator.contextSize)
    let watch = Watch(cancellation: cancellation, onProgress: onProgress)
    let start = now()
    let shared = recall(prompt)
    let unread = Array(prompt[shared...])
    var answer: Answer?
    // The evaluator has refused tokens that are none by the time that the answer begins.
    let beginning = {
      Answer(
        to: prompt, options: options, sampler: self.sampler, vocabulary: self.vocabulary, constraint: self.constraint,
        start: start)
    }
    var piece = try read(unread, phase: .prompt, watch) { logits in
      var begun = beginning()
      begun.statistics.promptTime = self.now() - start
      defer { answer = begun }
      return Result { begun.wantsToken ? try begun.choose(from: logits, at: self.now()) : nil }
    }
    var running = answer ?? beginning()
    defer { sampler = running.sampler }
    if answer == nil {
      running.end(.cancelled)
      running.statistics.promptTime = now() - start
    }
    running.statistics.reusedTokens = shared
    running.statistics.readTokens = cached.count - shared

    while true {
      if let text = try piece.get()?.text { try onText(text) }
      if watch.isCancelled { running.end(.cancelled) }
      switch running.next(position: evaluator.position, contextSize: evaluator.contextSize) {
      case .end:
        if let rest = running.finish() { try onText(rest.text) }
        return running.result
      case .read(let token):
        piece = try read([token], phase: .decode, nil) { logits in
          Result { try running.choose(from: logits, at: self.now()) }
        }
      case .slide(let keep, let token):
        let (kept, again) = ContextPolicy.slide(cached, keep: keep)
        evaluator.truncate(to: kept.count)
        cached = Array(kept)
        piece = try read(again + [token], phase: .prompt, watch) { logits in
          Result { try running.choose(from: logits, at: self.now()) }
        }
      }
    }
  }

  /// Forgets all tokens, so that the next prompt is read from its start.
  public func forget() {
    cached.removeAll()
    evaluator.truncate(to: 0)
  }

  /// Seconds of a clock that never goes back.
  public static func monotonicSeconds() -> Double {
    Double(DispatchTime.now().uptimeNanoseconds) * 1e-9
  }

  // MARK: - Steps

  /// Who may stop a generation, and who is told how far it is.
  private struct Watch {
    let cancellation: CancellationFlag?
    let onProgress: ((_ done: Int, _ of: Int) -> Void)?

    var isCancelled: Bool { cancellation?.isRaised ?? false }
  }

  /// Leaves in the memory what it shares with a prompt, but for the prompt's last token, which is read for its logits.
  ///
  /// - Returns: how many tokens that are.
  private func recall(_ prompt: [Int32]) -> Int {
    if evaluator.position != cached.count { forget() }
    let shared = min(zip(prompt, cached).prefix { $0 == $1 }.count, prompt.count - 1)
    evaluator.truncate(to: shared)
    cached.removeLast(cached.count - shared)
    return shared
  }

  /// Puts tokens into the memory and chooses from the logits after them.
  ///
  /// - Returns: what `choose` returns; no text where it was cancelled before, be it at the very end.
  private func read(
    _ tokens: some RandomAccessCollection<Int32>, phase: Batch.Phase, _ watch: Watch?,
    choose: (UnsafeBufferPointer<Float>) -> Result<TextPiece?, any Error>
  ) throws -> Result<TextPiece?, any Error> {
    let known = cached
    let tokens = Array(tokens)
    do {
      let progress = watch.map { watch in
        { (done: Int) in
          watch.onProgress?(done, tokens.count)
          return !watch.isCancelled
        }
      }
      let piece = try evaluator.evaluate(tokens, phase: phase, progress: progress) { logits in
        watch?.isCancelled == true ? .success(nil) : choose(logits)
      }
      cached = known + tokens.prefix(max(0, evaluator.position - known.count))
      return piece ?? .success(nil)
    } catch {
      // What the memory holds after an error is not certain.
      forget()
      throw error
    }
  }
}

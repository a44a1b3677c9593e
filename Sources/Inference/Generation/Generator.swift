import Foundation

/// Answers prompts: reads the prompt, chooses token after token and gives their text out as it comes.
///
/// The evaluator's memory is kept between prompts: what a prompt shares with the tokens before it from the start on is
/// not read again. One generator owns its evaluator; both belong to one thread.
public final class Generator {
  public let evaluator: any TokenEvaluator
  public let vocabulary: any TokenVocabulary
  /// Chooses the tokens; replace it to change the options between answers.
  public var sampler: Sampler

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
  ///   - onText: given the text as it is certain: whole characters, never a part of a stop string.
  ///   - onProgress: told how many tokens of the prompt are read and how many there are to read.
  /// - Throws: `GenerationError`, `SamplingError`, what the evaluator throws and what `onText` throws.
  public func generate(
    _ prompt: [Int32], options: GenerationOptions = GenerationOptions(), cancellation: CancellationFlag? = nil,
    onText: (String) throws -> Void = { _ in }, onProgress: ((_ done: Int, _ of: Int) -> Void)? = nil
  ) throws -> GenerationResult {
    try options.validate()
    try check(prompt, options)
    sampler.forbid(options.ignoreEndOfGeneration ? vocabulary.endOfGenerationTokens : [])
    sampler.forgetHistory()

    var answer = Answer(matcher: StopStringMatcher(options.stopStrings), assembler: vocabulary.makeTextAssembler())
    answer.statistics.promptTokens = prompt.count
    let start = now()
    do {
      let isCancelled = { cancellation?.isRaised ?? false }
      var logits = try read(prompt, into: &answer, isCancelled: isCancelled, onProgress: onProgress)
      answer.statistics.promptTime = now() - start
      // The evaluator has refused tokens that are none by now.
      for token in prompt { sampler.accept(token) }
      if options.maxTokens == 0, logits != nil { answer.reason = .length }

      while answer.reason == nil, let known = logits {
        let token = try sampler.sample(known)
        sampler.accept(token)
        let time = now()
        if answer.tokens.isEmpty { answer.statistics.timeToFirstToken = time - start }
        answer.statistics.decodeTime = time - start - (answer.statistics.timeToFirstToken ?? 0)
        try add(token, to: &answer, options: options, onText: onText)
        if answer.reason != nil { break }
        if isCancelled() {
          answer.reason = .cancelled
        } else {
          logits = try advance(token, answer: &answer, options: options)
        }
      }
    } catch {
      // What the memory holds after an error is not certain.
      forget()
      throw error
    }
    if answer.reason != .stopString {
      let rest = answer.matcher.append(answer.assembler.finish())
      try answer.give(rest, onText)
      if rest.stop == nil {
        try answer.give(StopStringMatcher.Step(text: answer.matcher.finish()), onText)
      }
    }
    answer.statistics.generatedTokens = answer.tokens.count
    return GenerationResult(
      text: answer.text, tokens: answer.tokens, finishReason: answer.reason ?? .cancelled, stopString: answer.stop,
      contextSlides: answer.slides, statistics: answer.statistics)
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

  /// The state of an answer in the making.
  private struct Answer {
    var matcher: StopStringMatcher
    var assembler: any TextAssembler
    var text = ""
    var tokens: [Int32] = []
    var reason: FinishReason?
    var stop: String?
    var slides = 0
    var statistics = GenerationStatistics()

    mutating func give(_ step: StopStringMatcher.Step, _ onText: (String) throws -> Void) throws {
      if !step.text.isEmpty {
        text += step.text
        try onText(step.text)
      }
      if let stop = step.stop {
        self.stop = stop
        reason = .stopString
      }
    }
  }

  private func check(_ prompt: [Int32], _ options: GenerationOptions) throws(GenerationError) {
    if prompt.isEmpty { throw .emptyPrompt }
    let contextSize = evaluator.contextSize
    if prompt.count >= contextSize { throw .promptTooLong(tokens: prompt.count, contextSize: contextSize) }
    if case .slide(let keep) = options.contextPolicy, keep > contextSize - 2 {
      throw .keepTooLong(keep: keep, contextSize: contextSize)
    }
  }

  /// Reads what the memory does not hold of the prompt; gives nothing where it was cancelled.
  private func read(
    _ prompt: [Int32], into answer: inout Answer, isCancelled: @escaping () -> Bool,
    onProgress: ((Int, Int) -> Void)?
  ) throws -> UnsafeBufferPointer<Float>? {
    if evaluator.position != cached.count { forget() }
    // The last token is always read, for its logits.
    let shared = min(zip(prompt, cached).prefix { $0 == $1 }.count, prompt.count - 1)
    evaluator.truncate(to: shared)
    cached.removeLast(cached.count - shared)
    answer.statistics.reusedTokens = shared

    let unread = Array(prompt[shared...])
    var logits: UnsafeBufferPointer<Float>?
    do {
      logits = try evaluator.evaluate(unread) { done in
        onProgress?(done, unread.count)
        return !isCancelled()
      }
    } catch {
      if !isCancelled() { throw error }
    }
    // A prompt that is half read gives no logits; one that was cancelled at its very end gives no answer either.
    let read = min(max(evaluator.position, 0), prompt.count)
    cached = Array(prompt[..<read])
    if isCancelled() {
      answer.reason = .cancelled
      return nil
    }
    return logits
  }

  /// Adds a chosen token to the answer and finds out whether it ends there.
  private func add(
    _ token: Int32, to answer: inout Answer, options: GenerationOptions, onText: (String) throws -> Void
  ) throws {
    answer.tokens.append(token)
    if vocabulary.endOfGenerationTokens.contains(token) {
      answer.reason = .stop
      return
    }
    try answer.give(answer.matcher.append(answer.assembler.append(token)), onText)
    if answer.reason == nil, let most = options.maxTokens, answer.tokens.count >= most { answer.reason = .length }
  }

  /// Puts a token into the memory and gives the logits after it; gives nothing where there is no room.
  private func advance(
    _ token: Int32, answer: inout Answer, options: GenerationOptions
  ) throws -> UnsafeBufferPointer<Float>? {
    if evaluator.position >= evaluator.contextSize {
      guard case .slide(let keep) = options.contextPolicy else {
        answer.reason = .contextFull
        return nil
      }
      let kept = min(keep, cached.count)
      let newest = cached.suffix((cached.count - kept) / 2)
      evaluator.truncate(to: kept)
      cached = cached[..<kept] + newest + [token]
      answer.slides += 1
      return try evaluator.evaluate(Array(cached[kept...]), progress: nil)
    }
    cached.append(token)
    return try evaluator.evaluate([token], progress: nil)
  }
}

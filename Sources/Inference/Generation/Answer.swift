/// An answer in the making: chooses tokens from logits, turns them into text, and knows when and why it ends.
///
/// What runs the model asks for the next ``Step``, takes it, and hands over the logits it leads to. One answer has its own
/// sampler, so that its random numbers depend on nothing beside it.
struct Answer {
  /// What has to be done for the next logits.
  enum Step: Equatable {
    /// The token goes into the memory.
    case read(Int32)
    /// The memory is full: all but its first `keep` tokens and the newer half of the others are dropped, and the token follows.
    case slide(keep: Int, Int32)
    /// Nothing: the answer has ended.
    case end
  }

  /// Chooses the tokens.
  private(set) var sampler: Sampler
  /// What it cost so far.
  var statistics = GenerationStatistics()
  /// The text that was given out.
  private(set) var text = ""
  /// The tokens chosen so far.
  private(set) var tokens: [Int32] = []
  /// Why it ended; nil while it goes on.
  private(set) var reason: FinishReason?
  private var stopString: String?
  private var slides = 0

  private let options: GenerationOptions
  /// How many of the likeliest tokens are listed with each chosen one; nil lists nothing.
  private let listed: Int?
  private let ends: [Int32]
  private let start: Double
  private var matcher: StopStringMatcher
  private var assembler: any TextAssembler
  /// What the text is held to.
  private var constraint: Constraint?
  /// Tokens whose text has not been given out.
  private var held: [Int32] = []
  private var heldChoices: [TokenChoice] = []
  private var heldActivity: [TokenActivity] = []
  private var nextActivity: TokenActivity?

  /// - Parameters:
  ///   - prompt: known tokens, which count for penalties.
  ///   - options: checked.
  ///   - sampler: chooses the tokens; what it knows of earlier texts is forgotten.
  ///   - vocabulary: turns tokens into text.
  ///   - logProbabilities: how many of the likeliest tokens to list with each chosen one.
  ///   - constraint: what the text is held to.
  ///   - start: when the request came, in seconds.
  init(
    to prompt: [Int32], options: GenerationOptions, sampler: Sampler, vocabulary: any TokenVocabulary,
    logProbabilities: Int? = nil, constraint: Constraint? = nil, start: Double
  ) {
    self.options = options
    self.sampler = sampler
    self.start = start
    listed = logProbabilities
    self.constraint = constraint
    ends = vocabulary.endOfGenerationTokens
    matcher = StopStringMatcher(options.stopStrings)
    assembler = vocabulary.makeTextAssembler()
    statistics.promptTokens = prompt.count
    self.sampler.forbid(options.ignoreEndOfGeneration ? ends : [])
    self.sampler.forgetHistory()
    for token in prompt { self.sampler.accept(token) }
  }

  /// Whether another token is to be chosen.
  var wantsToken: Bool { reason == nil && options.maxTokens != 0 }

  /// Whether the likeliest token is all that is asked of the logits.
  var isPlainlyGreedy: Bool {
    listed == nil && constraint == nil && sampler.options.temperature <= 0 && !sampler.options.penalizes
      && sampler.options.logitBias.isEmpty && !options.ignoreEndOfGeneration
  }

  /// Chooses the next token.
  ///
  /// - Parameter logits: [vocabulary]
  /// - Returns: the text that became certain, if any did.
  /// - Throws: `SamplingError`, `GrammarError`, after which the answer is as it was.
  mutating func choose(from logits: UnsafeBufferPointer<Float>, at time: Double) throws -> TextPiece? {
    let token = try sampler.sample(logits, allowed: constraint?.allowed)
    if !ends.contains(token) { try constraint?.accept(token) }
    return add(token, listed.map { TokenChoice(of: token, from: logits, count: $0) }, at: time)
  }

  /// Takes a token that was chosen elsewhere, of an answer that is plainly greedy.
  mutating func take(_ token: Int32, at time: Double) -> TextPiece? { add(token, nil, at: time) }

  /// Keeps what the neurons did for the token that is added next.
  mutating func note(_ activity: TokenActivity) { nextActivity = activity }

  private mutating func add(_ token: Int32, _ choice: TokenChoice?, at time: Double) -> TextPiece? {
    sampler.accept(token)
    defer { nextActivity = nil }
    if tokens.isEmpty { statistics.timeToFirstToken = time - start }
    statistics.decodeTime = time - start - (statistics.timeToFirstToken ?? 0)
    tokens.append(token)
    statistics.generatedTokens = tokens.count
    if ends.contains(token) {
      reason = .stop
      return nil
    }
    held.append(token)
    if let choice { heldChoices.append(choice) }
    if let nextActivity { heldActivity.append(nextActivity) }
    let step = matcher.append(assembler.append(token))
    if let stop = step.stop {
      stopString = stop
      reason = .stopString
    } else if constraint?.isComplete == true {
      reason = .stop
    } else if let most = options.maxTokens, tokens.count >= most {
      reason = .length
    }
    return piece(step.text)
  }

  /// What to do next.
  ///
  /// - Parameters:
  ///   - position: tokens in the memory.
  ///   - contextSize: what the memory holds.
  mutating func next(position: Int, contextSize: Int) -> Step {
    guard reason == nil, let token = tokens.last else {
      if options.maxTokens == 0 { end(.length) }
      return .end
    }
    if position < contextSize { return .read(token) }
    if case .slide(let keep) = options.contextPolicy {
      slides += 1
      // Something must go for the answer to go on.
      return .slide(keep: min(keep < 0 ? statistics.promptTokens : keep, contextSize - 2), token)
    }
    reason = .contextFull
    return .end
  }

  /// Ends the answer from outside; one that has ended keeps its reason.
  mutating func end(_ reason: FinishReason) {
    self.reason = self.reason ?? reason
  }

  /// What was held back of the text, once the answer has ended.
  mutating func finish() -> TextPiece? {
    guard reason != .stopString else { return nil }
    let rest = matcher.append(assembler.finish())
    if let stop = rest.stop {
      stopString = stop
      reason = .stopString
      return piece(rest.text)
    }
    return piece(rest.text + matcher.finish())
  }

  private mutating func piece(_ text: String) -> TextPiece? {
    guard !text.isEmpty else { return nil }
    defer { (held, heldChoices, heldActivity) = ([], [], []) }
    self.text += text
    return TextPiece(text: text, tokens: held, choices: heldChoices, activity: heldActivity)
  }

  /// The answer as far as it came.
  var result: GenerationResult {
    GenerationResult(
      text: text, tokens: tokens, finishReason: reason ?? .cancelled, stopString: stopString, contextSlides: slides,
      statistics: statistics)
  }
}

extension ContextPolicy {
  /// What stays of a full memory that slides, and what of it is read again.
  static func slide(_ tokens: [Int32], keep: Int) -> (kept: ArraySlice<Int32>, again: ArraySlice<Int32>) {
    let kept = min(keep, tokens.count)
    return (tokens[..<kept], tokens.suffix((tokens.count - kept) / 2))
  }
}

import Hummingbird
import PowerInfer

/// The body of `/v1/completions`. Fields that are not named here are ignored.
struct CompletionRequest: Decodable, Sendable {
  var model: String?
  var prompt: PromptField?
  var stream: Bool?
  var stream_options: ChatRequest.StreamOptions?
  var max_tokens: Int?
  var n: Int?
  var best_of: Int?
  var echo: Bool?
  var suffix: String?
  var stop: StopField?
  var logprobs: Int?
  var cache_prompt: Bool?

  /// OpenAI's.
  static let defaultMaxTokens = 16

  /// - Throws: ``APIError`` for what is out of range or not done here.
  func validate() throws {
    try ChatRequest.check(n, in: ChatRequest.countRange, "n")
    try ChatRequest.check(max_tokens, atLeast: 0, "max_tokens")
    try ChatRequest.check(logprobs, in: 0...5, "logprobs")
    if let best_of, best_of != n ?? 1 {
      throw APIError(
        .notSupported, "The value of best_of must be that of n (\(n ?? 1)), but it is \(best_of).", parameter: "best_of"
      )
    }
    if suffix?.isEmpty == false {
      throw APIError(.notSupported, "A suffix is not supported here; see /infill.", parameter: "suffix")
    }
    if echo == true, logprobs != nil {
      throw APIError(.notSupported, "Log-probabilities of an echoed prompt are not supported.", parameter: "logprobs")
    }
  }
}

/// What to go on from: a text, tokens, or a list of either.
struct PromptField: Decodable, Sendable {
  var prompts: [GenerationRequest.Prompt]

  /// Each is a request of its own.
  static let most = 128

  init(from decoder: any Decoder) throws {
    let single = try decoder.singleValueContainer()
    if let text = try? single.decode(String.self) {
      prompts = [.text(text)]
    } else if let tokens = try? single.decode([Int32].self), !tokens.isEmpty {
      prompts = [.tokens(tokens)]
    } else if let texts = try? single.decode([String].self) {
      prompts = texts.map { .text($0) }
    } else if let lists = try? single.decode([[Int32]].self) {
      prompts = lists.map { .tokens($0) }
    } else {
      throw DecodingError.dataCorruptedError(
        in: single, debugDescription: "expected a text, a list of texts, of token ids or of lists of token ids.")
    }
    guard (1...Self.most).contains(prompts.count) else {
      throw DecodingError.dataCorruptedError(
        in: single, debugDescription: "expected 1 to \(Self.most) prompts, found \(prompts.count).")
    }
  }
}

/// The reply of `/v1/completions`, and a piece of it.
struct CompletionReply: Encodable {
  struct Choice: Encodable {
    var text: String
    var index: Int
    var logprobs: OrNull<CompletionLogprobs>
    var finish_reason: OrNull<String>
  }

  var id: String
  var object = "text_completion"
  var created: Int
  var model: String
  var choices: [Choice]
  var usage: ChatChunk.Usage?
  var system_fingerprint = "powerinfer"
}

/// Log-probabilities as the older API has them.
struct CompletionLogprobs: Encodable, Sendable {
  var tokens: [String] = []
  var token_logprobs: [Double] = []
  var top_logprobs: [[String: Double]] = []
  var text_offset: [Int] = []

  /// - Parameter offset: characters of the text so far; moved on.
  init(_ choices: [TokenChoice], _ tokenizer: Tokenizer, offset: inout Int) {
    func text(_ token: Int32) -> String {
      String(decoding: tokenizer.bytes(of: token, renderSpecial: true), as: UTF8.self)
    }
    for choice in choices {
      let chosen = text(choice.chosen.token)
      tokens.append(chosen)
      token_logprobs.append(choice.chosen.finite)
      // Different tokens may look the same; the likelier one comes first.
      top_logprobs.append(
        Dictionary(choice.likeliest.map { (text($0.token), $0.finite) }, uniquingKeysWith: { first, _ in first }))
      text_offset.append(offset)
      offset += chosen.unicodeScalars.count
    }
  }
}

extension OpenAIRoutes {
  /// `/v1/completions`
  @Sendable func complete(_ request: Request, _ context: ServerContext) async throws -> Response {
    let body = try await service.body.decode(WithSampling<CompletionRequest>.self, from: request)
    let fields = body.fields
    try fields.validate()
    let model = try await service.library.model(fields.model)
    let count = fields.n ?? 1
    var (requests, echoes): ([GenerationRequest], [String]) = ([], [])
    for prompt in fields.prompt?.prompts ?? [.text("")] {
      let prompt = model.beginning(prompt)
      var generation = try service.request(
        model.finished(prompt), body.sampling, maxTokens: fields.max_tokens ?? CompletionRequest.defaultMaxTokens,
        stop: fields.stop,
        model: model)
      generation.logProbabilities = fields.logprobs
      if fields.cache_prompt == false { (generation.usesPrefixes, generation.keepsPrefix) = (false, false) }
      requests += generation.copies(count)
      echoes += [String](repeating: fields.echo == true ? model.text(of: prompt) : "", count: count)
    }
    guard requests.count <= PromptField.most else {
      throw APIError(
        .invalidRequest, "The request asks for \(requests.count) answers, expected at most \(PromptField.most).",
        parameter: "n")
    }
    let answers = try Answers(requests, model, service, for: context)
    if fields.stream == true {
      return answers.stream(
        CompletionStream(
          model: model, echoes: echoes, perPrompt: count, hasLogprobs: fields.logprobs != nil,
          includesUsage: fields.stream_options?.include_usage ?? false, requestID: context.requestID))
    }
    let outcomes = try await answers.outcomes()
    let choices = outcomes.enumerated().map { index, outcome in
      var offset = echoes[index].unicodeScalars.count
      return CompletionReply.Choice(
        text: echoes[index] + outcome.result.text, index: index,
        logprobs: OrNull(
          fields.logprobs != nil ? CompletionLogprobs(outcome.choices, model.tokenizer, offset: &offset) : nil),
        finish_reason: OrNull(outcome.result.finishReason.openAI))
    }
    return JSONReply.response(
      CompletionReply(
        id: Names.new("cmpl-"), created: Names.now, model: model.name, choices: choices,
        usage: .some(OpenAIUsage.sum(outcomes.map(\.result), perPrompt: count))))
  }
}

extension OpenAIUsage {
  /// Of several answers to each of several prompts.
  static func sum(_ results: [GenerationResult], perPrompt count: Int) -> OpenAIUsage {
    stride(from: 0, to: results.count, by: max(1, count)).reduce(OpenAIUsage()) { sum, start in
      sum + OpenAIUsage(Array(results[start..<min(start + max(1, count), results.count)]))
    }
  }
}

extension ServedModel {
  /// A prompt with at least one token: an empty text goes on from the token that begins texts.
  func beginning(_ prompt: GenerationRequest.Prompt) -> GenerationRequest.Prompt {
    guard prompt == .text(""), let first = tokenizer.bos ?? tokenizer.eos else { return prompt }
    return .tokens([first])
  }

  /// A prompt with control tokens where its text spells them: whoever writes a whole prompt means them.
  ///
  /// - Throws: what reading the model's template throws.
  func finished(_ prompt: GenerationRequest.Prompt) throws -> GenerationRequest.Prompt {
    guard case .text(let text) = prompt else { return prompt }
    return .tokens(try prompts.get().tokens(of: text, isFinished: true))
  }

  /// The text of a prompt.
  func text(of prompt: GenerationRequest.Prompt) -> String {
    switch prompt {
    case .text(let text): text
    case .tokens(let tokens): tokenizer.decode(tokens)
    case .messages(let messages, let tools, let variables):
      (try? prompts.get().text(of: messages, tools: tools, variables: variables)) ?? ""
    }
  }
}

/// A streamed completion: one chunk an event, and `[DONE]`.
struct CompletionStream: AnswerWriter {
  static let contentType = ChatStream.contentType

  private let model: ServedModel
  private let echoes: [String]
  private let perPrompt: Int
  private let hasLogprobs: Bool
  private let includesUsage: Bool
  private let requestID: String
  private let id = Names.new("cmpl-")
  private let created = Names.now
  private var offsets: [Int]
  private var results: [Int: GenerationResult] = [:]

  init(
    model: ServedModel, echoes: [String], perPrompt: Int, hasLogprobs: Bool, includesUsage: Bool, requestID: String
  ) {
    self.model = model
    self.echoes = echoes
    self.perPrompt = perPrompt
    self.hasLogprobs = hasLogprobs
    self.includesUsage = includesUsage
    self.requestID = requestID
    offsets = echoes.map(\.unicodeScalars.count)
  }

  private func chunk(
    _ text: String, _ index: Int, _ logprobs: CompletionLogprobs? = nil, reason: String? = nil
  ) -> CompletionReply {
    reply([.init(text: text, index: index, logprobs: OrNull(logprobs), finish_reason: OrNull(reason))], .none)
  }

  private func reply(_ choices: [CompletionReply.Choice], _ usage: ChatChunk.Usage) -> CompletionReply {
    CompletionReply(
      id: id, created: created, model: model.name, choices: choices, usage: includesUsage ? .some(usage) : nil)
  }

  mutating func begin(_ frames: inout Frames) throws {
    for (index, echo) in echoes.enumerated() where !echo.isEmpty { try frames.event(nil, chunk(echo, index)) }
  }

  mutating func take(_ event: GenerationEvent, of index: Int, _ frames: inout Frames) throws {
    switch event {
    case .text(let piece):
      let logprobs =
        hasLogprobs ? CompletionLogprobs(piece.choices, model.tokenizer, offset: &offsets[index]) : nil
      try frames.event(nil, chunk(piece.text, index, logprobs))
    case .finished(let result):
      results[index] = result
      try frames.event(nil, chunk("", index, reason: result.finishReason.openAI))
    case .started, .progress: break
    }
  }

  mutating func end(_ frames: inout Frames) throws {
    if includesUsage {
      let all = results.sorted { $0.key < $1.key }.map(\.value)
      try frames.event(nil, reply([], .some(OpenAIUsage.sum(all, perPrompt: perPrompt))))
    }
    frames.event(text: "[DONE]")
  }

  mutating func fail(_ error: APIError, _ frames: inout Frames) throws {
    try frames.event(nil, ErrorForm.openAI.body(error, requestID: requestID))
    frames.event(text: "[DONE]")
  }
}

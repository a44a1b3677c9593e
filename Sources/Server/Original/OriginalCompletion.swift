import Hummingbird
import PowerInfer

/// The body of `/completion`. Fields that are not named here are ignored.
struct OriginalRequest: Decodable, Sendable {
  var model: String?
  var prompt: PromptField?
  var stream: Bool?
  var n_predict: Int?
  var n_keep: Int?
  var n_probs: Int?
  var stop: StopField?
  var cache_prompt: Bool?
  var grammar: String?
  var json_schema: Anything?
  /// Of `/infill`.
  var input_prefix: String?
  var input_suffix: String?

  /// - Throws: ``APIError`` for what is out of range or not done here.
  func validate() throws {
    try ChatRequest.check(n_predict, atLeast: -2, "n_predict")
    try ChatRequest.check(n_probs, in: GenerationRequest.logProbabilityRange, "n_probs")
  }
}

extension OriginalRoutes {
  /// `/completion`
  @Sendable func complete(_ request: Request, _ context: ServerContext) async throws -> Response {
    let bytes = try await service.body.bytes(of: request)
    let body = try BodyReader.decode(WithSampling<OriginalRequest>.self, from: bytes)
    let model = try await service.library.model(body.fields.model)
    guard let prompts = body.fields.prompt?.prompts else {
      throw APIError(.invalidRequest, "The field prompt is missing.", parameter: "prompt")
    }
    guard prompts.count == 1, let prompt = prompts.first else {
      throw APIError(
        .notSupported, "Expected one prompt, found \(prompts.count); /v1/completions takes several.",
        parameter: "prompt")
    }
    return try await answer(model.beginning(prompt), body, bytes, model, context)
  }

  /// `/infill`
  @Sendable func infill(_ request: Request, _ context: ServerContext) async throws -> Response {
    let bytes = try await service.body.bytes(of: request)
    let body = try BodyReader.decode(WithSampling<OriginalRequest>.self, from: bytes)
    let model = try await service.library.model(body.fields.model)
    guard let before = body.fields.input_prefix, let after = body.fields.input_suffix else {
      let name = body.fields.input_prefix == nil ? "input_prefix" : "input_suffix"
      throw APIError(.invalidRequest, "The field \(name) is missing.", parameter: name)
    }
    guard let infill = model.infill else {
      throw APIError(
        .notSupported, "The model \(model.name) does not fill in the middle: its vocabulary has no tokens for it.")
    }
    let prompt = infill.prompt(before: before, after: after, model.tokenizer)
    return try await answer(.tokens(prompt), body, bytes, model, context)
  }

  private func answer(
    _ prompt: GenerationRequest.Prompt, _ body: WithSampling<OriginalRequest>, _ bytes: [UInt8], _ model: ServedModel,
    _ context: ServerContext
  ) async throws -> Response {
    let fields = body.fields
    try fields.validate()
    var generation = try service.request(
      model.finished(prompt), body.sampling, maxTokens: fields.n_predict.flatMap { $0 < 0 ? nil : $0 },
      stop: fields.stop, model: model)
    if fields.grammar != nil || fields.json_schema != nil { generation.grammar = try AnswerForm(bytes).llama() }
    if let count = fields.n_probs, count > 0 { generation.logProbabilities = count }
    if fields.n_predict == -1, let keep = fields.n_keep {
      // llama.cpp's words for "as long as it goes": the oldest tokens but for the first are dropped.
      try ChatRequest.check(keep, in: 0...max(0, model.contextSize - 2), "n_keep")
      generation.options.contextPolicy = .slide(keep: keep)
    }
    if fields.cache_prompt == false { (generation.usesPrefixes, generation.keepsPrefix) = (false, false) }
    let text = model.text(of: prompt)
    let settings = GenerationSettings(generation, model)
    let answers = try Answers([generation], model, service, for: context)
    if fields.stream == true {
      return answers.stream(
        OriginalStream(
          model: model, settings: settings, prompt: text, hasProbabilities: generation.logProbabilities != nil))
    }
    guard let outcome = try await answers.outcomes().first else { throw CancellationError() }
    let probabilities =
      generation.logProbabilities == nil ? nil : TokenProbabilities.list(outcome.choices, model.tokenizer)
    return JSONReply.response(
      OriginalReply(
        content: outcome.result.text, outcome.result, model: model.name, settings: settings, prompt: text,
        probabilities: probabilities))
  }
}

/// What a request was understood to ask for.
struct GenerationSettings: Encodable {
  var n_ctx: Int
  var model: String
  var n_predict: Int
  var seed: Int64
  var temperature: Float
  var top_k: Int
  var top_p: Float
  var min_p: Float
  var typical_p: Float
  var repeat_penalty: Float
  var repeat_last_n: Int
  var presence_penalty: Float
  var frequency_penalty: Float
  var stop: [String]
  var ignore_eos: Bool
  var n_probs: Int

  init(_ request: GenerationRequest, _ model: ServedModel) {
    let sampling = request.sampling
    n_ctx = model.contextSize
    self.model = model.name
    n_predict = request.options.maxTokens ?? -1
    seed = sampling.seed.map { Int64(bitPattern: $0) } ?? -1
    temperature = sampling.temperature
    top_k = sampling.topK
    top_p = sampling.topP
    min_p = sampling.minP
    typical_p = sampling.typicalP
    repeat_penalty = sampling.repeatPenalty
    repeat_last_n = sampling.repeatLastN
    presence_penalty = sampling.presencePenalty
    frequency_penalty = sampling.frequencyPenalty
    stop = request.options.stopStrings
    ignore_eos = request.options.ignoreEndOfGeneration
    n_probs = request.logProbabilities ?? 0
  }
}

/// The likeliest tokens at one place.
struct TokenProbabilities: Encodable, Sendable {
  struct Entry: Encodable, Sendable {
    var tok_str: String
    var prob: Double
  }

  var content: String
  var probs: [Entry]

  static func list(_ choices: [TokenChoice], _ tokenizer: Tokenizer) -> [TokenProbabilities] {
    func text(_ token: Int32) -> String {
      String(decoding: tokenizer.bytes(of: token, renderSpecial: true), as: UTF8.self)
    }
    return choices.map { choice in
      TokenProbabilities(
        content: text(choice.chosen.token),
        probs: choice.likeliest.map { Entry(tok_str: text($0.token), prob: $0.probability) })
    }
  }
}

/// The reply of `/completion`, and the last event of a stream.
struct OriginalReply: Encodable {
  struct Timings: Encodable {
    var prompt_n: Int
    var prompt_ms: Double
    var prompt_per_token_ms: OrNull<Double>
    var prompt_per_second: OrNull<Double>
    var predicted_n: Int
    var predicted_ms: Double
    var predicted_per_token_ms: OrNull<Double>
    var predicted_per_second: OrNull<Double>

    init(_ statistics: GenerationStatistics) {
      prompt_n = statistics.readTokens
      prompt_ms = statistics.promptTime * 1e3
      prompt_per_token_ms = OrNull(statistics.promptTokensPerSecond.map { 1e3 / $0 })
      prompt_per_second = OrNull(statistics.promptTokensPerSecond)
      predicted_n = statistics.generatedTokens
      predicted_ms = statistics.decodeTime * 1e3
      predicted_per_token_ms = OrNull(statistics.decodeTokensPerSecond.map { 1e3 / $0 })
      predicted_per_second = OrNull(statistics.decodeTokensPerSecond)
    }
  }

  var content: String
  var completion_probabilities: [TokenProbabilities]?
  var stop = true
  var id_slot = -1
  var slot_id = -1
  var model: String
  var multimodal = false
  var tokens_predicted: Int
  var tokens_evaluated: Int
  var tokens_cached: Int
  var generation_settings: GenerationSettings
  var prompt: String
  var truncated: Bool
  var stop_type: String
  var stopped_eos: Bool
  var stopped_word: Bool
  var stopped_limit: Bool
  var stopping_word: String
  var timings: Timings

  init(
    content: String, _ result: GenerationResult, model: String, settings: GenerationSettings, prompt: String,
    probabilities: [TokenProbabilities]?
  ) {
    self.content = content
    completion_probabilities = probabilities
    self.model = model
    tokens_predicted = result.statistics.generatedTokens
    tokens_evaluated = result.statistics.promptTokens
    tokens_cached = result.statistics.promptTokens + max(0, result.statistics.generatedTokens - 1)
    generation_settings = settings
    self.prompt = prompt
    truncated = result.contextSlides > 0 || result.finishReason == .contextFull
    stopped_eos = result.finishReason == .stop
    stopped_word = result.finishReason == .stopString
    stopped_limit = result.finishReason.openAI == "length"
    stop_type = stopped_eos ? "eos" : stopped_word ? "word" : "limit"
    stopping_word = result.stopString ?? ""
    timings = Timings(result.statistics)
  }
}

/// A streamed completion: an event for every piece, the last one with everything but the text.
struct OriginalStream: AnswerWriter {
  static let contentType = ChatStream.contentType

  private struct Piece: Encodable {
    var content: String
    var stop = false
    var id_slot = -1
    var slot_id = -1
    var multimodal = false
    var completion_probabilities: [TokenProbabilities]?
  }

  let model: ServedModel
  let settings: GenerationSettings
  let prompt: String
  let hasProbabilities: Bool

  mutating func begin(_ frames: inout Frames) throws {}

  mutating func take(_ event: GenerationEvent, of index: Int, _ frames: inout Frames) throws {
    switch event {
    case .started, .progress: break
    case .text(let piece):
      let list = hasProbabilities ? TokenProbabilities.list(piece.choices, model.tokenizer) : nil
      try frames.event(nil, Piece(content: piece.text, completion_probabilities: list))
    case .finished(let result):
      try frames.event(
        nil,
        OriginalReply(
          content: "", result, model: model.name, settings: settings, prompt: prompt, probabilities: nil))
    }
  }

  mutating func end(_ frames: inout Frames) throws {}

  mutating func fail(_ error: APIError, _ frames: inout Frames) throws {
    try frames.event(nil, ErrorForm.original.body(error, requestID: ""))
  }
}

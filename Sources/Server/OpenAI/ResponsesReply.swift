import PowerInfer

/// The object that `/v1/responses` replies with, and that its events carry.
struct ResponseObject: Encodable {
  struct Incomplete: Encodable { var reason: String }

  struct Part: Encodable {
    var type = "output_text"
    var text: String
    var annotations: [String]? = []
    var logprobs: [String]? = []
  }

  /// What a model says or, with `summary`, what it thought.
  struct Item: Encodable {
    var type = "message"
    var id: String
    var status: String
    var role: String? = "assistant"
    var content: [Part]
    var summary: [String]?

    init(message id: String, status: String, _ text: String? = nil) {
      (self.id, self.status) = (id, status)
      content = text.map { [Part(text: $0)] } ?? []
    }

    init(reasoning id: String, status: String, _ text: String? = nil) {
      (self.id, self.status) = (id, status)
      (type, role, summary) = ("reasoning", nil, [])
      content = text.map { [Part(type: "reasoning_text", text: $0, annotations: nil, logprobs: nil)] } ?? []
    }
  }

  struct Reasoning: Encodable {
    var effort = OrNull<String>(nil)
    var summary = OrNull<String>(nil)
  }

  struct TextField: Encodable {
    struct Format: Encodable { var type = "text" }
    var format = Format()
  }

  struct Usage: Encodable {
    struct InputDetails: Encodable { var cached_tokens: Int }
    struct OutputDetails: Encodable { var reasoning_tokens = 0 }

    var input_tokens: Int
    var input_tokens_details: InputDetails
    var output_tokens: Int
    var output_tokens_details = OutputDetails()
    var total_tokens: Int

    init(_ result: GenerationResult) {
      input_tokens = result.statistics.promptTokens
      input_tokens_details = .init(cached_tokens: result.statistics.reusedTokens)
      output_tokens = result.statistics.generatedTokens
      total_tokens = input_tokens + output_tokens
    }
  }

  var id: String
  var object = "response"
  var created_at: Int
  var status: String
  var background = false
  var error = OrNull<ErrorForm.Body>(nil)
  var incomplete_details = OrNull<Incomplete>(nil)
  var instructions: OrNull<String>
  var max_output_tokens: OrNull<Int>
  var model: String
  var output: [Item] = []
  var parallel_tool_calls = true
  var previous_response_id = OrNull<String>(nil)
  var reasoning = Reasoning()
  var store = false
  var temperature: Float
  var text = TextField()
  var tool_choice = "auto"
  var tools: [String] = []
  var top_p: Float
  var truncation = "disabled"
  var usage = OrNull<Usage>(nil)
  var metadata: [String: String]

  init(_ fields: ResponsesRequest, _ sampling: SamplingOptions, model: String) {
    id = Names.new("resp_")
    created_at = Names.now
    status = "in_progress"
    instructions = OrNull(fields.instructions)
    max_output_tokens = OrNull(fields.max_output_tokens)
    self.model = model
    temperature = sampling.temperature
    top_p = sampling.topP
    metadata = fields.metadata ?? [:]
    text.format.type = fields.text?.format?.type ?? "text"
  }

  /// The object once the answer is complete.
  ///
  /// - Parameter items: the ids of what it thought and of what it said.
  func completed(
    _ result: GenerationResult, _ answer: ParsedAnswer, items: (reasoning: String, message: String)
  ) -> ResponseObject {
    var object = self
    let isWhole = result.finishReason.openAI == "stop"
    object.status = isWhole ? "completed" : "incomplete"
    if !isWhole { object.incomplete_details = OrNull(Incomplete(reason: "max_output_tokens")) }
    object.output =
      answer.reasoning.isEmpty
      ? [] : [Item(reasoning: items.reasoning, status: "completed", answer.reasoning)]
    object.output.append(Item(message: items.message, status: object.status, answer.text))
    object.usage = OrNull(Usage(result))
    return object
  }
}

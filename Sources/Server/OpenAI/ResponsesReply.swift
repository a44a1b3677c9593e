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

  /// What a model says, what it thought (with `summary`), or a call that it wishes.
  struct Item: Encodable {
    var type = "message"
    var id: String
    var status: String
    var role: String?
    var content: [Part]?
    var summary: [String]?
    var call_id: String?
    var name: String?
    var arguments: String?

    init(message id: String, status: String, _ text: String? = nil) {
      (self.id, self.status, role) = (id, status, "assistant")
      content = text.map { [Part(text: $0)] } ?? []
    }

    init(call name: String, _ arguments: String) {
      (type, id, status) = ("function_call", Names.new("fc_"), "completed")
      (call_id, self.name, self.arguments) = (Names.new("call_"), name, arguments)
    }

    init(reasoning id: String, status: String, _ text: String? = nil) {
      (self.id, self.status) = (id, status)
      (type, summary) = ("reasoning", [])
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
  var tool_choice = AnyValue.text("auto")
  var tools: [AnyValue] = []
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
    tools = fields.tools ?? []
    if let choice = fields.tool_choice { tool_choice = choice.value }
  }

  /// The object once the answer is complete.
  func completed(_ result: GenerationResult, _ answer: ParsedAnswer) -> ResponseObject {
    var items: [Item] = []
    if !answer.reasoning.isEmpty {
      items.append(Item(reasoning: Names.new("rs_"), status: "completed", answer.reasoning))
    }
    if !answer.text.isEmpty || answer.calls.isEmpty {
      items.append(Item(message: Names.new("msg_"), status: Self.status(result), answer.text))
    }
    return completed(result, items: items + answer.calls.map { Item(call: $0.name, $0.arguments) })
  }

  /// The same with items that were made on the way.
  func completed(_ result: GenerationResult, items: [Item]) -> ResponseObject {
    var object = self
    object.status = Self.status(result)
    if object.status != "completed" { object.incomplete_details = OrNull(Incomplete(reason: "max_output_tokens")) }
    object.output = items
    object.usage = OrNull(Usage(result))
    return object
  }

  /// `completed` or `incomplete`.
  static func status(_ result: GenerationResult) -> String {
    result.finishReason.openAI == "stop" ? "completed" : "incomplete"
  }
}

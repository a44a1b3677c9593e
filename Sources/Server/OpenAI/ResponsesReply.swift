import PowerInfer

/// The object that `/v1/responses` replies with, and that its events carry.
struct ResponseObject: Encodable {
  struct Incomplete: Encodable { var reason: String }

  struct Part: Encodable {
    var type = "output_text"
    var text: String
    var annotations: [String] = []
    var logprobs: [String] = []
  }

  struct Item: Encodable {
    var type = "message"
    var id: String
    var status: String
    var role = "assistant"
    var content: [Part]
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
  func completed(_ result: GenerationResult, item: String) -> ResponseObject {
    var object = self
    let isWhole = result.finishReason.openAI == "stop"
    object.status = isWhole ? "completed" : "incomplete"
    if !isWhole { object.incomplete_details = OrNull(Incomplete(reason: "max_output_tokens")) }
    object.output = [
      Item(id: item, status: object.status, content: [Part(text: result.text)])
    ]
    object.usage = OrNull(Usage(result))
    return object
  }
}

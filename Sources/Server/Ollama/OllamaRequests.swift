import PowerInfer

/// What `options` of ollama's requests may say beside sampling. Others are about loading, which the server decides.
struct OllamaOptions: Decodable, Sendable {
  var num_predict: Int?
  var stop: StopField?
}

/// How long a model is to stay: a number of seconds or a text such as "5m". Only 0 is acted on.
struct KeepAlive: Decodable, Sendable {
  var isZero: Bool

  init(from decoder: any Decoder) throws {
    let single = try decoder.singleValueContainer()
    if let text = try? single.decode(String.self) {
      isZero = ["0", "0s", "0m", "0h"].contains(text)
    } else {
      isZero = try single.decode(Double.self) == 0
    }
  }
}

/// The body of `/api/chat`. Fields that are not named here are ignored.
struct OllamaChatRequest: Decodable, Sendable {
  struct Turn: Decodable, Sendable {
    struct Call: Decodable, Sendable {
      struct Function: Decodable, Sendable {
        var name: String
        var arguments: AnyValue?
      }
      var function: Function
    }

    var role: String
    var content: String?
    var thinking: String?
    var images: [String]?
    var tool_calls: [Call]?
    var tool_name: String?

    /// - Throws: `MessageError`, ``APIError``.
    func message() throws -> Message {
      guard let role = Message.Role(rawValue: role) else { throw MessageError.unknownRole(self.role) }
      if images?.isEmpty == false { throw OllamaGenerateRequest.noImages }
      var message = Message(role, content ?? "")
      message.name = tool_name
      message.reasoning = thinking
      message.toolCalls = try (tool_calls ?? []).map { call in
        ToolCall(id: "", name: call.function.name, arguments: try call.function.arguments?.json() ?? "{}")
      }
      return message
    }
  }

  var model: String?
  var messages: [Turn]?
  var stream: Bool?
  var format: Anything?
  var options: WithSampling<OllamaOptions>?
  var tools: [Anything]?
  var think: ThinkField?
  var keep_alive: KeepAlive?
}

/// Whether the model is to think, and what it thinks is shown: true or false, or a word for how much of it is wanted, which is true.
struct ThinkField: Decodable, Sendable {
  var isWanted: Bool

  init(from decoder: any Decoder) throws {
    let single = try decoder.singleValueContainer()
    if let flag = try? single.decode(Bool.self) {
      isWanted = flag
      return
    }
    let word = try single.decode(String.self)
    guard ["", "low", "medium", "high"].contains(word) else {
      throw DecodingError.dataCorruptedError(
        in: single, debugDescription: "expected true, false, low, medium or high, found \(word.debugDescription).")
    }
    isWanted = !word.isEmpty
  }
}

/// The body of `/api/generate`. Fields that are not named here are ignored.
struct OllamaGenerateRequest: Decodable, Sendable {
  var model: String?
  var prompt: String?
  var suffix: String?
  var system: String?
  var template: String?
  var context: [Int32]?
  var images: [String]?
  var stream: Bool?
  var raw: Bool?
  var think: ThinkField?
  var format: Anything?
  var options: WithSampling<OllamaOptions>?
  var keep_alive: KeepAlive?

  static let noImages = APIError(.invalidRequest, "The model reads no images.", parameter: "images")

  /// - Throws: ``APIError`` for what is not done here.
  func validate() throws {
    if images?.isEmpty == false { throw Self.noImages }
    if template?.isEmpty == false {
      throw APIError(.notSupported, "Another template is not supported; raw goes without one.", parameter: "template")
    }
    if context?.isEmpty == false {
      throw APIError(
        .notSupported, "An earlier context is not supported; /api/chat takes a whole conversation.",
        parameter: "context")
    }
  }
}

import Foundation
import PowerInfer

/// The reply of `/v1/chat/completions`.
struct ChatReply: Encodable {
  struct Answer: Encodable {
    var role = "assistant"
    var content: OrNull<String>
    /// What it thought.
    var reasoning_content: String?
    var refusal = OrNull<String>(nil)
    var tool_calls: [ChatCall]?

    init(_ answer: ParsedAnswer) {
      content = OrNull(answer.text.isEmpty && !answer.calls.isEmpty ? nil : answer.text)
      reasoning_content = answer.reasoning.isEmpty ? nil : answer.reasoning
      tool_calls =
        answer.calls.isEmpty ? nil : answer.calls.map { ChatCall(name: $0.name, arguments: $0.arguments) }
    }
  }

  struct Choice: Encodable {
    var index: Int
    var message: Answer
    var logprobs: OrNull<ChatLogprobs>
    var finish_reason: String
  }

  var id: String
  var object = "chat.completion"
  var created: Int
  var model: String
  var choices: [Choice]
  var usage: OpenAIUsage
  var system_fingerprint = "powerinfer"
}

/// A call that a model wishes.
struct ChatCall: Encodable {
  struct Function: Encodable {
    var name: String
    var arguments: String
  }

  /// Its place among the calls, in streams.
  var index: Int?
  var id: String
  var type = "function"
  var function: Function

  init(name: String, arguments: String, index: Int? = nil) {
    id = Names.new("call_")
    function = Function(name: name, arguments: arguments)
    self.index = index
  }
}

/// A piece of the same reply.
struct ChatChunk: Encodable {
  struct Delta: Encodable {
    var role: String?
    var content: String?
    var reasoning_content: String?
    var tool_calls: [ChatCall]?

    var isEmpty: Bool { role == nil && content == nil && reasoning_content == nil && tool_calls == nil }
  }

  struct Choice: Encodable {
    var index: Int
    var delta: Delta
    var logprobs = OrNull<ChatLogprobs>(nil)
    var finish_reason = OrNull<String>(nil)
  }

  /// Null in all but the last piece where usage was asked for; not there where it was not.
  enum Usage: Encodable {
    case none
    case some(OpenAIUsage)

    func encode(to encoder: any Encoder) throws {
      var single = encoder.singleValueContainer()
      switch self {
      case .none: try single.encodeNil()
      case .some(let usage): try single.encode(usage)
      }
    }
  }

  var id: String
  var object = "chat.completion.chunk"
  var created: Int
  var model: String
  var choices: [Choice]
  var usage: Usage?
  var system_fingerprint = "powerinfer"
}

/// Log-probabilities of an answer's tokens.
struct ChatLogprobs: Encodable, Sendable {
  struct Token: Encodable, Sendable {
    var token: String
    var logprob: Double
    var bytes: [UInt8]
  }

  struct Entry: Encodable, Sendable {
    var token: String
    var logprob: Double
    var bytes: [UInt8]
    var top_logprobs: [Token]
  }

  var content: [Entry]
  var refusal = OrNull<String>(nil)

  init(_ choices: [TokenChoice], _ tokenizer: Tokenizer) {
    content = choices.map { choice in
      let chosen = Self.token(choice.chosen, tokenizer)
      return Entry(
        token: chosen.token, logprob: chosen.logprob, bytes: chosen.bytes,
        top_logprobs: choice.likeliest.map { Self.token($0, tokenizer) })
    }
  }

  private static func token(_ choice: TokenLogProbability, _ tokenizer: Tokenizer) -> Token {
    let bytes = tokenizer.bytes(of: choice.token, renderSpecial: true)
    return Token(token: String(decoding: bytes, as: UTF8.self), logprob: choice.finite, bytes: bytes)
  }
}

extension TokenLogProbability {
  var probability: Double { exp(logProbability) }

  /// JSON knows no infinity; OpenAI writes -9999.
  var finite: Double { logProbability.isFinite ? logProbability : -9999 }
}

import Hummingbird

/// In which form an API says that something went wrong.
enum ErrorForm: Sendable {
  case openAI
  case anthropic
  case ollama
  /// llama.cpp's server, which the original's was: OpenAI's envelope with the status as a number.
  case original

  /// The form that clients of a path expect.
  init(path: String) {
    if path.hasPrefix("/v1/messages") {
      self = .anthropic
    } else if path.hasPrefix("/api/") {
      self = .ollama
    } else if path.hasPrefix("/v1/") {
      self = .openAI
    } else {
      self = .original
    }
  }

  /// The whole reply.
  func response(_ error: APIError, requestID: String) -> Response {
    var response = JSONReply.response(body(error, requestID: requestID), status: error.status)
    if let seconds = error.retryAfter { response.headers[.retryAfter] = String(seconds) }
    if let allow = error.allow { response.headers[.allow] = allow }
    if error.kind == .invalidKey { response.headers[.wwwAuthenticate] = "Bearer" }
    return response
  }

  /// What stands in the body, or in a stream that has begun.
  func body(_ error: APIError, requestID: String) -> Body {
    switch self {
    case .openAI: .openAI(.init(error: .init(error)))
    case .anthropic:
      .anthropic(
        .init(error: .init(type: Self.anthropicType(error.kind), message: error.message), request_id: requestID))
    case .ollama: .ollama(.init(error: error.message))
    case .original:
      .original(
        .init(
          error: .init(code: error.status.code, message: error.message, type: Self.originalType(error.kind))))
    }
  }

  enum Body: Encodable {
    case openAI(OpenAI)
    case anthropic(Anthropic)
    case ollama(Ollama)
    case original(Original)

    struct OpenAI: Encodable {
      struct Details: Encodable {
        var message: String
        var type: String
        var param: OrNull<String>
        var code: OrNull<String>

        init(_ error: APIError) {
          message = error.message
          type = ErrorForm.openAIType(error.kind)
          param = OrNull(error.parameter)
          code = OrNull(ErrorForm.openAICode(error.kind))
        }
      }
      var error: Details
    }
    struct Anthropic: Encodable {
      struct Details: Encodable {
        var type: String
        var message: String
      }
      var type = "error"
      var error: Details
      var request_id: String
    }
    struct Ollama: Encodable { var error: String }
    struct Original: Encodable {
      struct Details: Encodable {
        var code: Int
        var message: String
        var type: String
      }
      var error: Details
    }

    func encode(to encoder: any Encoder) throws {
      switch self {
      case .openAI(let body): try body.encode(to: encoder)
      case .anthropic(let body): try body.encode(to: encoder)
      case .ollama(let body): try body.encode(to: encoder)
      case .original(let body): try body.encode(to: encoder)
      }
    }
  }

  private static func openAIType(_ kind: APIError.Kind) -> String {
    switch kind {
    case .busy: "rate_limit_error"
    case .loading, .server: "server_error"
    case .forbidden: "permission_error"
    default: "invalid_request_error"
    }
  }

  private static func openAICode(_ kind: APIError.Kind) -> String? {
    switch kind {
    case .invalidKey: "invalid_api_key"
    case .modelNotFound: "model_not_found"
    case .contextExceeded: "context_length_exceeded"
    case .busy: "rate_limit_exceeded"
    case .notSupported: "unsupported_parameter"
    default: nil
    }
  }

  private static func anthropicType(_ kind: APIError.Kind) -> String {
    switch kind {
    case .invalidKey: "authentication_error"
    case .forbidden: "permission_error"
    case .modelNotFound, .notFound: "not_found_error"
    case .tooLarge: "request_too_large"
    case .busy: "rate_limit_error"
    case .loading: "overloaded_error"
    case .server: "api_error"
    case .timeout: "timeout_error"
    default: "invalid_request_error"
    }
  }

  private static func originalType(_ kind: APIError.Kind) -> String {
    switch kind {
    case .invalidKey: "authentication_error"
    case .forbidden: "permission_error"
    case .modelNotFound, .notFound: "not_found_error"
    case .loading, .busy: "unavailable_error"
    case .server: "server_error"
    case .notSupported: "not_supported_error"
    case .contextExceeded: "exceed_context_size_error"
    default: "invalid_request_error"
    }
  }
}

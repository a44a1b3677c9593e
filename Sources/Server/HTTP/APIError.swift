import Foundation
import HTTPTypes
import NIOCore
import PowerInfer
import PowerInferJinja

/// Why a request is not answered. Each API has its own form for it, see ``ErrorForm``.
struct APIError: Error, Equatable {
  /// What kind of mistake it is, beyond the status.
  enum Kind: Equatable {
    case invalidRequest
    case invalidKey
    case forbidden
    case modelNotFound
    case notFound
    case methodNotAllowed
    case tooLarge
    case timeout
    case busy
    case loading
    case contextExceeded
    case notSupported
    case server
  }

  var kind: Kind
  /// One sentence.
  var message: String
  /// The field that is wrong.
  var parameter: String?
  /// Seconds after which another try makes sense.
  var retryAfter: Int?
  /// The methods that the path takes.
  var allow: String?

  init(_ kind: Kind, _ message: String, parameter: String? = nil, retryAfter: Int? = nil, allow: String? = nil) {
    self.kind = kind
    self.message = message
    self.parameter = parameter
    self.retryAfter = retryAfter
    self.allow = allow
  }

  var status: HTTPResponse.Status {
    switch kind {
    case .invalidRequest, .contextExceeded, .notSupported: .badRequest
    case .invalidKey: .unauthorized
    case .forbidden: .forbidden
    case .modelNotFound, .notFound: .notFound
    case .methodNotAllowed: .methodNotAllowed
    case .tooLarge: .contentTooLarge
    case .timeout: .requestTimeout
    case .busy: .tooManyRequests
    case .loading: .serviceUnavailable
    case .server: .internalServerError
    }
  }

  /// What went wrong, as a client is told.
  init(_ error: any Error) {
    switch error {
    case let error as APIError: self = error
    case let error as GenerationError: self.init(error)
    case let error as EngineError: self.init(error)
    case SamplingError.invalidOption(let name, _, _):
      self.init(.invalidRequest, "\(error)", parameter: name.replacing("-", with: "_"))
    case SamplingError.biasOutsideVocabulary: self.init(.invalidRequest, "\(error)", parameter: "logit_bias")
    case let error as GrammarError: self.init(.invalidRequest, error.description)
    case is MessageError, is PromptError: self.init(.invalidRequest, "\(error)", parameter: "messages")
    case let error as JinjaError:
      self.init(.invalidRequest, "The chat template refuses the conversation: \(error.message)", parameter: "messages")
    case let error as DecodingError: self.init(error)
    case is NIOTooManyBytesError: self.init(.tooLarge, "The request's body is too large.")
    case is CancellationError: self.init(.timeout, "The request was cancelled.")
    default: self.init(.server, "The server failed: \(error)")
    }
  }

  private init(_ error: GenerationError) {
    switch error {
    case .queueFull: self.init(.busy, error.description, retryAfter: 1)
    case .engineStopped, .noThread: self.init(.loading, error.description, retryAfter: 5)
    case .promptTooLong: self.init(.contextExceeded, error.description, parameter: "messages")
    case .emptyStopString: self.init(.invalidRequest, error.description, parameter: "stop")
    case .negativeMaxTokens: self.init(.invalidRequest, error.description, parameter: "max_tokens")
    default: self.init(.invalidRequest, error.description)
    }
  }

  private init(_ error: EngineError) {
    switch error {
    case .unknownToken, .noTokens: self.init(.invalidRequest, error.description)
    case .contextFull: self.init(.contextExceeded, error.description)
    case .noHiddenStates: self.init(.notSupported, error.description)
    case .cacheFull, .outOfCacheMemory: self.init(.loading, error.description, retryAfter: 5)
    default: self.init(.server, error.description)
    }
  }

  private init(_ error: DecodingError) {
    func path(_ context: DecodingError.Context, _ last: (any CodingKey)? = nil) -> String {
      (context.codingPath + (last.map { [$0] } ?? [])).map { $0.intValue.map(String.init) ?? $0.stringValue }
        .joined(separator: ".")
    }
    func kind(_ type: Any.Type) -> String {
      switch type {
      case is String.Type: "a text"
      case is Bool.Type: "true or false"
      case is any BinaryInteger.Type: "a whole number"
      case is any BinaryFloatingPoint.Type: "a number"
      case is [Any].Type: "a list"
      case is [String: Any].Type: "an object"
      default: "another kind of value"
      }
    }
    switch error {
    case .keyNotFound(let key, let context):
      let name = path(context, key)
      self.init(.invalidRequest, "The field \(name) is missing.", parameter: name)
    case .typeMismatch(let type, let context), .valueNotFound(let type, let context):
      let name = path(context)
      self.init(
        .invalidRequest, "Expected \(name.isEmpty ? "the body" : name) to be \(kind(type)), found another value.",
        parameter: name.isEmpty ? nil : name)
    case .dataCorrupted(let context) where context.codingPath.isEmpty:
      let reason = (context.underlyingError as NSError?)?.userInfo[NSDebugDescriptionErrorKey] as? String
      self.init(.invalidRequest, "The body is not JSON: \(reason ?? context.debugDescription)")
    case .dataCorrupted(let context):
      let name = path(context)
      self.init(.invalidRequest, "The value of \(name) cannot be used: \(context.debugDescription)", parameter: name)
    @unknown default: self.init(.invalidRequest, "The body cannot be read.")
    }
  }
}

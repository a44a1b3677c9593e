public import PowerInfer

/// How a server listens, whom it serves and within which limits.
public struct ServerOptions: Sendable, Equatable {
  // Where
  /// The address to listen on.
  public var host = "127.0.0.1"
  /// The port to listen on; 0 takes any that is free.
  public var port = 8080
  /// The server's certificate chain, a PEM file; with ``keyPath`` connections are encrypted.
  public var certificatePath: String?
  /// The certificate's private key, a PEM file.
  public var keyPath: String?

  // Whom
  /// Keys of which clients must show one; none lets everybody in.
  public var apiKeys: [String] = []
  /// Web pages of these origins may ask, such as `https://chat.example.org`; `*` lets every page. Pages of this machine and the
  /// server's own may anyway.
  public var allowedOrigins: [String] = []
  /// Names under which clients may reach the server, beside IP addresses, `localhost` and ``host``; `*` allows every name.
  public var allowedHosts: [String] = []

  // Limits
  /// Most bytes of a request's body.
  public var bodyLimit = 16 << 20
  /// Most connections at a time; more wait to be accepted.
  public var connectionLimit = 1024
  /// Seconds for a request to arrive as a whole.
  public var readTimeout = 30
  /// Seconds that a client may take to accept more of an answer.
  public var writeTimeout = 60
  /// Seconds until a connection without a request is closed.
  public var idleTimeout = 75
  /// Seconds until an answer is cut off, its wait in the queue included; nil never.
  public var requestTimeout: Int?
  /// Seconds between comments that keep a silent stream's connection open.
  public var keepAliveInterval = 10
  /// Seconds that running answers get when the server is asked to stop.
  public var shutdownTimeout = 30

  // Answers
  /// How tokens are chosen where a request does not say.
  public var sampling = SamplingOptions()
  /// Whether answers go on past the model's own end where a request does not say.
  public var ignoresEnd = false
  /// Most tokens of an answer, whatever a request says; nil up to the end of the context.
  public var tokenLimit: Int?
  /// Where what a model thinks goes, where a request does not say.
  public var reasoning = ReasoningOutput.separate
  /// How embeddings are pooled where a request does not say.
  public var pooling = EmbeddingPooling.mean

  // Log
  /// Whether the log has the prompts.
  public var logsPrompts = false

  // Models
  /// Seconds after its last use until a model is given up; nil keeps it.
  public var idleUnload: Int?
  /// Most bytes of all model files that are loaded at a time; nil for no limit.
  public var modelByteLimit: Int?

  public init() {}
}

/// Where what a model thinks before it answers goes.
public enum ReasoningOutput: Sendable, Equatable {
  /// Into the answer's text, marks and all.
  case inline
  /// Into a field or a block of its own.
  case separate

  /// llama.cpp's words: `none`; `deepseek` or `auto`. nil for others.
  public init?(name: String) {
    switch name {
    case "none": self = .inline
    case "auto", "deepseek": self = .separate
    default: return nil
    }
  }

  /// llama.cpp's word.
  public var name: String { self == .inline ? "none" : "auto" }
}

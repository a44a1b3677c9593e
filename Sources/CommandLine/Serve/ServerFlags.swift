import ArgumentParser
import Foundation
import Logging
import PowerInfer
import PowerInferServer

/// Where a server listens, and whom it serves.
struct ServerFlags: ParsableArguments {
  @Option(
    help: ArgumentHelp("Address to listen on. (default: 127.0.0.1; environment: POWERINFER_HOST)", valueName: "address")
  )
  var host: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Port to listen on; 0 any that is free. (default: 8080; environment: POWERINFER_PORT)", valueName: "n"))
  var port: Int?

  @Option(
    help: ArgumentHelp(
      "Key that clients must show; may be repeated. (environment: POWERINFER_API_KEY, several with commas)",
      valueName: "key"))
  var apiKey: [String] = []

  @Option(
    help: ArgumentHelp(
      "File with such keys, one a line. (environment: POWERINFER_API_KEY_FILE)", valueName: "file"),
    completion: .file())
  var apiKeyFile: String?

  @Option(
    help: ArgumentHelp(
      "Web pages of these origins may ask, beside those of this machine: https://chat.example.org,https://…; * for all. "
        + "(environment: POWERINFER_CORS_ORIGINS)", valueName: "list"))
  var corsOrigins: String?

  @Option(
    help: ArgumentHelp(
      "Names by which clients may call the server, beside IP addresses, localhost and --host; * for all. "
        + "(environment: POWERINFER_ALLOWED_HOSTS)", valueName: "list"))
  var allowedHosts: String?

  @Option(
    name: [.long, .customLong("ssl-cert-file")],
    help: ArgumentHelp(
      "Certificate chain, PEM: encrypts connections. (environment: POWERINFER_TLS_CERT)", valueName: "file"),
    completion: .file())
  var tlsCert: String?

  @Option(
    name: [.long, .customLong("ssl-key-file")],
    help: ArgumentHelp("The certificate's private key, PEM. (environment: POWERINFER_TLS_KEY)", valueName: "file"),
    completion: .file())
  var tlsKey: String?

  @Option(
    help: ArgumentHelp(
      "What is logged: trace, debug, info, notice, warning, error. (default: info; environment: POWERINFER_LOG_LEVEL)",
      valueName: "level"))
  var logLevel: String?

  @Option(
    help: ArgumentHelp(
      "How it is logged: text or json. (default: text; environment: POWERINFER_LOG_FORMAT)", valueName: "form"))
  var logFormat: String?

  @Flag(
    help: "Write prompts into the log, which has none of them otherwise. (environment: POWERINFER_LOG_PROMPTS)")
  var logPrompts = false

  @Option(
    help: ArgumentHelp(
      "Where what a model thinks goes (<think>): none leaves it in the text, auto and deepseek give it a field or a block of its "
        + "own. (default: auto; environment: POWERINFER_REASONING_FORMAT)", valueName: "form"))
  var reasoningFormat: String?

  @Option(
    help: ArgumentHelp(
      "How embeddings are made of tokens where a request does not say: mean, last, cls. (default: mean; environment: "
        + "POWERINFER_POOLING)", valueName: "way"))
  var pooling: String?

  /// - Throws: `EnvironmentError`, `OptionError`, what reading the file of keys throws.
  func resolve(_ environment: Environment, _ settings: inout ServerSettings) throws {
    if let host = try environment.value(host, or: "HOST") { settings.options.host = host }
    if let port = try environment.value(port, or: "PORT") {
      try OptionError.require(port, in: 0...65535, "port")
      settings.options.port = port
    }
    settings.options.apiKeys = apiKey.isEmpty ? Self.list(environment["POWERINFER_API_KEY"]) : apiKey
    if let path = try environment.value(apiKeyFile, or: "API_KEY_FILE") {
      let lines = try InputFile.text(path).split(whereSeparator: \.isNewline).map {
        $0.trimmingCharacters(in: .whitespaces)
      }
      settings.options.apiKeys += lines.filter { !$0.isEmpty && !$0.hasPrefix("#") }
      // A file without a key must not open the door.
      guard !settings.options.apiKeys.isEmpty else {
        throw OptionError.malformed(option: "api-key-file", expected: "a file with a key on a line", found: path)
      }
    }
    settings.options.allowedOrigins = Self.list(try environment.value(corsOrigins, or: "CORS_ORIGINS"))
    settings.options.allowedHosts = Self.list(try environment.value(allowedHosts, or: "ALLOWED_HOSTS"))
    settings.options.certificatePath = try environment.value(tlsCert, or: "TLS_CERT")
    settings.options.keyPath = try environment.value(tlsKey, or: "TLS_KEY")
    if (settings.options.certificatePath == nil) != (settings.options.keyPath == nil) {
      let (has, needs) = settings.options.keyPath == nil ? ("tls-cert", "--tls-key") : ("tls-key", "--tls-cert")
      throw OptionError.malformed(option: has, expected: "a file with \(needs) beside it", found: "it alone")
    }
    if let text = try environment.value(logLevel, or: "LOG_LEVEL") {
      guard let level = Logger.Level(rawValue: text) else {
        throw OptionError.malformed(
          option: "log-level", expected: Logger.Level.allCases.map(\.rawValue).joined(separator: ", "), found: text)
      }
      settings.log.level = level
    }
    if let text = try environment.value(logFormat, or: "LOG_FORMAT") {
      guard let format = ServerLog.Format(rawValue: text) else {
        throw OptionError.malformed(option: "log-format", expected: "text or json", found: text)
      }
      settings.log.format = format
    }
    settings.options.logsPrompts = try environment.value(logPrompts ? true : nil, or: "LOG_PROMPTS") ?? false
    if let text = try environment.value(reasoningFormat, or: "REASONING_FORMAT") {
      guard let output = ReasoningOutput(name: text) else {
        throw OptionError.malformed(option: "reasoning-format", expected: "none, auto or deepseek", found: text)
      }
      settings.options.reasoning = output
    }
    if let text = try environment.value(pooling, or: "POOLING") {
      guard let pooling = EmbeddingPooling(rawValue: text) else {
        throw OptionError.malformed(option: "pooling", expected: "mean, last or cls", found: text)
      }
      settings.options.pooling = pooling
    }
  }

  private static func list(_ text: String?) -> [String] {
    (text ?? "").split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
  }
}

import Foundation
import Logging
import PowerInfer
import PowerInferServer
import Yams

/// All options of `powerinfer serve`, after flags, variables and file.
struct ServerSettings {
  var options = ServerOptions()
  var scheduling = SchedulingOptions()
  var model = ModelOptions.Resolved(path: "", contextSize: .automatic)
  /// Whether a model is loaded at the start.
  var hasMainModel = true
  var modelsFolder: String?
  /// Most bytes of a model's key/value cache; nil for the engine's own limit.
  var cacheByteLimit: Int?
  var log = ServerLog()

  /// What a configuration file may set: long names of options.
  static let names = [
    "model", "models-dir", "models-memory", "cache-memory", "idle-unload", "host", "port", "api-key", "api-key-file",
    "cors-origins",
    "allowed-hosts", "tls-cert", "tls-key", "parallel", "queue", "max-body", "max-connections", "timeout",
    "read-timeout",
    "write-timeout", "idle-timeout", "keep-alive", "shutdown-timeout", "predict", "pooling", "log-level", "log-format",
    "threads", "ctx-size", "batch-size", "cache-type-k", "cache-type-v", "sparsity", "sparse-threshold", "bits-margin",
    "deterministic",
    "gpu", "vram-budget", "n-gpu-layers", "temp", "top-k", "top-p", "min-p", "typical", "repeat-penalty",
    "repeat-last-n", "frequency-penalty", "presence-penalty", "seed", "chat-template", "chat-template-file",
  ]

  /// What a client reaches the server by.
  func address(_ port: Int) -> String { address(options.host, port) }

  /// Where a browser on this machine finds the page.
  func pageAddress(_ port: Int) -> String {
    // Addresses that stand for all of the machine's are none to go to.
    let host = ["0.0.0.0": "127.0.0.1", "::": "::1"][options.host] ?? options.host
    return address(host, port) + "/"
  }

  private func address(_ host: String, _ port: Int) -> String {
    let name = host.contains(":") ? "[\(host)]" : host
    return "\(options.certificatePath == nil ? "http" : "https")://\(name):\(port)"
  }

  /// The settings as a configuration file has them, without keys.
  ///
  /// - Throws: `YamlError`.
  func yaml() throws -> String {
    let sampling = options.sampling
    var values: [(String, Node)] = []
    func add(_ name: String, _ value: (some CustomStringConvertible)?) {
      guard let value else { return }
      values.append((name, Node("\(value)")))
    }
    func add(_ name: String, list: [String]) {
      if !list.isEmpty { values.append((name, Node(list.map { Node($0) }))) }
    }
    add("model", hasMainModel ? model.path : nil)
    add("models-dir", modelsFolder)
    add("models-memory", options.modelByteLimit)
    add("cache-memory", cacheByteLimit)
    add("idle-unload", options.idleUnload ?? 0)
    add("host", options.host)
    add("port", options.port)
    add("cors-origins", list: options.allowedOrigins)
    add("allowed-hosts", list: options.allowedHosts)
    add("tls-cert", options.certificatePath)
    add("tls-key", options.keyPath)
    add("parallel", scheduling.parallel)
    add("queue", scheduling.queueLimit)
    add("max-body", options.bodyLimit)
    add("max-connections", options.connectionLimit)
    add("timeout", options.requestTimeout ?? 0)
    add("read-timeout", options.readTimeout)
    add("write-timeout", options.writeTimeout)
    add("idle-timeout", options.idleTimeout)
    add("keep-alive", options.keepAliveInterval)
    add("shutdown-timeout", options.shutdownTimeout)
    add("predict", options.tokenLimit ?? -1)
    add("pooling", options.pooling.rawValue)
    add("log-level", log.level.rawValue)
    add("log-format", log.format.rawValue)
    add("threads", model.threads)
    switch model.contextSize {
    case .automatic: break
    case .full: add("ctx-size", 0)
    case .tokens(let count): add("ctx-size", count)
    }
    add("batch-size", model.batchSize)
    add("chat-template", model.chatTemplate)
    add("cache-type-k", model.cache.keys.rawValue)
    add("cache-type-v", model.cache.values.rawValue)
    add("sparsity", model.sparsity.options.mode.rawValue)
    add("sparse-threshold", model.sparsity.options.predictorThreshold)
    add("bits-margin", model.sparsity.options.bitsMargin)
    add("deterministic", model.isDeterministic)
    add("temp", sampling.temperature)
    add("top-k", sampling.topK)
    add("top-p", sampling.topP)
    add("min-p", sampling.minP)
    add("typical", sampling.typicalP)
    add("repeat-penalty", sampling.repeatPenalty)
    add("repeat-last-n", sampling.repeatLastN)
    add("frequency-penalty", sampling.frequencyPenalty)
    add("presence-penalty", sampling.presencePenalty)
    add("seed", sampling.seed)
    let pairs = values.map { (Node($0.0), $0.1) }
    let keys = options.apiKeys.isEmpty ? "" : "# \(options.apiKeys.count) API keys are set and not shown.\n"
    return keys + (try Yams.serialize(node: Node(pairs)))
  }
}

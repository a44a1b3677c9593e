import Foundation
import Logging
import PowerInfer
import PowerInferGPU
import PowerInferPlatform
import PowerInferServer
import Yams

/// All options of `powerinfer serve`, after flags, variables and file.
struct ServerSettings {
  var options = ServerOptions()
  var scheduling = {
    var options = SchedulingOptions()
    // Text that grows fifty times a second still looks fluent.
    options.deliveryInterval = .milliseconds(20)
    return options
  }()
  var model = ModelOptions.Resolved(path: "", contextSize: .automatic)
  /// Whether a model is loaded at the start.
  var hasMainModel = true
  var modelsFolder: String?
  /// Most bytes of a model's key/value cache; nil for the engine's own limit.
  var cacheByteLimit: Int?
  var log = ServerLog()
  /// As they were given.
  var overrides: [String] = []

  /// What a configuration file may set: long names of options.
  static let names = [
    "model", "models-dir", "models-memory", "cache-memory", "idle-unload", "host", "port", "api-key", "api-key-file",
    "cors-origins",
    "allowed-hosts", "tls-cert", "tls-key", "parallel", "queue", "max-body", "max-connections", "timeout",
    "read-timeout",
    "write-timeout", "idle-timeout", "keep-alive", "shutdown-timeout", "predict", "pooling", "log-level", "log-format",
    "log-prompts", "reasoning-format",
    "threads", "ctx-size", "batch-size", "cache-type-k", "cache-type-v", "sparsity", "sparse-threshold", "bits-margin",
    "deterministic", "bit-margins", "gate-thresholds", "neuron-profile", "predictor-type", "mmap", "override-kv",
    "gpu", "vram-budget", "n-gpu-layers", "reset-gpu-index", "disable-gpu-index", "logit-bias", "ignore-eos", "temp",
    "top-k", "top-p", "min-p", "typical", "repeat-penalty",
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
    add("log-prompts", options.logsPrompts)
    add("reasoning-format", options.reasoning.name)
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
    add("bit-margins", model.sparsity.marginsPath)
    add("gate-thresholds", model.sparsity.thresholdsPath)
    add("neuron-profile", model.sparsity.profilePath)
    add("predictor-type", model.sparsity.options.predictorFormat.rawValue)
    if model.residency != .automatic { add("mmap", model.residency == .mapped) }
    add("override-kv", list: overrides)
    add("gpu", model.gpu)
    switch model.hybrid.budget {
    case .automatic: break
    case .bytes(let bytes): add("vram-budget", "\(bytes)B")
    case .share(let share): add("vram-budget", "\(share * 100)%")
    }
    add("n-gpu-layers", model.hybrid.layers)
    switch model.hybrid.neurons {
    case .automatic: break
    case .byFrequency: add("reset-gpu-index", true)
    case .none: add("disable-gpu-index", true)
    }
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
    add(
      "logit-bias",
      list: sampling.logitBias.sorted { $0.key < $1.key }.map { "\($0.key)\($0.value < 0 ? "" : "+")\($0.value)" })
    add("ignore-eos", options.ignoresEnd)
    let pairs = values.map { (Node($0.0), $0.1) }
    let keys = options.apiKeys.isEmpty ? "" : "# \(options.apiKeys.count) API keys are set and not shown.\n"
    return keys + (try Yams.serialize(node: Node(pairs)))
  }
}

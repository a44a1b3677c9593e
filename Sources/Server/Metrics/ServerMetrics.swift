import CoreMetrics
import PowerInfer
import PowerInferPlatform

/// What the server counts.
final class ServerMetrics: Sendable {
  let factory = PrometheusFactory()

  private let promptTokens: Counter
  private let reusedTokens: Counter
  private let generatedTokens: Counter
  private let queueTime: CoreMetrics.Timer
  private let firstToken: CoreMetrics.Timer
  private let betweenTokens: CoreMetrics.Timer

  init() {
    let factory = factory
    func counter(_ label: String, _ help: String) -> Counter {
      factory.describe(label, help)
      return Counter(label: label, factory: factory)
    }
    func timer(_ label: String, _ help: String) -> CoreMetrics.Timer {
      factory.describe(label, help)
      return CoreMetrics.Timer(label: label, factory: factory)
    }
    promptTokens = counter("powerinfer_prompt_tokens_total", "Tokens of prompts, those from the cache included.")
    reusedTokens = counter("powerinfer_reused_tokens_total", "Tokens of prompts that were in the cache.")
    generatedTokens = counter("powerinfer_generated_tokens_total", "Tokens of answers.")
    queueTime = timer("powerinfer_queue_seconds", "From a request to the first token of its prompt being computed.")
    firstToken = timer("powerinfer_time_to_first_token_seconds", "From a request to the first token of its answer.")
    betweenTokens = timer(
      "powerinfer_inter_token_seconds", "From one token of an answer to the next, mean of each answer.")
    factory.describe("powerinfer_http_requests_total", "Requests, by route, method and status.")
    factory.describe("powerinfer_http_request_seconds", "From a request's head to the end of its reply, by route.")
    factory.describe("powerinfer_answers_total", "Answers, by how they ended.")
    factory.describe("powerinfer_requests_running", "Requests that are computed.")
    factory.describe("powerinfer_requests_waiting", "Requests that wait for their turn.")
    factory.describe("powerinfer_connections", "Open connections.")
    factory.describe("powerinfer_cache_pages", "Pages of the key/value cache in use.")
    factory.describe("powerinfer_cache_pages_limit", "Most pages of the key/value cache.")
    factory.describe("powerinfer_cache_bytes", "Bytes of the key/value cache in use.")
    factory.describe("powerinfer_model_bytes", "Bytes of the model's file.")
    factory.describe(
      "powerinfer_neurons_active_ratio", "Part of the neurons that gave something, while tokens were decoded.")
    factory.describe("powerinfer_neurons_computed_ratio", "Part of the neurons that were computed.")
    factory.describe("process_resident_memory_bytes", "Memory that the process holds.")
  }

  // MARK: Requests

  /// Counts a reply.
  func replied(route: String, method: String, status: Int, seconds: Double) {
    Counter(
      label: "powerinfer_http_requests_total",
      dimensions: [("route", route), ("method", method), ("status", String(status))], factory: factory
    ).increment()
    CoreMetrics.Timer(
      label: "powerinfer_http_request_seconds", dimensions: [("route", route)], factory: factory
    ).recordSeconds(seconds)
  }

  /// Counts a request that the engine did not take.
  func refused(_ error: any Error) { if case GenerationError.queueFull = error { ended("refused") } }

  fileprivate func ended(_ reason: String) {
    Counter(label: "powerinfer_answers_total", dimensions: [("reason", reason)], factory: factory).increment()
  }

  /// Follows one answer.
  func meter() -> Meter { Meter(metrics: self) }

  struct Meter: Sendable {
    fileprivate let metrics: ServerMetrics
    private var hasEnded = false

    fileprivate init(metrics: ServerMetrics) { self.metrics = metrics }

    mutating func note(_ event: GenerationEvent) {
      guard case .finished(let result) = event else { return }
      hasEnded = true
      let statistics = result.statistics
      metrics.promptTokens.increment(by: statistics.promptTokens)
      metrics.reusedTokens.increment(by: statistics.reusedTokens)
      metrics.generatedTokens.increment(by: statistics.generatedTokens)
      metrics.queueTime.recordSeconds(statistics.queueTime)
      if let time = statistics.timeToFirstToken { metrics.firstToken.recordSeconds(time) }
      if let rate = statistics.decodeTokensPerSecond { metrics.betweenTokens.recordSeconds(1 / rate) }
      metrics.ended(result.finishReason.rawValue)
    }

    mutating func failed() {
      guard !hasEnded else { return }
      hasEnded = true
      metrics.ended("failed")
    }
  }

  // MARK: What is now

  /// Everything, with what the models and connections are like at the moment.
  func text(models: [ServedModel], connections: Int) -> String {
    func set(_ label: String, _ value: Double, _ dimensions: [(String, String)] = []) {
      CoreMetrics.Meter(label: label, dimensions: dimensions, factory: factory).set(value)
    }
    set("powerinfer_connections", Double(connections))
    if let bytes = Memory.resident { set("process_resident_memory_bytes", Double(bytes)) }
    for model in models {
      let labels = [("model", model.name)]
      let (load, cache, sparsity) = (model.engine.load, model.engine.cacheUse, model.engine.sparsityReport)
      set("powerinfer_requests_running", Double(load.running), labels)
      set("powerinfer_requests_waiting", Double(load.waiting), labels)
      set("powerinfer_cache_pages", Double(cache.pages), labels)
      set("powerinfer_cache_pages_limit", Double(cache.pageLimit), labels)
      set("powerinfer_cache_bytes", Double(cache.pages) * Double(cache.pageBytes), labels)
      set("powerinfer_model_bytes", Double(model.byteCount), labels)
      if let active = sparsity.active { set("powerinfer_neurons_active_ratio", active, labels) }
      if let computed = sparsity.computed { set("powerinfer_neurons_computed_ratio", computed, labels) }
    }
    return factory.text
  }
}

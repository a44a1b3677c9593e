import PowerInferModel
public import PowerInferSparsity

/// Which neurons an engine computed for the tokens that it decoded one by one, and why these.
///
/// Layers that compute all neurons count nothing, so that shares are those of the others.
public struct SparsityReport: Sendable, Equatable, Encodable {
  /// One layer.
  public struct Layer: Sendable, Equatable, Encodable {
    /// What it decodes with now.
    public var source: SparsityMode
    /// Tokens that were decoded with a list of neurons.
    public var tokens: Int
    /// Part of its neurons that were on the list, 0...1; nil where there was none.
    public var computed: Double?
    /// Part of its neurons that were on the list and gave something, 0...1.
    public var active: Double?
    /// Part of the listed neurons that gave something, 0...1.
    public var hitRate: Double? { computed.flatMap { computed in active.map { computed > 0 ? $0 / computed : 1 } } }
    /// Of the feed-forward, in an engine that is profiled.
    public var microsecondsPerToken: Double?
    /// Median microseconds per token of each source that was tried, where several were.
    public var tried: [String: Double]

    enum CodingKeys: String, CodingKey {
      case source, tokens, computed, active, tried
      case microsecondsPerToken = "us_per_token"
    }

    /// What is known of a layer.
    public init(
      source: SparsityMode, tokens: Int, computed: Double?, active: Double?, microsecondsPerToken: Double? = nil,
      tried: [String: Double] = [:]
    ) {
      self.source = source
      self.tokens = tokens
      self.computed = computed
      self.active = active
      self.microsecondsPerToken = microsecondsPerToken
      self.tried = tried
    }
  }

  /// What was asked for.
  public var mode: SparsityMode
  public var layers: [Layer]
  /// What was chosen and why, one sentence; nil where a source was asked for by name.
  public var choice: String?

  /// A report of these layers.
  public init(mode: SparsityMode, layers: [Layer], choice: String? = nil) {
    self.mode = mode
    self.layers = layers
    self.choice = choice
  }

  /// Part of all neurons that were listed, 0...1; nil where no list was made.
  public var computed: Double? { mean(\.computed) }
  /// Part of all neurons that gave something, 0...1.
  public var active: Double? { mean(\.active) }
  /// Part of the listed neurons that gave something, 0...1.
  public var hitRate: Double? { computed.flatMap { computed in active.map { computed > 0 ? $0 / computed : 1 } } }

  private func mean(_ share: (Layer) -> Double?) -> Double? {
    let (sum, tokens) = layers.reduce(into: (0.0, 0)) { sums, layer in
      guard let share = share(layer) else { return }
      sums.0 += share * Double(layer.tokens)
      sums.1 += layer.tokens
    }
    return tokens > 0 ? sum / Double(tokens) : nil
  }
}

extension Engine {
  /// Which neurons were computed since the engine was made, or since ``resetMeasurements()``.
  public var sparsityReport: SparsityReport {
    SparsityReport(statistics, neurons: model.configuration.feedForwardSize)
  }
}

extension SparsityReport {
  /// - Parameter neurons: of each layer.
  init(_ statistics: ExecutorStatistics, neurons: Int) {
    let layers = statistics.layers.map { layer in
      func share(_ count: Int) -> Double? {
        layer.tokens > 0 ? Double(count) / Double(layer.tokens) / Double(neurons) : nil
      }
      return Layer(
        source: layer.source.mode, tokens: layer.tokens, computed: share(layer.computed), active: share(layer.fired),
        microsecondsPerToken: layer.microsecondsPerToken,
        tried: Dictionary(layer.tried.map { ($0.key.rawValue, $0.value) }, uniquingKeysWith: min))
    }
    self.init(mode: statistics.mode, layers: layers, choice: Self.choice(statistics, layers))
  }

  private static func choice(_ statistics: ExecutorStatistics, _ layers: [Layer]) -> String? {
    guard let reason = statistics.reason else { return nil }
    if statistics.mode == .bits { return reason.prefix(1).uppercased() + reason.dropFirst() + "." }
    guard statistics.mode == .auto else { return nil }
    let tried = layers.filter { $0.tried.count > 1 }
    guard let sample = tried.first else {
      return statistics.isDeciding
        ? "Sources take turns until each has been measured; the answer was too short for that."
        : "Computing all neurons: \(reason)."
    }
    let parts = sample.tried.keys.sorted().map { name in
      let count = layers.count { $0.source.rawValue == name }
      let mean = tried.reduce(0) { $0 + ($1.tried[name] ?? 0) } / Double(tried.count)
      return "\(name) in \(count) (mean \(Int(mean.rounded())) µs per layer)"
    }
    return "Of \(layers.count) layers, \(parts.joined(separator: ", ")): \(reason)."
  }
}

import PowerInferModel

/// Where the time of a phase's passes went, per token.
public struct ProfileReport: Sendable, Equatable, Encodable {
  /// A stage, or what is outside of all stages.
  public struct Row: Sendable, Equatable, Encodable {
    /// As a table shows it.
    public var stage: String
    /// The mean of all threads.
    public var microsecondsPerToken: Double
    /// Part of the whole time, 0...1.
    public var share: Double
    /// 10⁹ bytes per second of weights, or of keys and values, that all threads together read while in the stage; nil
    /// where it reads neither, and for prompts, where a kernel decides how often it reads a weight.
    public var gigabytesPerSecond: Double?
    /// 10⁹ floating-point operations per second; nil where the stage multiplies no matrix.
    public var gigaflopsPerSecond: Double?

    enum CodingKeys: String, CodingKey {
      case stage
      case microsecondsPerToken = "us_per_token"
      case share
      case gigabytesPerSecond = "gb_per_s"
      case gigaflopsPerSecond = "gflop_per_s"
    }
  }

  public var phase: String
  public var threads: Int
  public var tokens: Int
  /// From before each pass to after it.
  public var microsecondsPerToken: Double
  /// The stages in the order of a pass, waiting, and last what no stage covers: the start and end of the team's work.
  public var rows: [Row]

  enum CodingKeys: String, CodingKey {
    case phase, threads, tokens, rows
    case microsecondsPerToken = "us_per_token"
  }
}

extension ProfileReport {
  /// Nil where no token of this phase has been computed.
  ///
  /// - Parameter read: what the feed-forward of a decoded token reads; nil where it reads all weights.
  init?(
    _ times: StageTimes, _ phase: Batch.Phase, model: LanguageModel, cacheBytesPerPosition: Int,
    read: ExecutorStatistics.ReadBytes? = nil
  ) {
    guard let measured = times.phases.first(where: { $0.phase == phase }), measured.work.tokens > 0 else { return nil }
    let work = measured.work
    let (tokens, wall) = (Double(work.tokens), Double(work.nanoseconds))
    func row(
      _ title: String, _ nanoseconds: Double, bytes: Double? = nil, products: Int? = nil
    ) -> Row {
      // Bytes per nanosecond are 10⁹ bytes per second.
      func rate(_ amount: Double?) -> Double? {
        guard let amount, amount > 0, nanoseconds > 0 else { return nil }
        return amount / nanoseconds
      }
      return Row(
        stage: title, microsecondsPerToken: nanoseconds / tokens / 1000, share: wall > 0 ? nanoseconds / wall : 0,
        gigabytesPerSecond: phase == .decode ? rate(bytes) : nil,
        gigaflopsPerSecond: rate(products.map { Double(2 * $0) }))
    }
    var rows = Stage.allCases.map { stage in
      let times = stage == .logits ? work.logits : work.tokens
      let use = stage.weights.map(model.weights.use)
      let products = stage.weights.map {
        model.weights.products(
          $0, tokens: work.tokens, logits: work.logits,
          hasParallelBlocks: model.configuration.architecture.hasParallelBlocks)
      }
      let all = use.map { Double($0.bytes) }
      let perToken: Double? =
        switch stage {
        case .predictor: read?.predictor
        case .leadingBits: read?.leadingBits
        case .gateUp: read?.gateUp ?? all
        case .down: read?.down ?? all
        default: all
        }
      let bytes =
        stage == .attention
        ? Double(work.positions * cacheBytesPerPosition) : perToken.map { $0 * Double(times) }
      return row(
        stage.title, measured.nanoseconds(stage), bytes: bytes, products: products)
    }
    let inside = Stage.allCases.reduce(0) { $0 + measured.nanoseconds($1) }
    rows.append(row("outside", max(wall - inside, 0)))
    self.init(
      phase: phase == .prompt ? "prompt" : "decode", threads: times.threads, tokens: work.tokens,
      microsecondsPerToken: wall / tokens / 1000, rows: rows)
  }
}

/// Where the time of passes went, prompts and decoding apart.
public struct StageTimes: Sendable, Equatable {
  /// What the passes of a phase worked on.
  public struct Work: Sendable, Equatable {
    public var passes = 0
    /// Rows, all passes together.
    public var tokens = 0
    /// Positions of the cache that attention looked at, over all rows.
    public var positions = 0
    /// Rows whose logits were asked for.
    public var logits = 0
    /// From before each pass to after it.
    public var nanoseconds: UInt64 = 0

    public init(passes: Int = 0, tokens: Int = 0, positions: Int = 0, logits: Int = 0, nanoseconds: UInt64 = 0) {
      (self.passes, self.tokens, self.positions, self.logits) = (passes, tokens, positions, logits)
      self.nanoseconds = nanoseconds
    }

    mutating func add(_ part: Work, nanoseconds time: UInt64) {
      passes += part.passes
      tokens += part.tokens
      positions += part.positions
      logits += part.logits
      nanoseconds += time
    }
  }

  /// The passes of a phase. One with rows of both phases counts as a prompt's.
  public struct Phase: Sendable, Equatable {
    public var phase: Batch.Phase
    public var work: Work
    /// Nanoseconds in each of ``Stage``'s cases, the mean of all threads.
    var nanoseconds: [Double]

    /// Nanoseconds in a stage, the mean of all threads.
    public func nanoseconds(_ stage: Stage) -> Double { nanoseconds[stage.rawValue] }
  }

  /// Threads that computed.
  public var threads: Int
  public var phases: [Phase]
}

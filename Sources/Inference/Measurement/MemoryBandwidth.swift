public import PowerInferKernels
import PowerInferPlatform
import Synchronization

/// How fast a team of threads gets through memory: the ceiling of decoding, which reads every weight for every token.
public struct MemoryBandwidth: Sendable, Equatable {
  /// What a pass over the buffer does.
  public enum Kind: String, Sendable, Codable, CaseIterable {
    /// Adds up every word.
    case read
    /// Copies one half onto the other, by the C library's own function.
    case copy
    /// y = a + 3 · b over thirds of the buffer, as STREAM does.
    case triad
  }

  /// What a pass did.
  public let kind: Kind
  /// Threads that worked, each on memory that it touched first.
  public let threads: Int
  /// Bytes of the whole buffer.
  public let bufferBytes: Int
  /// Bytes per second of each pass. Bytes are those that the loop reads and writes, as STREAM counts them: a line that the
  /// processor reads before it writes it is not counted twice.
  public let passes: [Double]

  /// Bytes per second of the fastest pass.
  public var best: Double { passes.max() ?? 0 }

  /// Bytes per second of the pass in the middle; the mean of the middle two where their number is even.
  public var median: Double {
    let sorted = passes.sorted()
    guard let upper = sorted.dropFirst(sorted.count / 2).first else { return 0 }
    return sorted.count % 2 == 1 ? upper : (sorted[sorted.count / 2 - 1] + upper) / 2
  }
}

extension MemoryBandwidth {
  /// Bytes of a buffer that caches hold next to nothing of: four times the last level, 256 MiB at least.
  public static var sufficientBytes: Int { max(256 << 20, 4 * (Processors.lastLevelCacheBytes ?? 0)) }

  /// Measures with this team, whose other work must rest meanwhile.
  ///
  /// - Parameters:
  ///   - kind: what a pass does.
  ///   - team: the threads.
  ///   - bytes: of the buffer, rounded up to whole pages for every thread.
  ///   - seconds: passes begin until so much time has gone, three at least.
  ///   - kernels: the loops.
  ///   - now: a clock in seconds.
  /// - Throws: ``MemoryBandwidthError``.
  public static func measure(
    _ kind: Kind, on team: ThreadTeam, bytes: Int = sufficientBytes, seconds: Double = 0.25,
    kernels: Kernels = .active, now: @Sendable () -> Double = Generator.monotonicSeconds
  ) throws -> MemoryBandwidth {
    let buffer = try Buffer(bytes: bytes, parts: team.count)
    let sums = UnsafeMutableBufferPointer<UInt64>.allocate(capacity: team.count)
    defer { sums.deallocate() }
    let isDone = Atomic(false)
    let times = Mutex<[Double]>([])
    // Every member touches its own part, and its own sum.
    let shared = Unguarded((buffer: buffer, sums: sums))
    team.run { member in
      let (buffer, sums) = shared.value
      buffer.fill(part: member.index)
      let begin = now()
      while !isDone.load(ordering: .relaxed) {
        // Before the barrier that lets all begin.
        let start = now()
        member.sync()
        sums[member.index] = buffer.pass(kind, part: member.index, kernels)
        member.sync()
        if member.index == 0 {
          let end = now()
          let passes = times.withLock { times in
            times.append(end - start)
            return times.count
          }
          isDone.store(passes >= 4 && end - begin >= seconds, ordering: .relaxed)
        }
        member.sync()
      }
    }
    let expected = buffer.expected(kind)
    let found = sums.reduce(0, &+)
    guard found == expected else { throw MemoryBandwidthError.wrongResult(expected: expected, found: found) }
    let moved = Double(buffer.byteCount)
    // The first pass waits for the members that still fill their pages.
    let passes = times.withLock { $0.dropFirst() }
    return MemoryBandwidth(
      kind: kind, threads: team.count, bufferBytes: buffer.byteCount, passes: passes.map { $0 > 0 ? moved / $0 : 0 })
  }
}

/// Why the memory cannot be measured.
public enum MemoryBandwidthError: Error, Equatable, CustomStringConvertible {
  case notEnoughMemory(bytes: Int, limit: Int)
  case wrongResult(expected: UInt64, found: UInt64)

  public var description: String {
    switch self {
    case .notEnoughMemory(let bytes, let limit):
      "Measuring the memory takes a buffer of \(bytes) bytes, expected at most half of the \(limit) bytes of memory here."
    case .wrongResult(let expected, let found):
      "The words read from memory add up to \(found), expected \(expected)."
    }
  }
}

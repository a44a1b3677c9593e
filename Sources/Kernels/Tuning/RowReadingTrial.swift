/// Finds out how this machine reads rows fastest: all candidates take turns at the same weights, on all threads.
public struct RowReadingTrial: Sendable {
  /// What came out for one kind of row.
  public struct Result: Sendable {
    public let kind: RowKind
    /// Median bytes per second of every candidate; the first is the kernels' default.
    public let speeds: [(reading: RowReading, bytesPerSecond: Double)]
    /// The fastest; the first unless another is faster by ``leastGain``.
    public let chosen: RowReading
  }

  /// Weights that take fewer bytes than this stay in the cache, where prefetching gains nothing.
  public static let leastBytes = 16 << 20
  /// Rows of one kind that take less are read too fast for any way to matter.
  public static let leastOfKind = 2 << 20
  /// How much faster than the default a candidate must be: less is noise.
  public static let leastGain = 1.03
  /// Bytes that a candidate reads in each turn, and the number of turns.
  private static let turnBytes = 12 << 20, turns = 5
  /// For a kind so small that a turn would find in the cache what the one before has read: how many bytes of other weights are read in
  /// between, if there are so many; the number of turns; and how much faster a candidate must be, as so short a turn measures less well.
  private static let displacingBytes = 32 << 20, displacingTurns = 4, displacingGain = 1.08

  private let kernels: Kernels
  private let groups: [(kind: RowKind, matrices: [Matrix])]
  private let all: [Matrix]

  /// - Parameters:
  ///   - matrices: a model's, in the order in which they are read; they must outlive the trial.
  ///   - kernels: whose products are tried.
  public init(_ matrices: [Matrix], kernels: Kernels) {
    self.kernels = kernels
    var kinds: [RowKind] = []
    var found: [RowKind: [Matrix]] = [:]
    for matrix in matrices {
      guard let kind = RowKind(matrix) else { continue }
      if found[kind] == nil { kinds.append(kind) }
      found[kind, default: []].append(matrix)
    }
    all = kinds.flatMap { found[$0] ?? [] }
    let isLarge = Self.bytes(all) >= Self.leastBytes
    groups = kinds.compactMap { kind in
      let matrices = found[kind] ?? []
      return isLarge && Self.bytes(matrices) >= Self.leastOfKind ? (kind, matrices) : nil
    }
  }

  private static func bytes(_ matrices: [Matrix]) -> Int { matrices.reduce(0) { $0 + $1.rows * $1.rowBytes } }

  /// The kinds of rows that are worth a trial.
  public var kinds: [RowKind] { groups.map(\.kind) }

  /// Tries one kind of row.
  ///
  /// - Returns: nil for a kind that is not among ``kinds``, and for kernels without a choice.
  public func run(_ kind: RowKind, on team: ThreadTeam) -> Result? {
    // In stripes 16 rows are read together, whatever is said.
    let candidates = RowReading.candidates(for: kernels.instructionSet).filter { !kind.isStriped || $0.tile == 4 }
    guard let matrices = groups.first(where: { $0.kind == kind })?.matrices, let own = candidates.first else {
      return nil
    }
    let scratch = TrialScratch(matrices, kernels: kernels)
    let size = Self.bytes(matrices)
    let others = size < 2 * Self.turnBytes ? all.filter { RowKind($0) != kind } : []
    let turnBytes = min(Self.turnBytes, size)
    var times = [[Double]](repeating: [], count: candidates.count)
    var next = 0
    // The first turn touches weights for the first time.
    for turn in 0...(others.isEmpty ? Self.turns : Self.displacingTurns) {
      for (index, candidate) in candidates.enumerated() {
        var kernels = kernels
        kernels.readings[kind] = candidate
        read(Self.displacingBytes, of: others, on: team)
        var bytes = 0
        let start = ContinuousClock.now
        while bytes < turnBytes {
          let matrix = matrices[next]
          next = (next + 1) % matrices.count
          // Huge ones are read in part.
          let rows = min(matrix.rows, max(1, turnBytes / max(matrix.rowBytes, 1)))
          bytes += rows * matrix.rowBytes
          scratch.multiply(matrix, rows: rows, kernels: kernels, team: team)
        }
        let time = ContinuousClock.now - start
        if turn > 0 { times[index].append(time / .seconds(1) / Double(bytes)) }
      }
    }
    let speeds = zip(candidates, times).map { ($0, 1 / $1.sorted()[$1.count / 2]) }
    let best = speeds.max { $0.1 < $1.1 } ?? (own, 0)
    return Result(
      kind: kind, speeds: speeds.map { (reading: $0.0, bytesPerSecond: $0.1) },
      chosen: best.1 >= speeds[0].1 * (others.isEmpty ? Self.leastGain : Self.displacingGain) ? best.0 : own)
  }
}

extension RowReadingTrial {
  /// Reads so many bytes of some matrices, so that the caches hold these.
  private func read(_ bytes: Int, of matrices: [Matrix], on team: ThreadTeam) {
    var left = bytes
    for matrix in matrices where left > 0 {
      let lines = min(left, matrix.rows * matrix.rowBytes) / 64
      left -= lines * 64
      team.run { member in
        let own = member.share(of: lines)
        _ = kernels.sumLines(matrix.data + own.lowerBound * 64, count: own.count)
      }
    }
  }
}

/// A token for every width, and room for the products.
private final class TrialScratch {
  private var tokens: [Int: Activations] = [:]
  private let output: UnsafeMutablePointer<Float>

  init(_ matrices: [Matrix], kernels: Kernels) {
    for matrix in matrices where tokens[matrix.columns] == nil {
      let token = Activations(columns: matrix.columns, capacity: 1)
      for index in 0..<matrix.columns { token.values[index] = Float(index % 7) - 3 }
      token.quantize(tokens: 0..<1, using: kernels)
      tokens[matrix.columns] = token
    }
    output = .allocate(capacity: max(1, matrices.map(\.rows).max() ?? 1))
  }

  deinit { output.deallocate() }

  func multiply(_ matrix: Matrix, rows: Int, kernels: Kernels, team: ThreadTeam) {
    guard let token = tokens[matrix.columns] else { return }
    // Every member writes products of its own rows.
    let shared = Unguarded((token: token, output: output))
    team.run { member in
      kernels.multiply(
        matrix, rows: member.share(of: rows, multiple: 32), by: shared.value.token, tokens: 0..<1,
        into: shared.value.output,
        stride: matrix.rows)
    }
  }
}

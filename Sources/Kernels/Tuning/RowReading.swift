import CPowerInferKernels

/// How a product of one token reads consecutive rows. It affects speed, never a result.
public struct RowReading: Sendable, Hashable, Codable {
  /// Rows that are read together: 1 or 4.
  public let tile: Int
  /// How many bytes ahead of its use a weight is prefetched; 0 leaves that to the processor, but for the scales of stripes.
  public let ahead: Int
  /// Which of a core's caches it is prefetched into: 1 or 2.
  public let cache: Int

  /// - Parameters:
  ///   - tile: 1 or 4.
  ///   - ahead: at most a megabyte; rounded down to whole lines of 64 bytes.
  ///   - cache: 1 or 2.
  public init(tile: Int, ahead: Int, cache: Int = 1) {
    self.tile = tile == 1 ? 1 : 4
    self.ahead = min(max(ahead, 0), 1 << 20) / 64 * 64
    self.cache = cache == 2 && self.ahead > 0 ? 2 : 1
  }

  private enum CodingKeys: CodingKey { case tile, ahead, cache }

  /// Whatever numbers a file has, they are brought into range.
  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      tile: try values.decode(Int.self, forKey: .tile), ahead: try values.decode(Int.self, forKey: .ahead),
      cache: try values.decode(Int.self, forKey: .cache))
  }

  /// What is worth trying with an instruction set. The first is what its kernels do by default.
  public static func candidates(for set: InstructionSet) -> [RowReading] {
    let own: RowReading
    switch set {
    case .avx512, .amx: own = RowReading(tile: 4, ahead: 16384)
    case .avx2, .avxvnni, .neon: own = RowReading(tile: 4, ahead: 6144)
    case .portable: return []
    }
    // The first cache holds little, and few lines can be on their way into it; the second is further from the processor.
    let ways = [(0, 1), (2048, 1), (4096, 1), (8192, 1), (16384, 1), (12288, 2), (20480, 2)]
    return [own]
      + [4, 1].flatMap { tile in ways.map { RowReading(tile: tile, ahead: $0.0, cache: $0.1) } }.filter { $0 != own }
  }
}

/// Rows that are read in the same way: of one format, and about as long.
public struct RowKind: Sendable, Hashable, Codable {
  /// Below 1 KiB, below 4 KiB, and longer.
  public enum Length: Int, Sendable, Codable, CaseIterable {
    case short, medium, long
  }

  public let format: WeightFormat
  public let length: Length
  /// Whether they lie in ``RowLayout/stripes``.
  public let isStriped: Bool

  /// - Returns: nil for formats of plain floats, which have one way of reading.
  public init?(_ matrix: Matrix) {
    guard matrix.format.usesQuantizedActivations else { return nil }
    format = matrix.format
    isStriped = matrix.layout == .stripes
    let bytes = matrix.format.rowBytes(columns: matrix.columns)
    length = bytes < 1024 ? .short : bytes < 4096 ? .medium : .long
  }

  /// A place in ``RowReadings``; nil for a format without one.
  var slot: Int? {
    let first: Int
    switch format {
    case .q4_0: first = 0
    case .q4_1: first = 3
    case .q5_0: first = 6
    case .q5_1: first = 9
    case .q8_0: first = 12
    case .q4_K: first = 15
    case .q5_K: first = 18
    case .q6_K: first = 21
    case .f32, .f16, .bf16: return nil
    }
    return (isStriped ? 24 : 0) + first + length.rawValue
  }
}

extension WeightFormat: Codable {}

/// How each kind of row is read.
public struct RowReadings: Sendable, Equatable {
  // Lines ahead and, in the lowest bits, whether rows are read one by one and whether the second cache is meant; all bits set for
  // the kernels' default. A vector, because every product looks it up.
  private var slots = SIMD64<UInt32>(repeating: .max)

  /// The kernels' default for all.
  public init() {}

  public subscript(kind: RowKind) -> RowReading? {
    get {
      guard let slot = kind.slot, slots[slot] != .max else { return nil }
      return RowReading(
        tile: slots[slot] & 1 == 1 ? 1 : 4, ahead: Int(slots[slot] >> 2) * 64, cache: slots[slot] & 2 == 2 ? 2 : 1)
    }
    set {
      guard let slot = kind.slot else { return }
      slots[slot] =
        newValue.map { UInt32($0.ahead / 64) << 2 | ($0.cache == 2 ? 2 : 0) | ($0.tile == 1 ? 1 : 0) } ?? .max
    }
  }

  /// Tells the kernels how to read a matrix.
  func apply(to view: inout pi_matrix, of matrix: Matrix) {
    guard let slot = RowKind(matrix)?.slot, slots[slot] != .max else { return }
    let lines = Int(slots[slot] >> 2)
    view.tile = slots[slot] & 1 == 1 ? 1 : 4
    view.ahead = lines == 0 ? Int(PI_NOT_AHEAD) : lines * 64
    view.cache = slots[slot] & 2 == 2 ? 2 : 1
  }
}

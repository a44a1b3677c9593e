/// How weights lie on a device: what a file stores block by block is taken apart, so that a thread loads 16 bytes at a time and
/// neighbours load neighbours.
///
/// A matrix, or a part of it of whole rows, is `codes`, 16 bytes a unit, row after row, and `rest`, of the same rows:
///
/// | format | elements of a unit | rest |
/// |---|---|---|
/// | F32, F16 | 4, 8; the last unit of a row ends in zeros | nothing |
/// | Q4_0 | 32 | half scale of every block |
/// | Q4_1 | 32 | half scale and half minimum of every block |
/// | Q5_0 | 32 | fifth bits of every block, then half scale of every block |
/// | Q8_0 | 16 | half scale of every block |
/// | Q4_K | 32 | 16 bytes of every 256 elements: both half scales; low nibbles of the eight scales; of the minima; high pairs of both |
/// | Q6_K | 32 | two words of high bits of every 32 elements, then two signed scales of them, then half scale of every 256 |
///
/// Codes of four to six bits have their low nibbles in `codes`: in byte i of a unit element i, and 16 + i in the high nibble. Bit
/// 8k + i of the fifth bits belongs to element 4i + k; bits 8k + 2i of the first word of high bits to element 4i + k, of the second to
/// element 16 + 4i + k.
public struct WeightLayout: Sendable, Equatable {
  /// Formats that there are kernels for; raw values are the type numbers of the GGUF format.
  public enum Format: UInt32, Sendable, CaseIterable {
    case f32 = 0
    case f16 = 1
    case q4_0 = 2
    case q4_1 = 3
    case q5_0 = 6
    case q8_0 = 8
    case q4_K = 12
    case q6_K = 14

    /// Elements that share a block in a file; rows are whole blocks.
    public var blockElements: Int {
      switch self {
      case .f32, .f16: 1
      case .q4_0, .q4_1, .q5_0, .q8_0: 32
      case .q4_K, .q6_K: 256
      }
    }

    /// Bytes of a block in a file.
    public var blockBytes: Int {
      switch self {
      case .f32: 4
      case .f16: 2
      case .q4_0: 18
      case .q4_1: 20
      case .q5_0: 22
      case .q8_0: 34
      case .q4_K: 144
      case .q6_K: 210
      }
    }

    /// Elements that a thread loads at once.
    public var unitElements: Int {
      switch self {
      case .f32: 4
      case .f16: 8
      case .q8_0: 16
      case .q4_0, .q4_1, .q5_0, .q4_K, .q6_K: 32
      }
    }

    /// Whether products read activations in 8 bits; otherwise their floats.
    public var usesEightBitActivations: Bool { blockElements > 1 }
  }

  /// A run of bytes of `codes` or `rest` that holds the same kind of thing of every row.
  public struct Plane: Sendable, Equatable {
    public enum Content: Sendable, Equatable { case codes, highs, scales, superScales }
    public var content: Content
    /// From the start of `codes`, or of `rest`.
    public var offset: Int
    public var bytesPerRow: Int
    public var isRest: Bool { content != .codes }
  }

  public let format: Format
  public let rows: Int
  public let columns: Int

  /// - Parameters:
  ///   - format: as the file stores it.
  ///   - rows: at least one.
  ///   - columns: whole blocks.
  public init(format: Format, rows: Int, columns: Int) {
    precondition(columns % format.blockElements == 0 && rows > 0 && columns > 0, "a row holds whole blocks")
    (self.format, self.rows, self.columns) = (format, rows, columns)
  }

  /// Units of a row.
  public var units: Int { (columns + format.unitElements - 1) / format.unitElements }

  /// Bytes of a row in a file.
  public var fileRowBytes: Int { columns / format.blockElements * format.blockBytes }

  /// In the order in which they follow one another in `codes` and `rest`.
  public var planes: [Plane] {
    let blocks = columns / 32
    let codes = Plane(content: .codes, offset: 0, bytesPerRow: units * 16)
    func rest(_ planes: (Plane.Content, Int)...) -> [Plane] {
      var result = [codes]
      var offset = 0
      for (content, bytes) in planes {
        result.append(Plane(content: content, offset: offset, bytesPerRow: bytes))
        offset += rows * bytes
      }
      return result
    }
    switch format {
    case .f32, .f16: return [codes]
    case .q4_0, .q8_0: return rest((.scales, 2 * blocks))
    case .q4_1: return rest((.scales, 4 * blocks))
    case .q5_0: return rest((.highs, 4 * blocks), (.scales, 2 * blocks))
    case .q4_K: return rest((.scales, 2 * blocks))
    case .q6_K: return rest((.highs, 8 * blocks), (.scales, 2 * blocks), (.superScales, blocks / 4))
    }
  }

  /// Bytes of `codes`.
  public var codesByteCount: Int { rows * units * 16 }

  /// Bytes of `rest`, a multiple of 16; 0 where there is none. A kernel's binding then takes anything, the codes for instance.
  public var restByteCount: Int {
    guard let last = planes.last, last.isRest else { return 0 }
    return (last.offset + rows * last.bytesPerRow + 15) / 16 * 16
  }

  /// The most rows of a matrix that lie in one binding of so many bytes.
  public static func rows(format: Format, columns: Int, fitting bytes: Int) -> Int {
    bytes / WeightLayout(format: format, rows: 1, columns: columns).planes[0].bytesPerRow
  }
}

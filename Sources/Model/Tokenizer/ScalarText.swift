/// A text as the pre-tokenizers see it: characters with their class, and where each begins in the bytes.
struct ScalarText {
  /// What a character counts as in the pre-tokenizers' patterns. Every character has exactly one.
  struct Class: OptionSet {
    var rawValue: UInt8
    /// `\p{L}`
    static let letter = Class(rawValue: 1)
    /// `\p{N}`
    static let number = Class(rawValue: 2)
    /// `\p{M}`
    static let mark = Class(rawValue: 4)
    /// `\p{P}`
    static let punctuation = Class(rawValue: 8)
    /// `\p{S}`
    static let symbol = Class(rawValue: 16)
    /// `\s`, the property White_Space
    static let space = Class(rawValue: 32)
    /// Controls, formats, private use, unassigned.
    static let other = Class(rawValue: 64)
  }

  /// What else is known of a letter or a number.
  enum Detail: UInt32 {
    case none = 0
    /// `\p{Lu}` and `\p{Lt}`
    case uppercase
    /// `\p{Ll}`
    case lowercase
    /// `\p{Nd}`
    case decimal
  }

  /// The character's value in the low 21 bits, its detail in the next 3, its class in the high 8.
  private var packed: [UInt32] = []
  /// Byte offset of each character, and of the end.
  private var offsets: [Int32] = [0]

  var count: Int { packed.count }

  @inline(__always)
  func scalar(_ index: Int) -> UInt32 { packed[index] & 0x1f_ffff }

  @inline(__always)
  func detail(_ index: Int) -> Detail { Detail(rawValue: packed[index] >> 21 & 7) ?? .none }

  @inline(__always)
  func isLineBreak(_ index: Int) -> Bool { scalar(index) == 0x0a || scalar(index) == 0x0d }

  @inline(__always)
  func `class`(_ index: Int) -> Class { Class(rawValue: UInt8(truncatingIfNeeded: packed[index] >> 24)) }

  func bytes(of range: Range<Int>) -> Range<Int> {
    Int(offsets[range.lowerBound])..<Int(offsets[range.upperBound])
  }

  /// Reads valid UTF-8, replacing what was held before.
  mutating func read(_ text: UnsafeBufferPointer<UInt8>) {
    packed.removeAll(keepingCapacity: true)
    offsets.removeAll(keepingCapacity: true)
    packed.reserveCapacity(text.count)
    offsets.reserveCapacity(text.count + 1)
    var index = 0
    while index < text.count {
      offsets.append(Int32(truncatingIfNeeded: index))
      let first = text[index]
      if first < 0x80 {
        packed.append(Self.ascii[Int(first)])
        index += 1
        continue
      }
      let length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4
      var value = UInt32(first) & (0xff >> UInt32(length + 1))
      for next in 1..<length where index + next < text.count {
        value = value << 6 | UInt32(text[index + next] & 0x3f)
      }
      packed.append(Self.pack(Unicode.Scalar(value) ?? "\u{fffd}"))
      index += length
    }
    offsets.append(Int32(truncatingIfNeeded: text.count))
  }

  private static let ascii: [UInt32] = (0..<0x80 as Range<UInt8>).map { pack(Unicode.Scalar($0)) }

  private static func pack(_ scalar: Unicode.Scalar) -> UInt32 {
    let category = scalar.properties.generalCategory
    return scalar.value | Self.detail(of: category).rawValue << 21
      | UInt32(Self.class(of: scalar, category).rawValue) << 24
  }

  private static func `class`(of scalar: Unicode.Scalar, _ category: Unicode.GeneralCategory) -> Class {
    switch category {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: .letter
    case .decimalNumber, .letterNumber, .otherNumber: .number
    case .nonspacingMark, .spacingMark, .enclosingMark: .mark
    case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation, .initialPunctuation,
      .finalPunctuation, .otherPunctuation:
      .punctuation
    case .mathSymbol, .currencySymbol, .modifierSymbol, .otherSymbol: .symbol
    case .spaceSeparator, .lineSeparator, .paragraphSeparator: .space
    case .control: scalar.properties.isWhitespace ? .space : .other
    default: .other
    }
  }

  private static func detail(of category: Unicode.GeneralCategory) -> Detail {
    switch category {
    case .uppercaseLetter, .titlecaseLetter: .uppercase
    case .lowercaseLetter: .lowercase
    case .decimalNumber: .decimal
    default: .none
    }
  }
}

/// Finds character boundaries in bytes that may not be valid UTF-8.
enum UTF8Scan {
  enum Sequence: Equatable {
    /// A whole character of this many bytes.
    case character(Int)
    /// The beginning of a character, cut off by the end of the bytes.
    case incomplete
    /// This many bytes that no character begins with (Unicode's "maximal subpart").
    case invalid(Int)
  }

  /// What begins at an index.
  static func sequence(_ bytes: UnsafeBufferPointer<UInt8>, at index: Int) -> Sequence {
    let first = bytes[index]
    let length: Int
    // The second byte's range excludes overlong forms, surrogates and values above U+10FFFF.
    var second: ClosedRange<UInt8> = 0x80...0xbf
    switch first {
    case 0x00...0x7f: return .character(1)
    case 0xc2...0xdf: length = 2
    case 0xe0: (length, second) = (3, 0xa0...0xbf)
    case 0xed: (length, second) = (3, 0x80...0x9f)
    case 0xe1...0xef: length = 3
    case 0xf0: (length, second) = (4, 0x90...0xbf)
    case 0xf4: (length, second) = (4, 0x80...0x8f)
    case 0xf1...0xf3: length = 4
    default: return .invalid(1)
    }
    for offset in 1..<length {
      guard index + offset < bytes.count else { return .incomplete }
      let allowed = offset == 1 ? second : 0x80...0xbf
      guard allowed.contains(bytes[index + offset]) else { return .invalid(offset) }
    }
    return .character(length)
  }

  /// The length of the character that begins at an index; 1 where none does.
  static func length(_ bytes: UnsafeBufferPointer<UInt8>, at index: Int) -> Int {
    if case .character(let length) = sequence(bytes, at: index) { length } else { 1 }
  }

  static func isValid(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
    var index = 0
    while index < bytes.count {
      guard case .character(let length) = sequence(bytes, at: index) else { return false }
      index += length
    }
    return true
  }

  /// The bytes with U+FFFD in the place of every byte that is not part of a character.
  static func repaired(_ bytes: UnsafeBufferPointer<UInt8>) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count)
    var index = 0
    while index < bytes.count {
      if case .character(let length) = sequence(bytes, at: index) {
        result.append(contentsOf: bytes[index..<index + length])
        index += length
      } else {
        result.append(contentsOf: [0xef, 0xbf, 0xbd])
        index += 1
      }
    }
    return result
  }

  /// Where an unfinished character at the end of the bytes begins, or their count if there is none.
  static func completePrefix(_ bytes: UnsafeBufferPointer<UInt8>) -> Int {
    for start in max(0, bytes.count - 3)..<bytes.count where sequence(bytes, at: start) == .incomplete {
      return start
    }
    return bytes.count
  }
}

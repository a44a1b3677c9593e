/// What a person pressed.
package enum Key: Equatable {
  case text(Character)
  /// Text from the clipboard, as the terminal marks it (bracketed paste).
  case paste(String)
  case enter, backspace, delete, tab
  case left, right, up, down, home, end
  case wordLeft, wordRight
  /// A control key with a letter, such as Ctrl-A as `control("a")`.
  case control(Character)
}

/// Turns the bytes that a terminal sends into keys. A sequence may come in several pieces.
package struct KeyDecoder {
  private static let escape: UInt8 = 0x1B
  private static let pasteStart = Array("\u{1B}[200~".utf8)
  private static let pasteEnd = Array("\u{1B}[201~".utf8)

  private var pending: [UInt8] = []

  /// The keys that these bytes complete.
  package mutating func decode(_ bytes: [UInt8]) -> [Key] {
    pending += bytes
    var keys: [Key] = []
    while !pending.isEmpty {
      guard let (key, length) = next() else { break }
      pending.removeFirst(length)
      if let key { keys.append(key) }
    }
    return keys
  }

  /// The first key and its length; no key for bytes without a meaning, nothing at all for an unfinished sequence.
  private func next() -> (Key?, Int)? {
    let byte = pending[0]
    switch byte {
    case Self.escape: return escapeSequence()
    case 0x0D, 0x0A: return (.enter, 1)
    case 0x7F, 0x08: return (.backspace, 1)
    case 0x09: return (.tab, 1)
    case 0..<0x20: return (.control(Character(UnicodeScalar(byte | 0x60))), 1)
    case 0..<0x80: return (.text(Character(UnicodeScalar(byte))), 1)
    default: return multiByte()
    }
  }

  /// A character of several bytes; a byte that begins none is dropped.
  private func multiByte() -> (Key?, Int)? {
    let length =
      switch pending[0] {
      case 0xC2...0xDF: 2
      case 0xE0...0xEF: 3
      case 0xF0...0xF4: 4
      default: 1
      }
    let sequence = pending.prefix(length)
    if sequence.dropFirst().contains(where: { $0 & 0xC0 != 0x80 }) { return (nil, 1) }
    guard sequence.count == length else { return nil }
    guard let text = String(validating: sequence, as: UTF8.self), let character = text.first else { return (nil, 1) }
    return (.text(character), length)
  }

  private func escapeSequence() -> (Key?, Int)? {
    if pending.starts(with: Self.pasteStart) { return paste() }
    guard pending.count > 1 else { return nil }
    switch pending[1] {
    case UInt8(ascii: "["): return controlSequence()
    case UInt8(ascii: "O"):
      guard pending.count > 2 else { return nil }
      return (Self.cursorKey(pending[2], modified: false), 3)
    case UInt8(ascii: "b"): return (.wordLeft, 2)
    case UInt8(ascii: "f"): return (.wordRight, 2)
    case 0x0D, 0x0A: return (.paste("\n"), 2)  // Alt-Enter: a line break that does not end the input
    case 0x7F: return (.control("w"), 2)
    case Self.escape: return (nil, 1)
    default: return (nil, 2)
    }
  }

  /// ESC [ parameters final
  private func controlSequence() -> (Key?, Int)? {
    guard let end = pending.dropFirst(2).firstIndex(where: { (0x40...0x7E).contains($0) }) else {
      // No sequence is this long; it is noise.
      return pending.count > 32 ? (nil, 2) : nil
    }
    let parameters = String(decoding: pending[2..<end], as: UTF8.self).split(separator: ";")
    let isModified = parameters.count > 1
    guard pending[end] == UInt8(ascii: "~") else {
      return (Self.cursorKey(pending[end], modified: isModified), end + 1)
    }
    let key: Key? =
      switch parameters.first {
      case "1", "7": .home
      case "4", "8": .end
      case "3": .delete
      default: nil
      }
    return (key, end + 1)
  }

  private static func cursorKey(_ final: UInt8, modified: Bool) -> Key? {
    switch final {
    case UInt8(ascii: "A"): .up
    case UInt8(ascii: "B"): .down
    case UInt8(ascii: "C"): modified ? .wordRight : .right
    case UInt8(ascii: "D"): modified ? .wordLeft : .left
    case UInt8(ascii: "H"): .home
    case UInt8(ascii: "F"): .end
    default: nil
    }
  }

  private func paste() -> (Key?, Int)? {
    let start = Self.pasteStart.count
    guard pending.count >= start + Self.pasteEnd.count else { return nil }
    for end in start...(pending.count - Self.pasteEnd.count)
    where pending[end] == Self.escape && pending[end...].starts(with: Self.pasteEnd) {
      let text = String(decoding: pending[start..<end], as: UTF8.self)
      return (.paste(text), end + Self.pasteEnd.count)
    }
    return nil
  }
}

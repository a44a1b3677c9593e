// Numbers and strings of an expression.

extension Lexer {
  // MARK: Numbers

  mutating func readNumber() throws {
    let start = position
    var end = digits(from: start)
    var isDouble = false
    let afterDot = start > 0 && source[start - 1] == "."
    if !afterDot {
      var probe = end
      if probe < source.count, source[probe] == ".", probe + 1 < source.count, source[probe + 1].isASCIIDigit {
        probe = digits(from: probe + 1)
        isDouble = true
        end = probe
      }
      if probe < source.count, source[probe] == "e" || source[probe] == "E" {
        var exponent = probe + 1
        if exponent < source.count, source[exponent] == "+" || source[exponent] == "-" { exponent += 1 }
        if exponent < source.count, source[exponent].isASCIIDigit {
          end = digits(from: exponent)
          isDouble = true
        }
      }
    }
    if isDouble {
      guard let value = Double(plain(start..<end)) else { throw fail("'\(text(start..<end))' is not a number.") }
      add(.double(value))
      return advance(to: end)
    }
    if source[start] == "0", start + 1 < source.count, let radix = radix(source[start + 1]) {
      let prefixed = run(from: start + 2) {
        $0 == "_" || ($0.isASCII && Character($0).hexDigitValue.map { $0 < radix } ?? false)
      }
      if prefixed > start + 2 {
        guard let value = Int(plain(start + 2..<prefixed), radix: radix) else {
          throw fail("'\(text(start..<prefixed))' does not fit in 64 bits.")
        }
        add(.integer(value))
        return advance(to: prefixed)
      }
    }
    if source[start] == "0" { end = run(from: start) { $0 == "0" || $0 == "_" } }
    if let value = Int(plain(start..<end)) {
      add(.integer(value))
    } else if json, followsMinus, let least = Int("-" + plain(start..<end)) {
      // Without its sign the least integer is none; with it, it negates to itself.
      add(.integer(least))
    } else if json, let value = Double(plain(start..<end)) {
      add(.double(value))
    } else {
      throw fail("'\(text(start..<end))' does not fit in 64 bits.")
    }
    advance(to: end)
  }

  private func radix(_ letter: Unicode.Scalar) -> Int? {
    switch letter {
    case "b", "B": 2
    case "o", "O": 8
    case "x", "X": 16
    default: nil
    }
  }

  private func run(from start: Int, while test: (Unicode.Scalar) -> Bool) -> Int {
    var end = start
    while end < source.count, test(source[end]) { end += 1 }
    return end
  }

  private func digits(from start: Int) -> Int {
    var end = run(from: start) { $0.isASCIIDigit || $0 == "_" }
    while end > start, source[end - 1] == "_" { end -= 1 }
    return end
  }

  private func plain(_ range: Range<Int>) -> String { text(range).filter { $0 != "_" } }

  // MARK: Strings

  mutating func readString(quote: Unicode.Scalar) throws {
    let begin = line
    var value = String.UnicodeScalarView()
    var index = position + 1
    while true {
      guard index < source.count else { throw fail("a string is not closed before the end of the template.") }
      let scalar = source[index]
      if scalar == quote { break }
      if scalar == "\\" {
        index = try readEscape(at: index + 1, into: &value)
      } else {
        value.append(scalar)
        index += 1
      }
    }
    add(.string(String(value)), line: begin)
    advance(to: index + 1)
  }

  /// Reads the escape whose letter stands at `index`; returns where the text goes on.
  private func readEscape(at index: Int, into value: inout String.UnicodeScalarView) throws -> Int {
    guard index < source.count else { throw fail("a string is not closed before the end of the template.") }
    let letter = source[index]
    switch letter {
    case "n": value.append("\n")
    case "t": value.append("\t")
    case "r": value.append("\r")
    case "b": value.append("\u{8}")
    case "f": value.append("\u{c}")
    case "\\", "'", "\"": value.append(letter)
    case "/" where json: value.append("/")
    case "v": value.append("\u{b}")
    case "a": value.append("\u{7}")
    case "\n": break
    case "x": return try readHex(at: index + 1, digits: 2, into: &value)
    case "u": return try readHex(at: index + 1, digits: 4, into: &value)
    case "U": return try readHex(at: index + 1, digits: 8, into: &value)
    case "0"..."7":
      let end = run(from: index) { ("0"..."7").contains($0) }
      let stop = min(end, index + 3)
      let code = UInt32(text(index..<stop), radix: 8) ?? 0
      value.append(Unicode.Scalar(code) ?? "\u{fffd}")
      return stop
    default:
      value.append("\\")
      value.append(letter)
    }
    return index + 1
  }

  private func hex(at index: Int, digits: Int) throws -> UInt32 {
    guard index + digits <= source.count, source[index..<index + digits].allSatisfy({ $0.isASCII }),
      let code = UInt32(text(index..<index + digits), radix: 16)
    else { throw fail("an escape in a string needs \(digits) hexadecimal digits.") }
    return code
  }

  private func readHex(at index: Int, digits: Int, into value: inout String.UnicodeScalarView) throws -> Int {
    let code = try hex(at: index, digits: digits)
    if let scalar = Unicode.Scalar(code) {
      value.append(scalar)
      return index + digits
    }
    // UTF-16 writes a character beyond the first plane as two escapes.
    if (0xD800..<0xDC00).contains(code), matches("\\u", at: index + digits) {
      let low = try hex(at: index + digits + 2, digits: 4)
      if (0xDC00..<0xE000).contains(low),
        let scalar = Unicode.Scalar(0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00))
      {
        value.append(scalar)
        return index + digits + 6
      }
    }
    guard json else { throw fail("an escape in a string names no character.") }
    value.append("\u{fffd}")
    return index + digits
  }
}

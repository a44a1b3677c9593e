#if canImport(Glibc)
  @preconcurrency import Glibc
#elseif canImport(Musl)
  @preconcurrency import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

// Linux takes any bytes for a path, a `String` only Unicode. So a byte that is no part of a character in UTF-8 is kept as a
// character of its own at the end of the last private plane, and becomes that byte again where the system is called.

/// The character that stands for a byte from 0x80 on: U+10FF00 and the byte.
private let firstEscape: UInt32 = 0x10_FF00

extension Unicode.Scalar {
  /// The byte that this stands for; nil for every other character.
  fileprivate var escapedByte: UInt8? {
    (firstEscape + 0x80...firstEscape + 0xFF).contains(value) ? UInt8(value - firstEscape) : nil
  }
}

extension String {
  /// A text of the system's, such as an argument, that need not be UTF-8: ``withSystemPath(_:)`` gives back the same bytes.
  package init(systemBytes bytes: some Collection<UInt8>) {
    let isPlain = String(validating: bytes, as: UTF8.self).map { !$0.unicodeScalars.contains { $0.escapedByte != nil } }
    if isPlain == true {
      self.init(decoding: bytes, as: UTF8.self)
      return
    }
    var text = String.UnicodeScalarView()
    let bytes = Array(bytes)
    var index = 0
    while index < bytes.count {
      // The longest first: two of them cannot both be one character.
      let character = (1...4).reversed().lazy.compactMap { length -> (Unicode.Scalar, Int)? in
        guard index + length <= bytes.count,
          let scalars = String(validating: bytes[index..<index + length], as: UTF8.self)?.unicodeScalars,
          scalars.count == 1, let scalar = scalars.first, scalar.escapedByte == nil
        else { return nil }
        return (scalar, length)
      }.first
      if let (scalar, length) = character {
        text.append(scalar)
        index += length
      } else {
        text.append(Unicode.Scalar(firstEscape + UInt32(bytes[index])) ?? "\u{FFFD}")
        index += 1
      }
    }
    self = String(text)
  }

  /// Whether bytes that are not UTF-8 were kept in it.
  package var hasSystemBytes: Bool { unicodeScalars.contains { $0.escapedByte != nil } }

  /// The same with U+FFFD for every such byte: for people and models.
  package var withoutSystemBytes: String {
    guard hasSystemBytes else { return self }
    return String(String.UnicodeScalarView(unicodeScalars.map { $0.escapedByte == nil ? $0 : "\u{FFFD}" }))
  }

  /// The bytes that the system knows it by.
  package var systemBytes: [UInt8] {
    guard hasSystemBytes else { return Array(utf8) }
    return unicodeScalars.flatMap { scalar in scalar.escapedByte.map { [$0] } ?? Array(String(scalar).utf8) }
  }

  /// Calls `body` with the path as the system takes it, ended by a zero.
  func withSystemPath<Result>(_ body: (UnsafePointer<CChar>) -> Result) -> Result {
    guard hasSystemBytes else { return withCString(body) }
    return body(systemBytes.map { CChar(bitPattern: $0) } + [0])
  }
}

/// The program's arguments without its name, and its environment, as the system has them.
package enum ProcessInput {
  package static var arguments: [String] {
    (0..<Int(CommandLine.argc)).dropFirst().compactMap { index in
      CommandLine.unsafeArgv[index].map { String(systemBytes: bytes(of: $0)) }
    }
  }

  package static var environment: [String: String] {
    var result: [String: String] = [:]
    #if canImport(Darwin)
      var entry = _NSGetEnviron().pointee
    #else
      var entry = environ
    #endif
    while let text = entry.pointee {
      let bytes = bytes(of: text)
      if let equals = bytes.firstIndex(of: UInt8(ascii: "=")) {
        result[String(systemBytes: bytes[..<equals])] = String(systemBytes: bytes[(equals + 1)...])
      }
      entry += 1
    }
    return result
  }

  private static func bytes(of text: UnsafePointer<CChar>) -> UnsafeBufferPointer<UInt8> {
    let count = strlen(text)
    return UnsafeBufferPointer(start: UnsafeRawPointer(text).assumingMemoryBound(to: UInt8.self), count: count)
  }
}

/// The names in a folder, in no order, without `.` and `..`; nil where it cannot be read.
package func namesInFolder(_ path: String) -> [String]? {
  guard let folder = path.withSystemPath({ opendir($0) }) else { return nil }
  defer { closedir(folder) }
  var names: [String] = []
  while let entry = readdir(folder) {
    let name = withUnsafeBytes(of: &entry.pointee.d_name) { raw in String(systemBytes: raw.prefix { $0 != 0 }) }
    if name != ".", name != ".." { names.append(name) }
  }
  return names
}

/// Makes a folder inside one that is there.
package func makeFolder(_ path: String) throws(FileError) {
  guard path.withSystemPath({ mkdir($0, 0o777) }) == 0 else { throw FileError(errno, action: .create, path: path) }
}

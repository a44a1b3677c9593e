import Crypto
import Foundation
import PowerInferPlatform

/// Something saved between two moments of the work: a value as JSON, and blocks of bytes. The number of blocks after it and the
/// length of each as UInt64 (the JSON is the first), the blocks, SHA-256 of all that. Little-endian.
struct StateFile<State: Codable> {
  let state: State
  /// Of the file; valid while ``file`` lives.
  let blocks: [UnsafeRawBufferPointer]
  private let file: MappedFile

  /// Writes one, which appears when it is whole.
  static func write(_ path: String, _ state: State, blocks: [UnsafeRawBufferPointer]) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    let json = try encoder.encode(state)
    let file = try AtomicFile(path)
    var digest = SHA256()
    func append(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
      digest.update(bufferPointer: bytes)
      try file.write(bytes)
    }
    let lengths = [blocks.count, json.count] + blocks.map(\.count)
    for length in lengths { try withUnsafeBytes(of: UInt64(length).littleEndian) { try append($0) } }
    try Array(json).withUnsafeBytes { try append($0) }
    for block in blocks { try append(block) }
    try file.write(Array(digest.finalize()))
    try file.commit()
  }

  /// Reads one.
  ///
  /// - Throws: `TrainingError.damaged`, `FileError`.
  init(_ path: String) throws {
    file = try MappedFile(path)
    let (bytes, damaged) = (file.bytes, TrainingError.damaged(path))
    let end = bytes.count - SHA256.byteCount
    guard end >= 16, SHA256.hash(data: UnsafeRawBufferPointer(rebasing: bytes[..<end])).elementsEqual(bytes[end...])
    else {
      throw damaged
    }
    func number(_ index: Int) -> Int? {
      guard (index + 1) * 8 <= end else { return nil }
      return Int(exactly: UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self)))
    }
    guard let count = number(0), count < 64 else { throw damaged }
    var (start, parts) = ((count + 2) * 8, [UnsafeRawBufferPointer]())
    for index in 0...count {
      guard let length = number(index + 1), length >= 0, start <= end, length <= end - start else { throw damaged }
      parts.append(UnsafeRawBufferPointer(rebasing: bytes[start..<start + length]))
      start += length
    }
    let decoder = JSONDecoder()
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    guard start == end, let state = try? decoder.decode(State.self, from: Data(parts[0])) else { throw damaged }
    self.state = state
    blocks = Array(parts.dropFirst())
  }
}

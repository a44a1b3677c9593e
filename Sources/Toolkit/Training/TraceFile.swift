import Crypto
import PowerInferPlatform

/// The records of one layer for some chunks of the text: the records one after the other, where each begins as a UInt32 and
/// the end of the last, five more UInt32 (layer, part, tokens, inputs, neurons), SHA-256 of all that. Little-endian.
enum TraceFile {
  static let digestBytes = SHA256.byteCount
  static let trailerWords = 5

  /// Writes one.
  final class Writer {
    private let file: AtomicFile
    private let shape: TraceShape
    private let layer: Int
    private let part: Int
    private var digest = SHA256()
    private var starts: [UInt32] = [0]
    private var written = 0

    init(_ path: String, shape: TraceShape, layer: Int, part: Int) throws(FileError) {
      file = try AtomicFile(path)
      self.shape = shape
      self.layer = layer
      self.part = part
    }

    /// Appends some records of the given lengths.
    func append(_ bytes: UnsafeRawBufferPointer, lengths: [Int]) throws(FileError) {
      digest.update(bufferPointer: bytes)
      try file.write(bytes)
      for length in lengths {
        written += length
        starts.append(UInt32(clamping: written))
      }
    }

    /// Gives the file its name.
    func finish() throws(FileError) {
      var trailer = starts.flatMap(Self.bytes)
      for number in [layer, part, starts.count - 1, shape.inputs, shape.neurons] {
        trailer += Self.bytes(UInt32(clamping: number))
      }
      trailer.withUnsafeBytes { digest.update(bufferPointer: $0) }
      try file.write(trailer)
      try file.write(Array(digest.finalize()))
      try file.commit()
    }

    private static func bytes(_ number: UInt32) -> [UInt8] {
      [0, 8, 16, 24].map { UInt8(truncatingIfNeeded: number >> $0) }
    }
  }

  /// Reads one.
  struct Reader {
    let file: MappedFile
    let tokens: Int
    /// Where the offsets begin.
    private let table: Int

    /// - Throws: `TrainingError.damaged`, `FileError`.
    init(_ path: String, shape: TraceShape, layer: Int, part: Int) throws {
      file = try MappedFile(path)
      let (bytes, damaged) = (file.bytes, TrainingError.damaged(path))
      let trailer = digestBytes + trailerWords * 4
      guard bytes.count >= trailer else { throw damaged }
      let end = bytes.count - trailer
      let words = (0..<trailerWords).map { Int(Self.word(bytes, at: end + $0 * 4)) }
      let table = end - (words[2] + 1) * 4
      guard words[0] == layer, words[1] == part, words[3] == shape.inputs, words[4] == shape.neurons, table >= 0 else {
        throw damaged
      }
      let digest = SHA256.hash(data: UnsafeRawBufferPointer(rebasing: bytes[..<(bytes.count - digestBytes)]))
      guard digest.elementsEqual(bytes[(bytes.count - digestBytes)...]) else { throw damaged }
      var before = 0
      for token in 0...words[2] {
        let start = Int(Self.word(bytes, at: table + token * 4))
        let least = token == 0 ? 0 : shape.inputBytes + shape.bitBytes
        guard start - before >= least, start - before <= shape.largestRecord, start <= table else { throw damaged }
        before = start
      }
      tokens = words[2]
      self.table = table
    }

    /// The record of a token.
    func record(_ token: Int) -> UnsafeRawBufferPointer {
      let start = Int(Self.word(file.bytes, at: table + token * 4))
      let end = Int(Self.word(file.bytes, at: table + token * 4 + 4))
      return UnsafeRawBufferPointer(rebasing: file.bytes[start..<end])
    }

    @inline(__always)
    private static func word(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> UInt32 {
      UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }
  }
}

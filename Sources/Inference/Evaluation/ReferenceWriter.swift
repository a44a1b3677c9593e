import Crypto
import Foundation
public import PowerInferModel
public import PowerInferPlatform

/// Saves a model's predictions for a text, so that others can be compared with it: the logarithms of all probabilities
/// at every scored position, in 16 bits each.
///
/// The file appears under its name when it is complete; without ``finish()`` nothing is left.
public final class ReferenceWriter {
  private let file: AtomicFile
  private var hash = SHA256()

  /// Begins a file.
  ///
  /// - Throws: `FileError`.
  public init(_ path: String, text: ScoredText, tokenizer: Tokenizer) throws(FileError) {
    file = try AtomicFile(path)
    var header = ReferenceFormat.magic
    func append(_ value: UInt32) { header += withUnsafeBytes(of: value.littleEndian, Array.init) }
    append(ReferenceFormat.version)
    // No engine has a context, and no tokenizer a vocabulary, past 32 bits.
    append(UInt32(text.contextSize))
    append(UInt32(clamping: text.chunkCount))
    append(UInt32(tokenizer.count))
    append(UInt32(bitPattern: text.beginning ?? -1))
    append(0)
    header += ReferenceFormat.fingerprint(of: tokenizer)
    for token in text.tokens { append(UInt32(bitPattern: token)) }
    header += [UInt8](repeating: 0, count: ReferenceFormat.padded(header.count) - header.count)
    header += SHA256.hash(data: header)
    try file.write(header)
  }

  /// Bytes written so far.
  public var byteCount: Int { file.count }

  /// Appends records of the chunk.
  func append(_ records: UnsafeRawBufferPointer) throws(FileError) {
    hash.update(bufferPointer: records)
    try file.write(records)
  }

  /// Ends a chunk, of which all records were appended.
  func endChunk() throws(FileError) {
    try file.write(Array(hash.finalize()))
    hash = SHA256()
  }

  /// Gives the file its name, once all chunks are in it.
  ///
  /// - Throws: `FileError`.
  public func finish() throws(FileError) {
    try file.commit()
  }
}

import Crypto
import Foundation
public import PowerInferModel
import PowerInferPlatform

/// A reference's predictions for a text, as ``ReferenceWriter`` saved them.
///
/// The file is mapped, so that its size does not matter.
public final class ReferenceReader {
  /// What was predicted.
  public let text: ScoredText
  private let path: String
  private let file: MappedFile
  private let start: UnsafeRawPointer
  private let vocabularySize: Int
  private var hash = SHA256()

  /// Opens a file and checks that it is complete, that its header is sound and that it belongs to the vocabulary.
  /// Chunks are checked as they are read.
  ///
  /// - Throws: ``ReferenceError``; `FileError` where the file cannot be opened.
  public init(_ path: String, tokenizer: Tokenizer) throws {
    typealias Format = ReferenceFormat
    file = try MappedFile(path)
    self.path = path
    let bytes = file.bytes
    guard let base = bytes.baseAddress, bytes.starts(with: Format.magic) else {
      throw ReferenceError.foreign(path: path)
    }
    func checkLength(_ length: UInt64, isWhole: Bool) throws {
      guard UInt64(bytes.count) >= length, !isWhole || UInt64(bytes.count) == length else {
        throw ReferenceError.wrongLength(path: path, expected: length, found: bytes.count)
      }
    }
    try checkLength(UInt64(Format.fixedHeaderBytes), isWhole: false)
    func number(_ offset: Int) -> UInt32 {
      UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }
    guard number(8) == Format.version else {
      throw ReferenceError.unknownVersion(path: path, found: number(8))
    }
    let (contextSize, chunks, vocabulary) = (Int(number(12)), Int(number(16)), Int(number(20)))
    // Limits that keep the products below from overflowing; there is no text of a tebibyte.
    let (tokenCount, overflow) = contextSize.multipliedReportingOverflow(by: chunks)
    guard ScoredText.contextSizeRange.contains(contextSize), chunks > 0, vocabulary > 0, !overflow, tokenCount < 1 << 38
    else { throw ReferenceError.damagedHeader(path: path) }
    let headerBytes = Format.headerBytes(tokens: tokenCount)
    let recordsStart = headerBytes + Format.digestBytes
    try checkLength(UInt64(recordsStart), isWhole: false)
    guard SHA256.hash(data: bytes[..<headerBytes]).elementsEqual(bytes[headerBytes..<recordsStart]) else {
      throw ReferenceError.damagedHeader(path: path)
    }
    let positions = contextSize - 1 - contextSize / 2
    let (body, isTooLong) = Format.chunkBytes(positions: positions, vocabularySize: vocabulary)
      .multipliedReportingOverflow(by: chunks)
    guard !isTooLong else { throw ReferenceError.damagedHeader(path: path) }
    try checkLength(UInt64(recordsStart) + UInt64(body), isWhole: true)

    guard vocabulary == tokenizer.count else {
      throw ReferenceError.otherVocabularySize(path: path, found: vocabulary, expected: tokenizer.count)
    }
    guard Format.fingerprint(of: tokenizer).elementsEqual(bytes[32..<64]) else {
      throw ReferenceError.otherVocabulary(path: path)
    }
    let tokens = (0..<tokenCount).map { Int32(bitPattern: number(Format.fixedHeaderBytes + 4 * $0)) }
    let beginning = Int32(bitPattern: number(24))
    text = ScoredText(chunks: tokens, contextSize: contextSize, beginning: beginning < 0 ? nil : beginning)
    vocabularySize = vocabulary
    start = base + recordsStart
    file.advise(.sequential)
  }

  /// Checks that the file was made from a text: that all its chunks are the text's.
  ///
  /// - Throws: ``ReferenceError``.
  public func check(against other: ScoredText) throws(ReferenceError) {
    try check(contextSize: other.contextSize)
    let count = min(text.tokens.count, other.tokens.count)
    if let position = (0..<count).first(where: { text.tokens[$0] != other.tokens[$0] }) {
      throw .otherText(path: path, position: position)
    }
    guard count == text.tokens.count else {
      throw .shorterText(path: path, expected: text.tokens.count, found: count)
    }
  }

  /// Checks that the file was made with a context of this size.
  ///
  /// - Throws: ``ReferenceError``.
  public func check(contextSize: Int) throws(ReferenceError) {
    guard contextSize == text.contextSize else {
      throw .otherContextSize(path: path, expected: text.contextSize, found: contextSize)
    }
  }

  /// The record of a scored position of a chunk.
  func record(chunk: Int, position: Int) -> ReferenceRecord {
    ReferenceRecord(bytes: recordStart(chunk: chunk, position: position))
  }

  /// Reads a chunk's records over some positions into its checksum. To be called for all of them, in order.
  func verify(chunk: Int, positions: Range<Int>) {
    let begin = recordStart(chunk: chunk, position: positions.lowerBound)
    let end = recordStart(chunk: chunk, position: positions.upperBound)
    hash.update(bufferPointer: UnsafeRawBufferPointer(start: begin, count: end - begin))
  }

  /// Compares a chunk's checksum, after all its records.
  ///
  /// - Throws: ``ReferenceError/damagedChunk(path:chunk:)``.
  func endChunk(_ chunk: Int) throws(ReferenceError) {
    let found = hash.finalize()
    hash = SHA256()
    let expected = recordStart(chunk: chunk, position: text.scoredPositions.upperBound)
    guard found.elementsEqual(UnsafeRawBufferPointer(start: expected, count: ReferenceFormat.digestBytes)) else {
      throw .damagedChunk(path: path, chunk: chunk)
    }
  }

  private func recordStart(chunk: Int, position: Int) -> UnsafeRawPointer {
    let positions = text.scoredPositions
    let chunkBytes = ReferenceFormat.chunkBytes(positions: positions.count, vocabularySize: vocabularySize)
    let recordBytes = ReferenceFormat.recordBytes(vocabularySize: vocabularySize)
    return start + chunk * chunkBytes + (position - positions.lowerBound) * recordBytes
  }
}

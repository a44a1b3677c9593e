import Crypto
import Foundation
import PowerInferModel

/// The file of a reference's predictions, version 1. All numbers are little-endian.
///
/// | bytes | content |
/// |---|---|
/// | 8 | `PIREFLOG` |
/// | 4 | version |
/// | 4 | tokens in a chunk, n |
/// | 4 | chunks, c |
/// | 4 | tokens in the vocabulary, V |
/// | 4 | the token that begins every chunk, or -1 |
/// | 4 | 0 |
/// | 32 | SHA-256 of the vocabulary: of each token its length in bytes as 4 bytes, and its UTF-8 |
/// | 4 · n · c | the text's tokens |
/// | 0 or 4 | 0, to a multiple of 8 |
/// | 32 | SHA-256 of all before |
///
/// Then chunk by chunk a record for each scored position, and after each chunk's records their SHA-256, 32 bytes. A
/// record is
///
/// | bytes | content |
/// |---|---|
/// | 8 | -ln p of the token that came, a double |
/// | 4 | the likeliest token |
/// | 4 | 0 |
/// | 4 | a, a float |
/// | 4 | b, a float |
/// | 2 · V | codes k; ln p is a + b · k up to a constant of all codes, which is what makes Σ p = 1 |
/// | 0 to 6 | 0, to a multiple of 8 |
///
/// Codes spread over the position's own range of logits, or the greatest 64 of it: what is below a probability of e^-64
/// counts as that.
enum ReferenceFormat {
  static let magic = Array("PIREFLOG".utf8)
  static let version: UInt32 = 1
  static let fixedHeaderBytes = 64
  static let digestBytes = SHA256.byteCount
  static let recordHeaderBytes = 24
  /// The widest range of logits that codes spread over.
  static let greatestRange: Float = 64

  static func padded(_ bytes: Int) -> Int { (bytes + 7) / 8 * 8 }

  static func recordBytes(vocabularySize: Int) -> Int { padded(recordHeaderBytes + 2 * vocabularySize) }

  /// Bytes before the header's checksum, after which the records begin.
  static func headerBytes(tokens: Int) -> Int { padded(fixedHeaderBytes + 4 * tokens) }

  static func chunkBytes(positions: Int, vocabularySize: Int) -> Int {
    positions * recordBytes(vocabularySize: vocabularySize) + digestBytes
  }

  /// A vocabulary's fingerprint: equal for two models that know the same tokens by the same ids.
  static func fingerprint(of tokenizer: Tokenizer) -> [UInt8] {
    var hash = SHA256()
    for id in 0..<tokenizer.count {
      let text = Array((tokenizer.text(of: Int32(id)) ?? "").utf8)
      withUnsafeBytes(of: UInt32(text.count).littleEndian) { hash.update(bufferPointer: $0) }
      hash.update(data: text)
    }
    return Array(hash.finalize())
  }
}

/// A position's record in memory, [``ReferenceFormat/recordBytes(vocabularySize:)``].
struct ReferenceRecord {
  let bytes: UnsafeRawPointer

  /// -ln p of the token that came.
  var negativeLogLikelihood: Double {
    Double(bitPattern: UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self)))
  }
  /// The likeliest token.
  var top: Int32 { Int32(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: Int32.self)) }
  private var floor: Float { float(at: 16) }
  private var step: Float { float(at: 20) }
  private var codes: UnsafePointer<UInt16> {
    (bytes + ReferenceFormat.recordHeaderBytes).assumingMemoryBound(to: UInt16.self)
  }

  private func float(at offset: Int) -> Float {
    Float(bitPattern: UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
  }

  /// Σ p · ln(p / q) in nats, where p is the record's distribution and q the row's.
  func divergence(to row: LogitRow) -> Double {
    guard let logits = row.logits.baseAddress else { return .nan }
    let (floor, step) = (Double(floor), Double(step))
    let count = row.logits.count
    let whole = count / 8 * 8
    // With weights w = e^(a + bk) that sum to W, p = w / W and ln p = a + bk - ln W: one pass does.
    var weights = SIMD8<Double>(repeating: 0)
    var products = SIMD8<Double>(repeating: 0)
    func add(_ codes: SIMD8<Double>, _ logits: SIMD8<Double>) {
      let logWeight = floor + step * codes
      let weight = exponential(ofNonPositive: logWeight)
      weights += weight
      products += weight * (logWeight - logits)
    }
    for index in stride(from: 0, to: whole, by: 8) {
      add(SIMD8(loading: codes + index), SIMD8(loading: logits + index))
    }
    var (sum, product) = (weights.sum(), products.sum())
    for index in whole..<count {
      let logWeight = floor + step * Double(codes[index])
      let weight = exp(logWeight)
      sum += weight
      product += weight * (logWeight - Double(logits[index]))
    }
    return product / sum + row.logSumExp - log(sum)
  }

  /// Writes a row's record.
  ///
  /// - Parameter target: [``ReferenceFormat/recordBytes(vocabularySize:)``] of zeros, or an earlier record.
  static func write(_ row: LogitRow, next: Int32, to target: UnsafeMutableRawPointer) {
    let least = row.logits.reduce(row.greatest) { min($0, $1) }
    let range = min(row.greatest - least, ReferenceFormat.greatestRange)
    let base = row.greatest - range
    let step = range / 65535
    let floor = Float(Double(base) - row.logSumExp)
    target.storeBytes(of: (-row.logProbability(of: next)).bitPattern.littleEndian, as: UInt64.self)
    target.storeBytes(of: row.top.littleEndian, toByteOffset: 8, as: Int32.self)
    target.storeBytes(of: 0, toByteOffset: 12, as: Int32.self)
    target.storeBytes(of: floor.bitPattern.littleEndian, toByteOffset: 16, as: UInt32.self)
    target.storeBytes(of: step.bitPattern.littleEndian, toByteOffset: 20, as: UInt32.self)
    let codes = (target + ReferenceFormat.recordHeaderBytes).assumingMemoryBound(to: UInt16.self)
    let perStep = step > 0 ? 1 / step : 0
    // Adding 1.5 · 2^23 rounds to a whole number, which is then in the lowest bits.
    let rounder: Float = 0x1.8p23
    for (index, logit) in row.logits.enumerated() {
      let steps = max(0, min(65535, (logit - base) * perStep))
      codes[index] = UInt16(truncatingIfNeeded: (steps + rounder).bitPattern)
    }
  }
}

import Crypto
import Foundation

/// The logits of one position in a form that can be compared with another engine's.
public struct LogitsSummary: Sendable, Equatable, Encodable {
  /// A token and its logit.
  public struct Entry: Sendable, Equatable, Encodable {
    /// Its id.
    public var token: Int32
    /// As the model gave it.
    public var logit: Float
  }

  /// The greatest logits, greatest first, equal ones by token id; those that are not a number are left out.
  public let top: [Entry]
  /// log Σ exp(logit), in double precision: a logit minus this is the log of the token's probability.
  public let logSumExp: Double
  /// SHA-256 of all logits as little-endian 32-bit floats, in hexadecimal digits.
  public let sha256: String

  /// The greatest logits, greatest first, equal ones by token id; those that are not a number are left out.
  static func best(_ logits: UnsafeBufferPointer<Float>, count: Int) -> [TokenCandidate] {
    let wanted = max(0, min(count, logits.count))
    var candidates: [Candidate] = []
    candidates.reserveCapacity(wanted)
    var index = 0
    while index < logits.count, candidates.count < wanted {
      let logit = logits[index]
      if !logit.isNaN { candidates.append(Candidate(token: Int32(truncatingIfNeeded: index), logit: logit)) }
      index += 1
    }
    candidates.withUnsafeMutableBufferPointer {
      $0.takeBest(of: UnsafeBufferPointer(rebasing: logits[index...]), firstToken: index)
    }
    // Candidates may have taken the greatest finite number for infinity.
    return candidates.map { TokenCandidate(token: $0.token, logit: logits[Int($0.token)]) }
  }

  /// - Parameters:
  ///   - logits: [vocabulary]
  ///   - top: how many of the greatest to list.
  public init(_ logits: UnsafeBufferPointer<Float>, top: Int) {
    self.top = Self.best(logits, count: top).map { Entry(token: $0.token, logit: $0.logit) }

    let greatest = Double(logits.max() ?? -.infinity)
    logSumExp =
      greatest.isFinite ? greatest + log(logits.reduce(0) { $0 + exp(Double($1) - greatest) }) : greatest

    var hash = SHA256()
    logits.map(\.bitPattern.littleEndian).withUnsafeBytes { hash.update(bufferPointer: $0) }
    sha256 = hash.finalize().map { byte in
      let digits = String(byte, radix: 16)
      return digits.count == 1 ? "0" + digits : digits
    }.joined()
  }
}

import Crypto
import Foundation
import HTTPTypes

/// The keys that let clients in.
struct KeyRing: Sendable {
  private let digests: [SHA256.Digest]

  init(_ keys: [String]) { digests = keys.map { SHA256.hash(data: Data($0.utf8)) } }

  /// Whether everybody may come in.
  var isOpen: Bool { digests.isEmpty }

  /// Whether a request shows a key, as OpenAI's clients do (`Authorization: Bearer`) or as Anthropic's do (`x-api-key`).
  func admits(_ headers: HTTPFields) -> Bool {
    if isOpen { return true }
    var shown = headers[.xAPIKey]
    if shown == nil, let field = headers[.authorization], field.lowercased().hasPrefix("bearer ") {
      shown = String(field.dropFirst("bearer ".count)).trimmingCharacters(in: .whitespaces)
    }
    guard let shown else { return false }
    // Digests have one length and compare in constant time, and all keys are looked at: how long it takes tells nothing.
    let digest = SHA256.hash(data: Data(shown.utf8))
    return digests.reduce(false) { found, known in (known == digest) || found }
  }
}

extension HTTPField.Name {
  // Constants that are names.
  static let xAPIKey = HTTPField.Name("x-api-key")!
  static let xRequestID = HTTPField.Name("x-request-id")!
}

extension KeyRing {
  /// The SHA-256 of a text, in hexadecimal digits.
  static func digest(_ text: String) -> String { digest(text.utf8) }

  /// The SHA-256 of some bytes, in hexadecimal digits.
  static func digest(_ bytes: some Sequence<UInt8>) -> String {
    SHA256.hash(data: Data(bytes)).map { byte in
      let digits = String(byte, radix: 16)
      return digits.count == 1 ? "0" + digits : digits
    }.joined()
  }
}

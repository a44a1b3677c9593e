import Crypto
public import Foundation

/// What tells a file that was read from any other, short enough for a line of ``History``.
public enum FileDigest {
  /// Name, without folders, and the beginning of the SHA-256 of the content, as in "chats.txt sha256 1a2b3c4d…".
  public static func line(name: String, content: Data) -> String {
    let digits = SHA256.hash(data: content).prefix(4).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    return "\(URL(filePath: name).lastPathComponent) sha256 \(digits)…"
  }
}

import PowerInferModel

/// The marks between which a model thinks before it answers.
///
/// A model writes both marks, or its template writes the first one, so that an answer begins inside.
public struct ReasoningFormat: Sendable, Hashable {
  /// What the reasoning begins with, such as `<think>`.
  public let opening: String
  /// What it ends with, such as `</think>`.
  public let closing: String

  private init(_ opening: String, _ closing: String) { (self.opening, self.closing) = (opening, closing) }

  /// `<think>…</think>`, as DeepSeek-R1, QwQ, Qwen 3 and most others do.
  public static let think = ReasoningFormat("<think>", "</think>")
  private static let known = [
    think, ReasoningFormat("<seed:think>", "</seed:think>"), ReasoningFormat("[THINK]", "[/THINK]"),
    ReasoningFormat("<|START_THINKING|>", "<|END_THINKING|>"),
  ]

  static var marks: [String] { known.flatMap { [$0.opening, $0.closing] } }

  /// The marks that a template shows; ``think`` for one that shows none.
  public init(template: String) { self = Self.shown(by: template) ?? .think }

  /// The marks that a template shows; nil where it shows none.
  public static func shown(by template: String) -> ReasoningFormat? {
    known.first { template.contains($0.closing) || template.contains($0.opening) }
  }

  /// The marks that a prompt leaves open; nil where an answer does not begin inside.
  static func leftOpen(by prompt: [Int32], _ tokenizer: Tokenizer) -> ReasoningFormat? {
    // A mark and the white space behind it are few tokens, however they are cut.
    leftOpen(by: tokenizer.decode(Array(prompt.suffix(24)), renderSpecial: true))
  }

  /// The same of a prompt's end.
  static func leftOpen(by end: String) -> ReasoningFormat? {
    let end = end.reversed().drop(while: \.isWhitespace)
    return known.first { end.starts(with: $0.opening.reversed()) }
  }
}

import Foundation

/// Tells what a model thinks from what it says, as it comes.
///
/// Reasoning is what stands between the marks at the very beginning of an answer; marks in the middle of a text are text. White space around
/// the reasoning belongs to neither.
public struct ReasoningParser: Sendable {
  /// What an answer consists of.
  public enum Part: Sendable, Equatable {
    case reasoning(String)
    case text(String)
  }

  private enum Place { case before, inside, behind, after }

  private let format: ReasoningFormat
  private var place: Place
  /// Whether something was told of the reasoning.
  private var hasBegun = false
  /// Whether the opening mark has been seen; a model may repeat the prompt's.
  private var hasOpened = false
  /// What has come and not been told.
  private var held = ""

  /// - Parameters:
  ///   - format: the marks.
  ///   - isInside: whether the prompt has opened the reasoning.
  public init(format: ReasoningFormat = .think, isInside: Bool = false) {
    self.format = format
    place = isInside ? .inside : .before
  }

  /// Takes more of the answer.
  ///
  /// - Returns: what is certain now.
  public mutating func append(_ text: String) -> [Part] {
    if place == .after { return text.isEmpty ? [] : [.text(text)] }
    held += text
    var parts: [Part] = []
    if place == .before { parts += begin() }
    if place == .inside { parts += think() }
    if place == .behind { parts += goOn() }
    return parts
  }

  /// What is left when the answer is complete.
  public mutating func finish() -> [Part] {
    defer { (held, place) = ("", .after) }
    switch place {
    case .before: return held.isEmpty ? [] : [.text(held)]
    case .inside:
      let rest = held.trimmingCharacters(in: .whitespacesAndNewlines)
      return rest.isEmpty ? [] : [.reasoning(hasBegun ? Self.withoutEnd(held) : rest)]
    case .behind, .after: return []
    }
  }

  // MARK: Places

  /// Nothing but white space has come.
  private mutating func begin() -> [Part] {
    let begun = held.trimmingPrefix(while: \.isWhitespace)
    if begun.hasPrefix(format.opening) {
      held = String(begun.dropFirst(format.opening.count))
      (place, hasOpened) = (.inside, true)
      return []
    }
    if format.opening.hasPrefix(begun) { return [] }
    defer { held = "" }
    place = .after
    return [.text(held)]
  }

  private mutating func think() -> [Part] {
    if !hasBegun {
      held = String(held.trimmingPrefix(while: \.isWhitespace))
      if !hasOpened {
        if held.hasPrefix(format.opening) {
          held = String(held.dropFirst(format.opening.count).trimmingPrefix(while: \.isWhitespace))
          hasOpened = true
        } else if format.opening.hasPrefix(held) {
          return []
        }
      }
    }
    if let range = held.range(of: format.closing) {
      let thought = Self.withoutEnd(held[..<range.lowerBound])
      held = String(held[range.upperBound...])
      place = .behind
      return thought.isEmpty ? [] : [.reasoning(thought)]
    }
    // What may be the beginning of the mark waits, and so does white space before it.
    let kept = (1..<format.closing.count).last { held.hasSuffix(format.closing.prefix($0)) } ?? 0
    let certain = Self.withoutEnd(held.dropLast(kept))
    guard !certain.isEmpty else { return [] }
    held = String(held.dropFirst(certain.count))
    hasBegun = true
    return [.reasoning(certain)]
  }

  /// The reasoning has ended, and nothing but white space has come since.
  private mutating func goOn() -> [Part] {
    let text = held.trimmingPrefix(while: \.isWhitespace)
    held = ""
    guard !text.isEmpty else { return [] }
    place = .after
    return [.text(String(text))]
  }

  private static func withoutEnd(_ text: some StringProtocol) -> String {
    let kept = text.reversed().drop(while: \.isWhitespace).count
    return String(text.prefix(kept))
  }
}

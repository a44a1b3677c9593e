import Foundation
import OrderedCollections
import PowerInferJinja

/// Tells the calls in an answer from its text, as it comes.
///
/// ```swift
/// var parser = ToolCallParser(format: .tagged)
/// let parts = parser.append(piece.text)  // .text for what is said, .call for each complete call
/// ```
///
/// What looks like a call and is none stays text.
public struct ToolCallParser: Sendable {
  /// What an answer consists of.
  public enum Part: Sendable, Equatable {
    case text(String)
    /// The name of a function, and a JSON object of its arguments.
    case call(name: String, arguments: String)
  }

  private let format: ToolCallFormat
  /// What has come and not been told.
  private var held = ""
  private var isInCall = false
  /// Whether something but white space was said, of the tagged format since the last call.
  private var hasBegun = false
  private var hasCalled = false

  /// - Parameter format: how calls are written.
  public init(format: ToolCallFormat) { self.format = format }

  /// Takes more of the answer.
  ///
  /// - Returns: what is certain now.
  public mutating func append(_ text: String) -> [Part] {
    held += text
    switch format {
    case .tagged: return tagged()
    case .listed: return whole(beginsWith: ToolCallFormat.list)
    case .bare, .generic: return whole(beginsWith: "{")
    }
  }

  /// What is left when the answer is complete.
  public mutating func finish() -> [Part] {
    defer { held = "" }
    guard !held.isEmpty else { return [] }
    if isInCall {
      isInCall = false
      switch format {
      case .tagged:
        // A stop string or the model's end may have taken the closing tag's place.
        return Self.call(in: held).map { [$0] } ?? [.text(ToolCallFormat.opening + held)]
      case .listed:
        let calls = Self.calls(
          in: String(held.trimmingPrefix(while: \.isWhitespace).dropFirst(ToolCallFormat.list.count)))
        return calls ?? [.text(held)]
      case .bare: return Self.call(in: held).map { [$0] } ?? [.text(held)]
      case .generic: return [Self.generic(held) ?? .text(held)]
      }
    }
    return hasCalled && held.allSatisfy(\.isWhitespace) ? [] : [.text(held)]
  }

  // MARK: Formats

  private mutating func tagged() -> [Part] {
    var parts: [Part] = []
    while let range = held.range(of: isInCall ? ToolCallFormat.closing : ToolCallFormat.opening) {
      let before = String(held[..<range.lowerBound])
      held = String(held[range.upperBound...])
      if isInCall {
        parts.append(Self.call(in: before) ?? .text(ToolCallFormat.opening + before + ToolCallFormat.closing))
        (hasBegun, hasCalled) = (false, true)
      } else if hasBegun || !before.allSatisfy(\.isWhitespace) {
        parts.append(.text(before))
      }
      isInCall.toggle()
    }
    // White space that may stand before a call waits, and so does what may be the beginning of a tag.
    guard !isInCall, hasBegun || !held.allSatisfy(\.isWhitespace) else { return parts }
    let kept = (1..<ToolCallFormat.opening.count).last { held.hasSuffix(ToolCallFormat.opening.prefix($0)) } ?? 0
    let certain = String(held.dropLast(kept))
    guard hasBegun || !certain.allSatisfy(\.isWhitespace) else { return parts }
    if !certain.isEmpty { parts.append(.text(certain)) }
    held = String(held.suffix(kept))
    hasBegun = true
    return parts
  }

  /// Calls that are the whole answer: nothing is certain before its end, unless it begins otherwise.
  private mutating func whole(beginsWith mark: String) -> [Part] {
    if isInCall { return [] }
    if !hasBegun {
      let begun = held.trimmingPrefix(while: \.isWhitespace)
      if begun.hasPrefix(mark) {
        isInCall = true
        return []
      }
      if mark.hasPrefix(begun) { return [] }
      hasBegun = true
    }
    defer { held = "" }
    return [.text(held)]
  }

  // MARK: Calls

  private static func call(in text: String) -> Part? {
    (try? Value(json: text.trimmingCharacters(in: .whitespacesAndNewlines))).flatMap(call)
  }

  private static func calls(in text: String) -> [Part]? {
    guard let list = (try? Value(json: text.trimmingCharacters(in: .whitespacesAndNewlines)))?.elements else {
      return nil
    }
    let calls = list.compactMap(call)
    return calls.count == list.count && !calls.isEmpty ? calls : nil
  }

  /// A call, or what is said instead of one.
  private static func generic(_ text: String) -> Part? {
    guard let entries = (try? Value(json: text.trimmingCharacters(in: .whitespacesAndNewlines)))?.entries else {
      return nil
    }
    return entries["tool_call"].flatMap(call) ?? entries["response"]?.text.map { .text($0) }
  }

  private static func call(_ value: Value) -> Part? {
    guard let entries = value.entries, let name = entries["name"]?.text else { return nil }
    switch entries["arguments"] ?? entries["parameters"] {
    case .string(let text):
      // Already JSON, as some models write it.
      return (try? Value(json: text))?.entries == nil ? nil : .call(name: name, arguments: text)
    case .dictionary(let arguments): return .call(name: name, arguments: JSONText.text(of: .dictionary(arguments)))
    case nil, .some(.none): return .call(name: name, arguments: "{}")
    default: return nil
    }
  }
}

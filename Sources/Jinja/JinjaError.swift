/// Why a template could not be read or rendered.
///
/// `description` is one full sentence that begins with the line of the template, where one is known.
public struct JinjaError: Error, CustomStringConvertible, Equatable, Sendable {
  /// What stopped the work.
  public enum Kind: Sendable, Equatable {
    /// The text is not a template of the supported language.
    case syntax
    /// An operation failed while rendering, as it would in Python.
    case runtime
    /// The template itself refused its input with `raise_exception`.
    case raised
    /// A guard against runaway templates stopped the work.
    case limit
  }

  public let kind: Kind
  /// The line of the template, counted from 1; nil when no line is to blame.
  public internal(set) var line: Int?
  /// What was expected and what was found. For `raised`, the template's own words.
  public let message: String

  public init(kind: Kind, line: Int? = nil, message: String) {
    self.kind = kind
    self.line = line
    self.message = message
  }

  public var description: String {
    let place = line.map { "Line \($0) of the template: " } ?? "The template: "
    switch kind {
    case .raised: return place + "it refuses this conversation: " + message
    case .syntax, .runtime, .limit: return place + message
    }
  }

  static func runtime(_ message: String) -> JinjaError { JinjaError(kind: .runtime, message: message) }
  static func limit(_ message: String) -> JinjaError { JinjaError(kind: .limit, message: message) }
}

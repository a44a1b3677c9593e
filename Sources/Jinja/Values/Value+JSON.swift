import Foundation
import OrderedCollections

extension Value {
  /// The value of a JSON text, its keys in their order, which Foundation's readers lose.
  ///
  /// Foundation decides whether the text is JSON; a JSON value is also a literal expression of the template
  /// language, and is read as one.
  ///
  /// - Throws: `JinjaError` with the line when the text is not JSON.
  public init(json text: String) throws {
    do {
      _ = try JSONSerialization.jsonObject(with: Data(text.utf8), options: .fragmentsAllowed)
    } catch {
      throw JinjaError(kind: .syntax, message: "the text is not JSON: \(Value.reason(error)).")
    }
    self = try DeepStack.run {
      var parser = Parser(try Lexer.tokens(ofJSON: text), dialect: .strict)
      parser.allowsTrailingComma = false
      let expression = try parser.parseExpression()
      try parser.expect(.end)
      return try Value(literal: expression)
    }
  }

  private static func reason(_ error: any Error) -> String {
    let details = (error as NSError).userInfo["NSDebugDescription"] as? String
    let reason = details ?? "it cannot be read"
    return reason.hasSuffix(".") ? String(reason.dropLast()) : reason
  }

  private init(literal expression: Expression) throws {
    switch expression.kind {
    case .none, .name("null"): self = .none
    case .boolean(let value): self = .boolean(value)
    case .integer(let value): self = .integer(value)
    case .double(let value): self = .double(value)
    case .string(let text): self = .string(text)
    case .negative(let operand):
      switch try Value(literal: operand) {
      case .integer(let value): self = .integer(0 &- value)
      case .double(let value): self = .double(-value)
      default: throw Value.notJSON(expression)
      }
    case .list(let items): self = .list(try items.map { try Value(literal: $0) })
    case .dictionary(let entries):
      var result: OrderedDictionary<String, Value> = [:]
      result.reserveCapacity(entries.count)
      for entry in entries {
        guard case .string(let key) = entry.key.kind else { throw Value.notJSON(entry.key) }
        result[key] = try Value(literal: entry.value)
      }
      self = .dictionary(result)
    default: throw Value.notJSON(expression)
    }
  }

  private static func notJSON(_ expression: Expression) -> JinjaError {
    JinjaError(kind: .syntax, line: expression.line, message: "expected a JSON value, found an expression.")
  }
}

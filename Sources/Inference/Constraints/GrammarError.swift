/// Why a grammar or a schema cannot be used.
public enum GrammarError: Error, Equatable, CustomStringConvertible {
  case syntax(line: Int, expected: String, found: String)
  case noRule(name: String)
  case twoRules(name: String)
  case leftRecursion(rule: String)
  case tooLarge(limit: Int)
  case tooDeep(limit: Int)
  case tooAmbiguous(limit: Int)
  case tooManyStates(limit: Int)
  case noText(rule: String)
  case noJSON(reason: String)
  case schema(path: String, expected: String, found: String)
  case unsupported(path: String, keyword: String)
  case reference(path: String, reference: String)
  case nothingFits(path: String)

  public var description: String {
    switch self {
    case .syntax(let line, let expected, let found):
      "The grammar needs \(expected) in line \(line), but it has \(found)."
    case .noRule(let name): "The grammar has no rule \"\(name)\", which it needs."
    case .twoRules(let name): "The grammar has two rules named \"\(name)\"."
    case .leftRecursion(let rule):
      "The grammar's rule \"\(rule)\" begins with itself (left recursion), so that it never ends."
    case .tooLarge(let limit): "The grammar is too large: it becomes more than \(limit) steps."
    case .tooDeep(let limit): "The grammar or schema is nested more than \(limit) levels deep."
    case .tooAmbiguous(let limit):
      "The grammar is too ambiguous: a text can be read in more than \(limit) ways at once."
    case .tooManyStates(let limit): "The grammar is too large to follow: it has come into more than \(limit) states."
    case .noText(let rule): "No text fits the grammar's rule \"\(rule)\": it calls itself without an end."
    case .noJSON(let reason): "The JSON schema is not JSON: \(reason)"
    case .schema(let path, let expected, let found):
      "The JSON schema needs \(expected) at \(path), but it has \(found)."
    case .unsupported(let path, let keyword):
      "The JSON schema uses \"\(keyword)\" at \(path), which answers cannot be held to."
    case .reference(let path, let reference):
      "The JSON schema refers to \"\(reference)\" at \(path); expected a place in the same schema, such as #/$defs/name."
    case .nothingFits(let path): "The JSON schema admits no value at \(path)."
    }
  }
}

import OrderedCollections

/// One application of a filter.
struct FilterCall {
  let name: String
  let input: Object
  let arguments: Arguments
  let interpreter: Interpreter

  func bind(_ parameters: String..., required: Int = 0) throws -> Binding {
    try Binding(arguments, to: parameters, required: required, of: name)
  }

  /// The input as text, as `str()` gives it.
  func text() throws -> Text { try input.printed(limit: interpreter.limits.text) }

  func items() throws -> [Object] { try interpreter.items(of: input) }

  /// The input, which has to be a string already.
  func string() throws -> Text {
    if let text = input.text { return text }
    if case .undefined(let reason) = input { throw JinjaError.runtime(reason.sentence) }
    throw JinjaError.runtime("the filter '\(name)' needs a string, found '\(input.typeName)'.")
  }

  /// A text that keeps the input's mark as HTML.
  func marked(_ text: Text) -> Object {
    if case .markup = input { return .markup(text) }
    return .string(text)
  }
}

/// The filters behind `|`.
enum FilterTable {
  typealias Filter = (FilterCall) throws -> Object

  static func filter(named name: String, dialect: Template.Dialect) -> Filter? {
    if let filter = table[name] { return filter }
    if dialect == .lenient, name == "from_json" { return { try ValueFilters.fromJSON($0) } }
    return nil
  }

  /// All filters of the strict dialect.
  static var names: [String] { table.keys.sorted() }

  private nonisolated(unsafe) static let table: [String: Filter] = {
    var table = TextFilters.table
    for more in [SequenceFilters.table, SelectionFilters.table, ValueFilters.table] {
      table.merge(more) { _, new in new }
    }
    return table
  }()
}

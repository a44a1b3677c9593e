public import OrderedCollections

/// A chat template: text with tags of the Jinja language, read once and rendered often.
///
/// The language is that of Python's jinja2 as the `transformers` library sets it up: blocks trimmed (`trim_blocks`,
/// `lstrip_blocks`), `break` and `continue`, `{% generation %}`, no HTML escaping, no access to other templates.
public struct Template: Sendable {
  /// What a template may do beyond jinja2's immutable sandbox.
  public enum Dialect: Sendable {
    /// Just what `transformers` allows.
    case strict
    /// Also methods that change lists and dictionaries, and the filter `from_json`: some published templates need
    /// them. They change copies, never the caller's values.
    case lenient
  }

  private let statements: [Statement]
  private let dialect: Dialect

  /// - Throws: `JinjaError` with the line and a sentence when `source` is not a template.
  public init(_ source: String, dialect: Dialect = .strict) throws {
    self.dialect = dialect
    statements = try DeepStack.run { try Parser.statements(of: source, dialect: dialect) }
  }

  /// The text of the template with `context` as its variables.
  ///
  /// - Throws: `JinjaError` with the line and a sentence; of kind `.raised` when the template itself refuses.
  public func render(
    _ context: OrderedDictionary<String, Value>, clock: Clock = .system, limits: Limits = .standard
  ) throws -> String {
    try rendered(context, clock: clock, limits: limits).text
  }

  /// The text of the template with `context` as its variables, and which of its bytes are the template's own.
  ///
  /// - Parameters:
  ///   - context: the variables.
  ///   - trusted: what of them counts as the template's own too; nothing, unless told.
  ///   - clock: what `strftime_now` reads.
  ///   - limits: how much work and text the template may make.
  /// - Throws: as ``render(_:clock:limits:)``.
  public func rendered(
    _ context: OrderedDictionary<String, Value>, trusting trusted: TrustedVariables = TrustedVariables(),
    clock: Clock = .system, limits: Limits = .standard
  ) throws -> RenderedText {
    try DeepStack.run {
      let interpreter = Interpreter(dialect: dialect, clock: clock, limits: limits)
      do {
        for (name, value) in context { interpreter.scope.set(name, try trusted.object(name, value)) }
        return RenderedText(try interpreter.render(statements))
      } catch var error as JinjaError {
        error.line = error.line ?? interpreter.line
        throw error
      }
    }
  }
}

extension Object {
  /// A copy of a caller's value.
  init(_ value: Value, isTrusted: Bool, depth: Int = 0) throws {
    guard depth <= Limits.containerDepth else {
      throw JinjaError.limit("a value is nested deeper than \(Limits.containerDepth) levels.")
    }
    switch value {
    case .none: self = .none
    case .boolean(let value): self = .boolean(value)
    case .integer(let value): self = .integer(value)
    case .double(let value): self = .double(value)
    case .string(let text): self = .string(Text(text, isTrusted: isTrusted))
    case .list(let items): self = .list(try items.map { try Object($0, isTrusted: isTrusted, depth: depth + 1) })
    case .dictionary(let entries):
      let mapping = Mapping()
      for (key, value) in entries {
        try mapping.set(
          .string(Text(key, isTrusted: isTrusted)), try Object(value, isTrusted: isTrusted, depth: depth + 1))
      }
      self = .dictionary(mapping)
    }
  }
}

package import PowerInferJinja

/// What an answer's text has to look like.
///
/// ```swift
/// var request = GenerationRequest(messages: [Message(.user, "Is the sky blue?")])
/// request.grammar = try Grammar(gbnf: #"root ::= "yes" | "no""#)
/// ```
///
/// Before every token, those that cannot go on to a fitting text are taken away; the model chooses among the others. Answers that
/// end early (a limit of tokens, a full context) may be incomplete; ``FinishReason`` says so.
public struct Grammar: Sendable, Hashable {
  private enum Source: Sendable, Hashable {
    case gbnf(String)
    case schema(String, before: String, after: String, isSpaced: Bool)
  }

  private let source: Source
  let graph: GrammarGraph
  /// From where on it holds; nil from the beginning.
  let trigger: GrammarTrigger?

  /// A grammar in GBNF, llama.cpp's notation, whose rule `root` is the whole text.
  ///
  /// - Throws: ``GrammarError``.
  public init(gbnf text: String) throws(GrammarError) {
    source = .gbnf(text)
    trigger = nil
    graph = try GrammarGraph(GBNFParser.rules(of: text))
  }

  /// JSON of a schema (JSON Schema, draft 2020-12). Members of objects come in the schema's order.
  ///
  /// - Throws: ``GrammarError`` where the text is no schema, or one to which answers cannot be held.
  public init(jsonSchema text: String) throws(GrammarError) {
    let schema: Value
    do {
      schema = try Value(json: text)
    } catch {
      throw .noJSON(reason: "\(error)")
    }
    try self.init(schema: schema)
  }

  /// - Parameters:
  ///   - before: a text that stands before the JSON.
  ///   - after: a text that stands behind it.
  ///   - isSpaced: whether white space may stand around the JSON.
  ///   - trigger: from where on it holds; nil from the beginning.
  package init(
    schema: Value, between before: String = "", and after: String = "", isSpaced: Bool = false,
    trigger: GrammarTrigger? = nil
  ) throws(GrammarError) {
    source = .schema(JSONText.text(of: schema), before: before, after: after, isSpaced: isSpaced)
    self.trigger = trigger
    do {
      graph = try GrammarGraph(SchemaGrammar.rules(of: schema, between: before, and: after, isSpaced: isSpaced))
    } catch {
      // A schema that needs itself, and whose rules nobody has named.
      switch error {
      case .noText, .leftRecursion: throw .nothingFits(path: "#")
      default: throw error
      }
    }
  }

  /// Any JSON object.
  public static let jsonObject: Grammar = {
    do {
      return try Grammar(jsonSchema: #"{"type": "object"}"#)
    } catch {
      preconditionFailure("the schema of any object is a schema: \(error)")
    }
  }()

  public static func == (one: Grammar, other: Grammar) -> Bool {
    one.source == other.source && one.trigger == other.trigger
  }
  public func hash(into hasher: inout Hasher) { hasher.combine(source) }
}

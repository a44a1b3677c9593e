import OrderedCollections
package import PowerInferJinja

/// What a chat template is told beside the conversation, such as `enable_thinking`.
///
/// ```swift
/// let brief = TemplateVariables(thinking: false)
/// let request = GenerationRequest(.messages([Message(.user, "Hello!")], tools: [], variables: brief))
/// ```
///
/// What a template makes of a text here is text, whatever control tokens it spells.
public struct TemplateVariables: Sendable, Equatable {
  let values: OrderedDictionary<String, Value>

  /// The switch of Qwen 3, GLM and SmolLM 3, and that of Granite and DeepSeek 3.1.
  private static let switches = ["enable_thinking", "thinking"]
  /// What the renderer itself tells every template.
  static let reserved = ["messages", "tools", "add_generation_prompt", "bos_token", "eos_token"]

  /// - Parameter thinking: whether the model is to think before it answers, by the names that templates have for it; a
  ///   template without such a switch ignores it. nil leaves it to the template.
  public init(thinking: Bool? = nil) {
    guard let thinking else {
      values = [:]
      return
    }
    values = OrderedDictionary(uniqueKeysWithValues: Self.switches.map { ($0, .boolean(thinking)) })
  }

  /// - Parameters:
  ///   - json: an object whose members are variables. `enable_thinking` also counts as the other name that templates have
  ///     for it, unless that one is given.
  ///   - thinking: as in ``init(thinking:)``, where the object does not say it.
  /// - Throws: `JinjaError` where the text is not JSON; ``TemplateVariableError``.
  public init(json: String, thinking: Bool? = nil) throws { try self.init(Value(json: json), thinking: thinking) }

  package init(_ object: Value, thinking: Bool? = nil) throws(TemplateVariableError) {
    guard let given = object.entries else { throw .notAnObject }
    if let name = Self.reserved.first(where: { given[$0] != nil }) { throw .reserved(name) }
    var thinking = thinking
    switch given["enable_thinking"] {
    case nil: break
    case .boolean(let flag): thinking = flag
    default: throw .notABoolean("enable_thinking")
    }
    values = TemplateVariables(thinking: thinking).values.merging(given) { $1 }
  }
}

/// Why a JSON value is none of a template's variables.
public enum TemplateVariableError: Error, Equatable, CustomStringConvertible {
  case notAnObject
  case notABoolean(String)
  case reserved(String)

  public var description: String {
    switch self {
    case .notAnObject: "Expected the template's variables as an object, found another value."
    case .notABoolean(let name): "Expected the template's variable \(name) to be true or false, found another value."
    case .reserved(let name):
      "The template's variable \(name) is what a conversation itself gives, expected another name."
    }
  }
}

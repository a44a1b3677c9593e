import OrderedCollections
import PowerInferJinja

/// How a model writes the calls that it wishes, as its chat template shows.
public enum ToolCallFormat: Sendable, Equatable {
  /// `<tool_call>{"name": …, "arguments": …}</tool_call>`, as Hermes, Qwen and others do.
  case tagged
  /// `[TOOL_CALLS] [{"name": …, "arguments": …}, …]`, as Mistral's models do.
  case listed
  /// The answer is `{"name": …, "parameters": …}` and nothing else, as Llama 3 does.
  case bare

  /// The format that a template uses; for templates that show none, the bare one.
  public init(template: String) {
    self = template.contains("<tool_call>") ? .tagged : template.contains("[TOOL_CALLS]") ? .listed : .bare
  }

  static let opening = "<tool_call>"
  static let closing = "</tool_call>"
  static let list = "[TOOL_CALLS]"

  /// The answers that call one of these tools and say nothing beside it.
  ///
  /// - Throws: ``GrammarError`` where a tool's parameters are a schema to which answers cannot be held.
  public func grammar(calling tools: [Tool]) throws(GrammarError) -> Grammar {
    let key = self == .bare ? "parameters" : "arguments"
    let calls = tools.map { tool -> Value in
      let parameters = tool.value.entries?["function"]?.entries?["parameters"] ?? ["type": "object"]
      let name: Value = ["const": .string(tool.name)]
      return [
        "type": "object", "properties": .dictionary(["name": name, key: parameters]),
        "required": ["name", .string(key)],
        "additionalProperties": false,
      ]
    }
    let call: Value = ["anyOf": .list(calls)]
    switch self {
    case .tagged: return try Grammar(schema: call, between: Self.opening + "\n", and: "\n" + Self.closing)
    case .listed:
      return try Grammar(
        schema: ["type": "array", "items": call, "minItems": 1, "maxItems": 1], between: Self.list, and: "")
    case .bare: return try Grammar(schema: call, between: "", and: "")
    }
  }
}

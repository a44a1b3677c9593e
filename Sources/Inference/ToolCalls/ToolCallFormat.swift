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
  /// The answer is `{"tool_call": {"name": …, "arguments": …}}` or `{"response": …}`: of models whose template shows no tools, which
  /// are told of them, and held to this form.
  case generic

  /// The format that a template uses which shows tools; where it shows none of these, the bare one.
  public init(template: String) {
    self = template.contains("<tool_call>") ? .tagged : template.contains("[TOOL_CALLS]") ? .listed : .bare
  }

  static let opening = "<tool_call>"
  static let closing = "</tool_call>"
  static let list = "[TOOL_CALLS]"
  static let marks = [opening, closing, list]

  /// The answers that call one of these tools and say nothing beside it.
  ///
  /// - Throws: ``GrammarError`` where a tool's parameters are a schema to which answers cannot be held.
  public func grammar(calling tools: [Tool]) throws(GrammarError) -> Grammar {
    let call = schema(calling: tools)
    func grammar(_ schema: Value, between before: String = "", and after: String = "") throws(GrammarError) -> Grammar {
      try Grammar(schema: Self.with(tools, schema), between: before, and: after)
    }
    switch self {
    case .tagged: return try grammar(call, between: Self.opening + "\n", and: "\n" + Self.closing)
    case .listed:
      return try grammar(["type": "array", "items": call, "minItems": 1, "maxItems": 1], between: Self.list)
    case .bare: return try grammar(call)
    case .generic: return try grammar(Self.object("tool_call", call))
    }
  }

  /// The answers in which whatever begins as a call is one of these tools' and complete; of the generic format, all that there are.
  ///
  /// - Throws: ``GrammarError`` where a tool's parameters are a schema to which answers cannot be held.
  public func grammar(offering tools: [Tool]) throws(GrammarError) -> Grammar {
    let call = schema(calling: tools)
    func grammar(
      _ schema: Value, and after: String = "", isSpaced: Bool = false, trigger: GrammarTrigger? = nil
    ) throws(GrammarError) -> Grammar {
      try Grammar(schema: Self.with(tools, schema), and: after, isSpaced: isSpaced, trigger: trigger)
    }
    switch self {
    case .tagged:
      return try grammar(call, and: Self.closing, isSpaced: true, trigger: .mark(Self.opening, isRepeated: true))
    case .listed:
      return try grammar(
        ["type": "array", "items": call, "minItems": 1], isSpaced: true, trigger: .mark(Self.list, isRepeated: false))
    case .bare: return try grammar(call, trigger: .beginning("{\"name\":"))
    case .generic:
      return try grammar([
        "anyOf": .list([Self.object("tool_call", call), Self.object("response", ["type": "string"])])
      ])
    }
  }

  private func schema(calling tools: [Tool]) -> Value {
    let key = self == .bare ? "parameters" : "arguments"
    let calls = tools.enumerated().map { index, tool -> Value in
      [
        "type": "object",
        "properties": .dictionary([
          "name": ["const": .string(tool.name)], key: ["$ref": .string(Self.place(of: index))],
        ]),
        "required": ["name", .string(key)],
        "additionalProperties": false,
      ]
    }
    return ["anyOf": .list(calls)]
  }

  private static func object(_ key: String, _ value: Value) -> Value {
    [
      "type": "object", "properties": .dictionary([key: value]), "required": [.string(key)],
      "additionalProperties": false,
    ]
  }

  // MARK: Parameters, whose references are to places in themselves

  private static func place(of index: Int) -> String { "#/$defs/tool-\(index)" }

  /// A schema with the tools' parameters among its definitions.
  private static func with(_ tools: [Tool], _ schema: Value) -> Value {
    var definitions: OrderedDictionary<String, Value> = [:]
    for (index, tool) in tools.enumerated() {
      let parameters = tool.value.entries?["function"]?.entries?["parameters"] ?? ["type": "object"]
      definitions["tool-\(index)"] = moved(parameters, to: place(of: index))
    }
    var entries = schema.entries ?? [:]
    entries["$defs"] = .dictionary(definitions)
    return .dictionary(entries)
  }

  private static func moved(_ schema: Value, to place: String) -> Value {
    switch schema {
    case .list(let elements): return .list(elements.map { moved($0, to: place) })
    case .dictionary(var entries):
      for (key, value) in entries {
        if key == "$ref", let target = value.text, target.hasPrefix("#") {
          entries[key] = .string(place + target.dropFirst())
        } else {
          entries[key] = moved(value, to: place)
        }
      }
      return .dictionary(entries)
    default: return schema
    }
  }

  /// What a model is told whose template shows no tools.
  static func instruction(_ tools: [Tool]) -> String {
    """
    You can call these functions:
    \(JSONText.text(of: .list(tools.map { $0.value.entries?["function"] ?? $0.value })))

    Answer in JSON and with nothing else. To call a function: {"tool_call": {"name": "...", "arguments": {...}}}. To answer: {"response": "..."}.
    """
  }
}

import OrderedCollections
package import PowerInferJinja

/// A function that a model may ask to have called.
///
/// ```swift
/// let weather = try Tool(
///   name: "weather", description: "The weather in a city",
///   parameters: #"{"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}"#)
/// let request = GenerationRequest(messages: [Message(.user, "How warm is it in Oslo?")], tools: [weather])
/// ```
///
/// As JSON it is OpenAI's tool: `{"type": "function", "function": {"name", "description", "parameters"}}`. What else an
/// object has is shown to the model, too.
public struct Tool: Sendable, Equatable {
  /// The whole object, as templates see it.
  let value: Value

  /// The function's name.
  public var name: String { Self.name(of: value) ?? "" }

  /// A tool that a program describes.
  ///
  /// - Parameters:
  ///   - name: the function's name.
  ///   - description: what it does, for the model.
  ///   - parameters: a JSON schema of its arguments; models see its keys in this order.
  /// - Throws: `JinjaError` where `parameters` is not JSON.
  public init(name: String, description: String? = nil, parameters: String = #"{"type": "object", "properties": {}}"#)
    throws
  {
    var function: OrderedDictionary<String, Value> = ["name": .string(name)]
    if let description { function["description"] = .string(description) }
    function["parameters"] = try Value(json: parameters)
    value = .dictionary(["type": "function", "function": .dictionary(function)])
  }

  /// A tool as a chat API describes it; models see keys in this order.
  ///
  /// - Throws: `JinjaError` where the text is not JSON; ``MessageError/notATool(found:)``.
  public init(json: String) throws { try self.init(Value(json: json)) }

  package init(_ value: Value) throws {
    guard Self.name(of: value) != nil else {
      let found: String =
        switch value {
        case .dictionary: "an object without it"
        case .list: "a list"
        case .string: "a text"
        case .none: "null"
        case .boolean, .integer, .double: "a number or truth value"
        }
      throw MessageError.notATool(found: found)
    }
    self.value = value
  }

  private static func name(of value: Value) -> String? { value.entries?["function"]?.entries?["name"]?.text }
}

extension Tool: Codable {
  /// Decoders do not keep the order of keys, which models see: these come in alphabetical order. ``init(json:)`` keeps it.
  ///
  /// - Throws: ``MessageError/notATool(found:)``, `DecodingError`.
  public init(from decoder: any Decoder) throws { try self.init(AnyJSON(from: decoder).value) }

  public func encode(to encoder: any Encoder) throws { try AnyJSON(value).encode(to: encoder) }
}

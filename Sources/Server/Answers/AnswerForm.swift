import OrderedCollections
import PowerInfer
import PowerInferJinja

/// What requests say of the form of their answers, in the words of each API. Read from the body itself: a schema's members keep
/// their order, in which answers then have them.
struct AnswerForm {
  private let body: Value

  /// - Throws: ``APIError`` where the body is not JSON.
  init(_ bytes: [UInt8]) throws {
    do {
      body = try Value(json: String(decoding: bytes, as: UTF8.self))
    } catch {
      throw APIError(.invalidRequest, "The body is not JSON: \(error)")
    }
  }

  /// OpenAI's `response_format`, or `text.format` of a response: a text, any object, or JSON of a schema.
  ///
  /// - Parameter path: names of members, from the body's on.
  /// - Throws: ``APIError``.
  func openAI(_ path: String...) throws -> Grammar? {
    var place: Value? = body
    for name in path { place = place?.entries?[name] }
    guard let format = place, format != .none else { return nil }
    let parameter = path.joined(separator: ".")
    switch format.entries?["type"]?.text {
    case "text": return nil
    // llama.cpp takes a schema here, too.
    case "json_object": return try format.entries?["schema"].map { try Self.schema($0, parameter) } ?? .jsonObject
    case "json_schema":
      guard let schema = format.entries?["json_schema"]?.entries?["schema"] ?? format.entries?["schema"] else {
        throw APIError(.invalidRequest, "The \(parameter) has no schema, expected one.", parameter: parameter)
      }
      return try Self.schema(schema, parameter)
    default:
      throw APIError(
        .invalidRequest, "The \(parameter) must be of type text, json_object or json_schema.", parameter: parameter)
    }
  }

  /// ollama's `format`: "json", or a schema.
  ///
  /// - Throws: ``APIError``.
  func ollama() throws -> Grammar? {
    switch body.entries?["format"] {
    case nil, .some(.none), .string(""): nil
    case .string("json"): .jsonObject
    case .some(let schema): try Self.schema(schema, "format")
    }
  }

  /// llama.cpp's `grammar` in GBNF, or `json_schema`.
  ///
  /// - Throws: ``APIError``.
  func llama() throws -> Grammar? {
    // Clients send null and an empty object for none.
    let given = body.entries?["json_schema"] ?? Value.none
    let hasSchema = given != Value.none && given != [:]
    if let text = body.entries?["grammar"]?.text, !text.isEmpty {
      guard !hasSchema else {
        throw APIError(
          .invalidRequest, "Either grammar or json_schema holds an answer, not both.", parameter: "grammar")
      }
      return try Self.refusing("grammar") { try Grammar(gbnf: text) }
    }
    return hasSchema ? try Self.schema(given, "json_schema") : nil
  }

  private static func schema(_ schema: Value, _ parameter: String) throws -> Grammar {
    try refusing(parameter) { try Grammar(schema: schema) }
  }

  private static func refusing(_ parameter: String, _ make: () throws -> Grammar) throws -> Grammar {
    do {
      return try make()
    } catch {
      throw APIError(.invalidRequest, "\(error)", parameter: parameter)
    }
  }
}

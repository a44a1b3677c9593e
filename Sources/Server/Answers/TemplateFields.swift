import OrderedCollections
import PowerInfer
import PowerInferJinja

extension TemplateVariables {
  /// What llama.cpp's `enable_thinking` and `chat_template_kwargs` tell the template. Read from the body itself: decoders do not keep
  /// the order of keys, which models may see.
  ///
  /// - Parameters:
  ///   - body: of the request.
  ///   - thinking: what the request says of it beside the variables.
  ///   - further: nil where the body has no variables.
  /// - Throws: ``APIError`` for what cannot be variables.
  static func read(_ body: [UInt8], thinking: Bool?, _ further: Anything?) throws -> TemplateVariables {
    guard further != nil else { return TemplateVariables(thinking: thinking) }
    let name = "chat_template_kwargs"
    do {
      let value = try Value(json: String(decoding: body, as: UTF8.self))
      return try TemplateVariables(value.entries?[name] ?? .none, thinking: thinking)
    } catch {
      throw APIError(.invalidRequest, "The value of \(name) cannot be used: \(error)", parameter: name)
    }
  }
}

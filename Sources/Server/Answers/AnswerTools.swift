import OrderedCollections
import PowerInfer
import PowerInferJinja

/// Whether and which tools a request wants called.
enum ToolChoice: Sendable, Equatable {
  case none, auto, required
  case function(String)

  /// Whether the answer has to be a call.
  var isForced: Bool { self != .none && self != .auto }
}

/// The tools of a request, and how its model calls them.
struct AnswerTools: Sendable {
  let tools: [Tool]
  /// nil where there are none.
  let format: ToolCallFormat?
  private let choice: ToolChoice

  /// - Parameters:
  ///   - tools: what the request names.
  ///   - choice: which of them it wants.
  ///   - model: who is to call them.
  init(_ tools: [Tool], _ choice: ToolChoice?, of model: ServedModel) {
    self.tools = choice == ToolChoice.none ? [] : tools
    self.choice = choice ?? .auto
    format = self.tools.isEmpty ? nil : model.toolCallFormat
  }

  /// What an answer is held to; nil where there are no tools.
  ///
  /// - Throws: ``APIError`` for a tool that is not there, and where a call is forced for parameters to which answers cannot be held.
  func grammar() throws -> Grammar? {
    guard let format else { return nil }
    var called = tools
    if case .function(let name) = choice {
      called = tools.filter { $0.name == name }
      guard !called.isEmpty else {
        throw APIError(.invalidRequest, "There is no tool \(name.debugDescription).", parameter: "tool_choice")
      }
    }
    do {
      // A model that may call is not stopped by parameters that no grammar holds.
      guard choice.isForced else { return try? format.grammar(offering: called) }
      return try format.grammar(calling: called)
    } catch {
      throw APIError(.invalidRequest, "The tools cannot be used: \(error)", parameter: "tools")
    }
  }

  /// Tools in a body, as OpenAI describes them. Read from the body itself: decoders do not keep the order of keys, which models see.
  ///
  /// - Throws: ``APIError`` where they are no tools.
  static func read(_ body: [UInt8], _ shape: (Value) -> Value = { $0 }) throws -> [Tool] {
    do {
      let value = try Value(json: String(decoding: body, as: UTF8.self))
      return try (value.entries?["tools"]?.elements ?? []).map { try Tool(shape($0)) }
    } catch {
      throw APIError(.invalidRequest, "The tools cannot be used: \(error)", parameter: "tools")
    }
  }
}

extension Service {
  /// Tells the parts of a model's answers apart.
  ///
  /// - Parameters:
  ///   - format: what the request says of reasoning; nil leaves it to the server.
  ///   - calls: how the model writes calls; nil where it was shown no tools.
  func parser(_ format: ReasoningOutput?, _ calls: ToolCallFormat?, of model: ServedModel) -> AnswerParser {
    let isApart = (format ?? options.reasoning) == .separate
    return AnswerParser(reasoning: isApart ? model.reasoningFormat ?? .think : nil, calls: calls)
  }
}

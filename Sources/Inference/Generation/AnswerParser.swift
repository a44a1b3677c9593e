/// Tells what a model thinks, what it says and what it wishes to have called, as its answer comes.
///
/// ```swift
/// var parser = AnswerParser(reasoning: .think, calls: .tagged)
/// for try await event in engine.generate(request) {
///   switch event {
///   case .started(let start): parser.begin(start)
///   case .text(let piece): show(parser.append(piece.text))
///   case .finished: show(parser.finish())
///   case .progress: break
///   }
/// }
/// ```
public struct AnswerParser: Sendable {
  /// What an answer consists of.
  public enum Part: Sendable, Equatable {
    case reasoning(String)
    case text(String)
    /// The name of a function, and a JSON object of its arguments.
    case call(name: String, arguments: String)
  }

  private let format: ReasoningFormat?
  private var reasoning: ReasoningParser?
  private var calls: ToolCallParser?

  /// - Parameters:
  ///   - reasoning: the model's marks; nil leaves its reasoning in the text.
  ///   - calls: how the model writes calls; nil where it was shown no tools.
  public init(reasoning: ReasoningFormat?, calls: ToolCallFormat?) {
    format = reasoning
    self.reasoning = reasoning.map { ReasoningParser(format: $0) }
    self.calls = calls.map { ToolCallParser(format: $0) }
  }

  /// Takes note of a prompt that has opened the reasoning.
  public mutating func begin(_ start: GenerationStart) {
    guard format != nil, let open = start.openReasoning else { return }
    reasoning = ReasoningParser(format: open, isInside: true)
  }

  /// Takes more of the answer.
  ///
  /// - Returns: what is certain now.
  public mutating func append(_ text: String) -> [Part] {
    guard let parts = reasoning?.append(text) else { return said(text) }
    return parts.flatMap { tell($0) }
  }

  /// What is left when the answer is complete.
  public mutating func finish() -> [Part] {
    let parts = (reasoning?.finish() ?? []).flatMap { tell($0) }
    return parts + (calls?.finish().map(Part.init) ?? [])
  }

  private mutating func tell(_ part: ReasoningParser.Part) -> [Part] {
    switch part {
    case .reasoning(let text): [.reasoning(text)]
    case .text(let text): said(text)
    }
  }

  private mutating func said(_ text: String) -> [Part] {
    calls?.append(text).map(Part.init) ?? (text.isEmpty ? [] : [.text(text)])
  }
}

extension AnswerParser.Part {
  init(_ part: ToolCallParser.Part) {
    switch part {
    case .text(let text): self = .text(text)
    case .call(let name, let arguments): self = .call(name: name, arguments: arguments)
    }
  }
}

/// A complete answer in its parts.
public struct ParsedAnswer: Sendable, Equatable {
  /// A function that the model wishes to have called.
  public struct Call: Sendable, Equatable {
    public var name: String
    /// A JSON object.
    public var arguments: String
  }

  /// What the model thought; empty where it did not, or was not asked apart.
  public private(set) var reasoning = ""
  /// What it said.
  public private(set) var text = ""
  /// What it wishes to have called.
  public private(set) var calls: [Call] = []

  /// - Parameters:
  ///   - text: the whole answer.
  ///   - start: how it began.
  ///   - parser: a new one.
  public init(_ text: String, _ start: GenerationStart?, _ parser: AnswerParser) {
    var parser = parser
    if let start { parser.begin(start) }
    self.init(parser.append(text) + parser.finish())
  }

  /// Some parts of an answer.
  ///
  /// - Parameter showsReasoning: whether what the model thought is among them.
  public init(_ parts: [AnswerParser.Part] = [], showsReasoning: Bool = true) {
    for part in parts { add(part) }
    if !showsReasoning { reasoning = "" }
  }

  /// The same without what the model thought.
  public var withoutReasoning: ParsedAnswer {
    var answer = self
    answer.reasoning = ""
    return answer
  }

  private mutating func add(_ part: AnswerParser.Part) {
    switch part {
    case .reasoning(let text): reasoning += text
    case .text(let text): self.text += text
    case .call(let name, let arguments): calls.append(Call(name: name, arguments: arguments))
    }
  }
}

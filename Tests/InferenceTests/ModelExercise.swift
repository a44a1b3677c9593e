import Foundation
import PowerInfer
import PowerInferGGUF
import PowerInferJinja
import PowerInferModel
import PowerInferSparsity

/// Does with a file everything that a program would, and holds the results against what must be true of any model.
struct ModelExercise {
  /// How far files came, by step; and errors by type and case.
  private(set) var reached: [String: Int] = [:]
  private(set) var refused: [String: Int] = [:]
  /// What should not have happened.
  private(set) var faults: [String] = []

  private static let text = "ab  abab\n\té 12345 it's <|im_end|> </s> 🦙\u{0} e\u{301}"

  mutating func run(_ bytes: [UInt8], number: Int) {
    guard let file = attempt("open", { try GGUFFile(bytes: bytes) }) else { return }
    template(file.metadata)
    guard let model = attempt("load", { try LanguageModel(file: file) }) else { return }
    let tokens = tokenize(model)
    var options = EngineOptions(contextSize: 6, threads: number % 64 == 0 ? 2 : 1, batchSize: 1 + number % 5)
    if number % 16 == 1 { options = EngineOptions(threads: 1) }
    let modes = SparsityMode.allCases
    options.sparsity.mode = modes[number / 3 % modes.count]
    options.sparsity.masksPrompts = number % 7 == 0
    let thresholds = (0..<model.configuration.layerCount).map { Float($0 % 3) / 10 }
    options.sparsity.gateThresholds = try? GateThresholds(thresholds: thresholds, target: 0.5, tokens: 1, text: "")
    var session = attempt(
      "session, \(options.sparsity.mode)", { try Engine(model: model, options: options).makeSequence() })
    if session == nil {
      options.sparsity.mode = .dense
      session = attempt("session", { try Engine(model: model, options: options).makeSequence() })
    }
    guard let session else { return }
    evaluate(session, tokens)
  }

  // MARK: Steps

  private mutating func template(_ metadata: Metadata) {
    var limits = Limits()
    limits.steps = 2000
    limits.text = 1 << 16
    limits.elements = 2000
    limits.work = 1 << 20
    let messages = [ChatMessage.system("é"), .user("a"), .assistant("b"), .user(Self.text)]
    _ = attempt("template") {
      try ChatTemplate(metadata: metadata).render(
        messages: messages, clock: .fixed(Date(timeIntervalSince1970: 0)), limits: limits)
    }
  }

  private mutating func tokenize(_ model: LanguageModel) -> [Int32] {
    let tokenizer = model.tokenizer
    let count = Int32(tokenizer.count)
    expect(tokenizer.count == model.configuration.vocabularySize, "the tokenizer has another number of tokens")
    let tokens =
      tokenizer.encode(Self.text, parseSpecial: true) + tokenizer.encode(Self.text, addSpecial: false)
      + tokenizer.encode(bytes: [0x61, 0xC3, 0xFF, 0x20, 0xF0, 0x9F, 0x61, 0])
    expect(tokens.allSatisfy { $0 >= 0 && $0 < count }, "encoding gave a token that is none")
    for renderSpecial in [false, true] {
      var streaming = StreamingDetokenizer(tokenizer, renderSpecial: renderSpecial)
      let all = tokens + [-1, count, .max, .min] + (0..<min(count, 64))
      let text = all.map { streaming.append($0) }.joined() + streaming.finish()
      expect(text == tokenizer.decode(all, renderSpecial: renderSpecial), "streaming gave another text")
    }
    expect(tokenizer.endOfGenerationTokens.allSatisfy { $0 >= 0 && $0 < count }, "an end is no token")
    return tokens
  }

  private mutating func evaluate(_ session: TokenSequence, _ tokens: [Int32]) {
    let width = session.engine.model.configuration.vocabularySize
    let room = min(session.contextSize, 6)
    let prompt = Array((tokens + [0, 0, 0, 0]).prefix(max(1, room - 2)))
    guard attempt("evaluate", { try session.evaluate(prompt).count }) == width else {
      expect(false, "a prompt that fits was refused")
      return
    }
    expect(session.position == prompt.count, "the position is wrong")
    if session.position < session.contextSize {
      _ = attempt("decode") {
        let token = try session.evaluate([0]) { logits in
          _ = LogitsSummary(logits, top: 3)
          var sampler = try Sampler(SamplingOptions())
          return try sampler.sample(logits)
        }
        guard let token, token >= 0, token < width else { throw Fault(description: "No token \(token as Any).") }
        return token
      }
    }
    session.truncate(to: 1)
    _ = attempt("each") {
      try session.evaluateEach(Array(prompt.prefix(session.contextSize - session.position))) { _, _ in }
    }
    do {
      _ = try session.evaluate([Int32](repeating: 0, count: session.contextSize - session.position + 1))
      expect(false, "more tokens than fit were taken")
    } catch {
      note(error)
    }
  }

  private struct Fault: Error, CustomStringConvertible { let description: String }

  private mutating func attempt<Result>(_ step: String, _ body: () throws -> Result) -> Result? {
    do {
      let result = try body()
      reached[step, default: 0] += 1
      return result
    } catch {
      note(error)
      return nil
    }
  }

  /// Every error is one of ours and a sentence.
  private mutating func note(_ error: any Error) {
    let kind = "\(type(of: error))." + (Mirror(reflecting: error).children.first?.label ?? "")
    refused[kind, default: 0] += 1
    let isOurs =
      error is GGUFError || error is ModelError || error is VocabularyError || error is ChatTemplateError
      || error is JinjaError || error is EngineError || error is SparsityError || error is NeuronRecordError
      || error is SamplingError
    expect(isOurs, "\(error)")
    if isOurs, !(error is JinjaError) {
      let text = "\(error)"
      expect(text.hasSuffix(".") && text.utf8.count < 5000 && !text.contains("\n"), text)
    }
  }

  private mutating func expect(_ condition: Bool, _ fault: @autoclosure () -> String) {
    if !condition, faults.count < 20 { faults.append(String(fault().prefix(500))) }
  }
}

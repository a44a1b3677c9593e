import ArgumentParser
import Foundation
import PowerInfer
import PowerInferSparsity

/// `powerinfer logits`: the numbers behind an answer, to compare with another loaded.
struct Logits: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Print the logits after a text, to compare with another loaded.",
    discussion: """
      For the last position, or for every one with --all: the greatest logits, log-sum-exp (a logit minus this is the \
      log of the token's probability) and the SHA-256 hash of all logits as little-endian 32-bit floats. With --sparsity \
      predictor or threshold every token leaves out the neurons that decoding leaves out, as no prompt of run does.

      Examples:
        powerinfer logits -m model.gguf --tokens 504,3575,282 --top 20 --json
        powerinfer logits "The capital of France is"
        powerinfer logits -f text.txt --all --top 1
      """)

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Token ids, separated by commas; they are evaluated as they are.", valueName: "ids"))
  var tokens: String?

  @OptionGroup var promptOptions: PromptOptions

  @Option(
    parsing: .unconditional, help: ArgumentHelp("How many of the greatest logits to print.", valueName: "n"))
  var top = 10

  @Flag(help: "Every position, not only the last.")
  var all = false

  @Flag(help: "Print JSON.")
  var json = false

  @OptionGroup(title: "Model") var modelOptions: ModelOptions

  func validate() throws {
    if (tokens != nil) == promptOptions.isGiven {
      throw ValidationError("Give either tokens (--tokens) or a text (as an argument, with --prompt or with --file).")
    }
    if top < 0 { throw ValidationError("The option --top must be 0 or more, but it is \(top).") }
    if let tokens { _ = try Self.parse(tokens) }
  }

  func run() throws {
    var options = try modelOptions.resolve()
    options.sparsity.options.masksPrompts = true
    let loaded = try LoadedModel(options)
    let ids = try readTokens(loaded)
    guard !ids.isEmpty else { throw GenerationError.emptyPrompt }
    var positions: [Position] = []
    func add(_ index: Int, _ logits: UnsafeBufferPointer<Float>) {
      let summary = LogitsSummary(logits, top: top)
      positions.append(
        Position(
          position: index, token: ids[index], logSumExp: summary.logSumExp, sha256: summary.sha256,
          top: summary.top.map { Entry(token: $0.token, logit: $0.logit, text: loaded.text(of: $0.token)) }))
    }
    if all {
      try loaded.sequence.evaluateEach(ids, body: add)
    } else {
      try loaded.sequence.evaluate(ids) { add(ids.count - 1, $0) }
    }
    let report = Report(
      model: loaded.name, vocabularySize: loaded.vocabularySize, tokens: ids, positions: positions)
    try StandardOutput.write(json ? JSON.text(report) + "\n" : text(report, loaded))
  }

  private func readTokens(_ loaded: LoadedModel) throws -> [Int32] {
    if let tokens { return try Self.parse(tokens) }
    return loaded.tokens(of: try promptOptions.text() ?? "")
  }

  /// Ids separated by commas and blanks.
  static func parse(_ text: String) throws -> [Int32] {
    try text.split { $0 == "," || $0.isWhitespace }.map { word in
      guard let id = Int32(word), id >= 0 else {
        throw ValidationError("\"\(word)\" is no token id; expected numbers such as 504,3575,282.")
      }
      return id
    }
  }

  struct Entry: Encodable {
    var token: Int32
    var logit: Float
    var text: String
  }

  struct Position: Encodable {
    var position: Int
    var token: Int32
    var logSumExp: Double
    var sha256: String
    var top: [Entry]
  }

  struct Report: Encodable {
    var model: String
    var vocabularySize: Int
    var tokens: [Int32]
    var positions: [Position]
  }

  private func text(_ report: Report, _ loaded: LoadedModel) -> String {
    report.positions.map { position in
      let head =
        "position \(position.position), after token \(position.token) \(loaded.text(of: position.token).debugDescription)"
        + "\nlog-sum-exp \(String(format: "%.6f", position.logSumExp))\nsha-256 \(position.sha256)\n"
      return position.top.reduce(head) { text, entry in
        text + String(format: "%8d %12.6f  ", Int(entry.token), entry.logit) + entry.text.debugDescription + "\n"
      }
    }.joined(separator: "\n")
  }
}

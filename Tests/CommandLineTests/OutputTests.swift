import Foundation
import PowerInfer
import PowerInferSparsity
import Testing

@testable import PowerInferCommandLine
@testable import PowerInferLineEditing

@Suite struct OutputTests {
  private func result(_ reason: FinishReason, stop: String? = nil, _ set: (inout GenerationStatistics) -> Void)
    -> GenerationResult
  {
    var statistics = GenerationStatistics()
    set(&statistics)
    return GenerationResult(
      text: "t", tokens: [1, 2], finishReason: reason, stopString: stop, statistics: statistics)
  }

  @Test func aSummaryIsOneLine() {
    let full = result(.contextFull) {
      $0.promptTokens = 30
      $0.reusedTokens = 10
      $0.readTokens = 20
      $0.promptTime = 0.1
      $0.timeToFirstToken = 0.1234
      $0.generatedTokens = 101
      $0.decodeTime = 2
    }
    #expect(
      Summary.line(full, contextSize: 131)
        == "prompt 30 tokens (10 cached) at 200.0 tok/s | first token after 123 ms | answer 101 tokens at 50.0 tok/s "
        + "| ended: the context of 131 tokens is full")
    let short = result(.stop) {
      $0.promptTokens = 1
      $0.timeToFirstToken = 1.5
      $0.generatedTokens = 1
    }
    #expect(Summary.line(short, contextSize: 8) == "prompt 1 token | first token after 1.50 s | answer 1 token")
    #expect(Summary.ending(result(.stopString, stop: "a\n") { _ in }, contextSize: 8) == #"ended at "a\n""#)
    #expect(Summary.ending(result(.cancelled) { _ in }, contextSize: 8) == "cancelled")
    // Of a prompt that was cut short, what was read.
    let cut = result(.cancelled) {
      $0.promptTokens = 9031
      $0.readTokens = 512
      $0.promptTime = 2
    }
    #expect(
      Summary.line(cut, contextSize: 10_000)
        == "prompt 512 of 9031 tokens at 256.0 tok/s | answer 0 tokens | cancelled")
    #expect(Summary.ending(result(.length) { _ in }, contextSize: 8) == "ended at the limit of --predict")
  }

  @Test func aReportIsJSON() throws {
    let report = AnswerReport(
      model: "m/x.gguf", seed: 7, result: result(.stopString, stop: "END") { $0.promptTokens = 3 },
      sparsity: Self.predicted)
    let text = try JSON.text(report, pretty: false)
    #expect(!text.contains("\n") && text.contains("m/x.gguf"))
    let object = try #require(JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    #expect(object["finishReason"] as? String == "stopString" && object["stopString"] as? String == "END")
    #expect(object["seed"] as? Int == 7 && object["tokens"] as? [Int] == [1, 2])
    #expect((object["statistics"] as? [String: Any])?["promptTokens"] as? Int == 3)
    let sparsity = try #require(object["sparsity"] as? [String: Any])
    #expect(sparsity["mode"] as? String == "predictor" && sparsity["active"] as? Double == 0.25)
    #expect(sparsity["computed"] as? Double == 0.5 && sparsity["hitRate"] as? Double == 0.5)
    #expect(sparsity["sources"] as? [String] == ["predictor", "predictor", "dense"])
  }

  private static let predicted = SparsityReport(
    mode: .predictor,
    layers: [
      .init(source: .predictor, tokens: 3, computed: 0.75, active: 0.5, microsecondsPerToken: 1.5),
      .init(source: .predictor, tokens: 3, computed: 0.25, active: 0),
      .init(source: .dense, tokens: 0, computed: nil, active: nil),
    ])

  /// Layers that made no list are no part of the shares.
  @Test func aSummaryOfNeurons() {
    #expect(
      Summary.line(Self.predicted)
        == "neurons by predictor and dense: 25.0 % active, 50.0 % computed, hit rate 50.0 %")
    let gate = SparsityReport(
      mode: .auto, layers: [.init(source: .gate, tokens: 1, computed: 0.1, active: 0.1)], choice: "Why.")
    #expect(Summary.line(gate) == "neurons by gate: 10.0 % active | Why.")
    #expect(Summary.line(SparsityReport(mode: .dense, layers: [])) == nil)
    #expect(
      Self.predicted.markdown.split(separator: "\n").suffix(4) == [
        "|     0 | predictor |     50.0 |       75.0 |       66.7 |      1.5 |",
        "|     1 | predictor |      0.0 |       25.0 |        0.0 |          |",
        "|     2 | dense     |          |            |            |          |",
        "|   all | predictor |     25.0 |       50.0 |       50.0 |      1.5 |",
      ])
  }

  @Test func coloursNeedATerminalThatWantsThem() {
    #expect(Style(isTerminal: true, environment: Environment(["TERM": "xterm"])).bold("a") == "\u{1B}[1ma\u{1B}[0m")
    #expect(Style(isTerminal: true, environment: Environment(["TERM": "xterm", "NO_COLOR": "1"])).bold("a") == "a")
    #expect(Style(isTerminal: true, environment: Environment(["TERM": "dumb"])).red("a") == "a")
    #expect(Style(isTerminal: false, environment: Environment(["TERM": "xterm"])).dim("a") == "a")
  }

  @Test func aProgressBarWaitsASecondAndLeavesNoTrace() {
    var time = 0.0
    var shown = ""
    let bar = ProgressBar("Reading", isEnabled: true, columns: { 40 }, now: { time }, write: { shown += $0 })
    bar.update(1, of: 100)
    time = 0.9
    bar.update(20, of: 100)
    bar.finish()
    #expect(shown == "")
    time = 1.1
    bar.update(25, of: 100)
    #expect(shown == "\r\u{1B}[KReading ━━━━━──────────────── 25/100 ")
    shown = ""
    time = 1.15
    bar.update(26, of: 100)
    #expect(shown == "")
    bar.finish()
    bar.finish()
    #expect(shown == "\r\u{1B}[K")
  }

  @Test func noProgressBarWithoutATerminal() {
    var time = 0.0
    var shown = ""
    let bar = ProgressBar("Reading", isEnabled: false, now: { time }, write: { shown += $0 })
    time = 5
    bar.update(1, of: 2)
    bar.finish()
    #expect(shown == "")
  }

  @Test func unitsAreLlamaBenchs() {
    #expect(Units.bytes(3_825_065_984) == "3.56 GiB" && Units.weights(6_738_415_616) == "6.74 B")
    #expect(Units.parameters(134_515_008) == "135M" && Units.parameters(6_738_415_616) == "7B")
    #expect(Units.parameters(12_000) == "12K")
  }

  /// Widths by Python's wcwidth package.
  @Test(arguments: [
    ("a", 1), ("é", 1), ("e\u{301}", 1), ("日", 2), ("ｱ", 1), ("Ａ", 2), ("한", 2), ("👍", 2), ("👍🏽", 2), ("👨‍👩‍👧", 2), ("🇫🇷", 2),
    ("\u{200B}", 0), ("❤️", 2), ("…", 1), ("─", 1),
  ]) func charactersHaveWidths(text: String, width: Int) {
    #expect(DisplayWidth.of(text) == width)
  }
}

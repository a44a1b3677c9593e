import Foundation
import PowerInfer
import PowerInferSparsity

/// What an answer cost, in one line for a person.
enum Summary {
  static func line(_ result: GenerationResult, contextSize: Int) -> String {
    let statistics = result.statistics
    var parts: [String] = []
    let known = statistics.reusedTokens + statistics.readTokens
    let read = result.finishReason == .cancelled && known < statistics.promptTokens ? "\(known) of " : ""
    var prompt = "prompt \(read)\(count(statistics.promptTokens, "token"))"
    if statistics.reusedTokens > 0 { prompt += " (\(statistics.reusedTokens) cached)" }
    if let speed = statistics.promptTokensPerSecond { prompt += " at \(number(speed)) tok/s" }
    parts.append(prompt)
    if let time = statistics.timeToFirstToken { parts.append("first token after \(seconds(time))") }
    var answer = "answer \(count(statistics.generatedTokens, "token"))"
    if let speed = statistics.decodeTokensPerSecond { answer += " at \(number(speed)) tok/s" }
    parts.append(answer)
    if let ending = ending(result, contextSize: contextSize) { parts.append(ending) }
    return parts.joined(separator: " | ")
  }

  /// Which neurons an answer took, in one line for a person; nil where nothing was chosen.
  static func line(_ report: SparsityReport) -> String? {
    var parts: [String] = []
    if let active = report.active, let computed = report.computed {
      func percent(_ share: Double) -> String { number(share * 100) + " %" }
      let sources = SparsityMode.allCases.filter { mode in report.layers.contains { $0.source == mode } }
      var part = "neurons by \(sources.map(\.rawValue).joined(separator: " and ")): \(percent(active)) active"
      if let hitRate = report.hitRate, computed > active {
        part += ", \(percent(computed)) computed, hit rate \(percent(hitRate))"
      }
      parts.append(part)
    }
    if let choice = report.choice { parts.append(choice) }
    return parts.isEmpty ? nil : parts.joined(separator: " | ")
  }

  /// Why the answer is not as long as the model wanted it; nil where it is.
  static func ending(_ result: GenerationResult, contextSize: Int) -> String? {
    switch result.finishReason {
    case .stop: nil
    case .stopString: result.stopString.map { "ended at \($0.debugDescription)" }
    case .length: "ended at the limit of --predict"
    case .contextFull: "ended: the context of \(count(contextSize, "token")) is full"
    case .cacheFull: "ended: the key/value cache is full"
    case .cancelled: "cancelled"
    }
  }

  static func number(_ value: Double) -> String {
    String(format: "%.1f", value)
  }

  private static func seconds(_ value: Double) -> String {
    value < 1 ? String(format: "%.0f ms", value * 1000) : String(format: "%.2f s", value)
  }

  private static func count(_ value: Int, _ noun: String) -> String {
    "\(value) \(noun)\(value == 1 ? "" : "s")"
  }
}

import ArgumentParser
import Foundation
import PowerInfer
import PowerInferPlatform

/// What `bench -npl` measures: several sequences at a time, in the columns of llama-batched-bench.
struct BatchedBenchFlags: ParsableArguments {
  @Option(
    name: [.customLong("npl", withSingleDash: true), .customLong("n-parallel")], parsing: .unconditional,
    help: ArgumentHelp("Sequences decoded together, one or several numbers.", valueName: "n,…"))
  var sequences: NumberList?

  @Option(
    name: [.customLong("npp", withSingleDash: true)], parsing: .unconditional,
    help: ArgumentHelp("With -npl, tokens of each prompt. (default: 64)", valueName: "n,…"))
  var promptTokens: NumberList?

  @Option(
    name: [.customLong("ntg", withSingleDash: true)], parsing: .unconditional,
    help: ArgumentHelp("With -npl, tokens of each answer. (default: 32)", valueName: "n,…"))
  var answerTokens: NumberList?

  @Flag(
    name: [.customLong("pps", withSingleDash: true)],
    help: "With -npl, all sequences share one prompt, which is read once.")
  var sharesPrompt = false

  /// Whether one of them was given.
  var isAsked: Bool { sequences != nil }

  func validate() throws {
    guard sequences == nil else {
      for (name, list) in [("npl", sequences), ("npp", promptTokens)] where list?.numbers.contains(0) == true {
        throw ValidationError("The option -\(name) takes numbers of 1 or more.")
      }
      return
    }
    for (name, isGiven) in [("npp", promptTokens != nil), ("ntg", answerTokens != nil), ("pps", sharesPrompt)]
    where isGiven {
      throw ValidationError("The option -\(name) belongs to -npl, which says how many sequences there are.")
    }
  }

  /// Every combination, as llama-batched-bench orders them.
  var tests: [BatchedSpeedTest] {
    (promptTokens ?? NumberList([64])).numbers.flatMap { prompt in
      (answerTokens ?? NumberList([32])).numbers.flatMap { answer in
        (sequences?.numbers ?? []).map {
          BatchedSpeedTest(promptTokens: prompt, answerTokens: answer, sequences: $0, sharesPrompt: sharesPrompt)
        }
      }
    }
  }
}

/// Runs such tests and prints a row for each as it is done; as JSON, all of them at the end.
struct BatchedBench {
  let format: ResultFormat
  let repetitions: Int
  private var rows: [Row] = []

  init(format: ResultFormat, repetitions: Int) {
    self.format = format
    self.repetitions = repetitions
  }

  mutating func run(_ tests: [BatchedSpeedTest], on loaded: LoadedModel) throws {
    let columns = [
      ("PP", 6), ("TG", 6), ("B", 4), ("N_KV", 6), ("T_PP s", 8), ("S_PP t/s", 8), ("T_TG s", 8), ("S_TG t/s", 8),
      ("T s", 8), ("S t/s", 8),
    ]
    let table = TextTable(columns: columns.map { TextTable.Column(title: $0.0, width: $0.1) })
    switch format {
    case .markdown: try StandardOutput.write(table.heading)
    case .csv where rows.isEmpty: try StandardOutput.write("pp,tg,pl,n_kv,t_pp,speed_pp,t_tg,speed_tg,t,speed\n")
    case .csv, .json: break
    }
    for test in tests {
      let row = Row(threads: loaded.engine.threads, outcome: try median(test, loaded.engine))
      rows.append(row)
      defer { if format == .markdown { StandardOutput.note(ProfileReport.text(loaded.engine.profileReports)) } }
      switch format {
      case .markdown: try StandardOutput.write(table.line(row.cells))
      case .csv: try StandardOutput.write(row.cells.joined(separator: ",") + "\n")
      case .json: break
      }
    }
  }

  func finish() throws {
    if format == .json { try StandardOutput.write(JSON.text(rows) + "\n") }
  }

  /// The run of median speed, after one to warm up.
  private func median(_ test: BatchedSpeedTest, _ engine: Engine) throws -> BatchedSpeedTest.Outcome {
    let first = try test.run(on: engine)
    engine.resetMeasurements()
    let runs = try (0..<repetitions).map { _ in try test.run(on: engine) }.sorted { $0.time < $1.time }
    return runs.isEmpty ? first : runs[runs.count / 2]
  }

  private struct Row: Encodable {
    let threads: Int
    let outcome: BatchedSpeedTest.Outcome

    var cells: [String] {
      func number(_ value: Double, _ digits: Int) -> String { String(format: "%.\(digits)f", value) }
      return [outcome.pp, outcome.tg, outcome.pl, outcome.keyValueTokens].map { "\($0)" } + [
        number(outcome.promptTime, 3), number(outcome.promptSpeed, 2), number(outcome.answerTime, 3),
        number(outcome.answerSpeed, 2), number(outcome.time, 3), number(outcome.speed, 2),
      ]
    }

    enum CodingKeys: String, CodingKey {
      case threads = "n_threads"
      case pp, tg, pl
      case keyValueTokens = "n_kv"
      case promptTime = "t_pp"
      case promptSpeed = "speed_pp"
      case answerTime = "t_tg"
      case answerSpeed = "speed_tg"
      case time = "t"
      case speed
    }

    func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(threads, forKey: .threads)
      try container.encode(outcome.pp, forKey: .pp)
      try container.encode(outcome.tg, forKey: .tg)
      try container.encode(outcome.pl, forKey: .pl)
      try container.encode(outcome.keyValueTokens, forKey: .keyValueTokens)
      try container.encode(outcome.promptTime, forKey: .promptTime)
      try container.encode(outcome.promptSpeed, forKey: .promptSpeed)
      try container.encode(outcome.answerTime, forKey: .answerTime)
      try container.encode(outcome.answerSpeed, forKey: .answerSpeed)
      try container.encode(outcome.time, forKey: .time)
      try container.encode(outcome.speed, forKey: .speed)
    }
  }
}

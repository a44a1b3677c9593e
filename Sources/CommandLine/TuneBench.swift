import Foundation
import PowerInfer
import PowerInferKernels
import PowerInferModel
import PowerInferPlatform

/// `powerinfer bench --tune`: how fast each way of reading a model's weights is, and which one is taken.
struct TuneBench {
  static let layout = TextTable(columns: [
    .init(title: "rows", width: 12, isRightAligned: false), .init(title: "threads", width: 7),
    .init(title: "isa", width: 8, isRightAligned: false), .init(title: "at a time", width: 9),
    .init(title: "bytes ahead", width: 11), .init(title: "into cache", width: 10),
    .init(title: "median GB/s", width: 11), .init(title: "taken", width: 5),
  ])

  var format: ResultFormat
  var write: (String) throws -> Void = StandardOutput.write

  func run(_ model: LanguageModel, threads counts: [Int]) throws {
    let kernels = Kernels.active
    let trial = RowReadingTrial(model.weights.decodedMatrices, kernels: kernels)
    guard !trial.kinds.isEmpty else {
      StandardOutput.note(
        "There is nothing to choose: the weights take less than \(Units.bytes(RowReadingTrial.leastBytes)), which caches hold.\n"
      )
      return
    }
    if format == .markdown { try write(Self.layout.heading) }
    var records: [Record] = []
    for count in counts {
      let team = ThreadTeam(workers: count)
      for kind in trial.kinds {
        guard let result = trial.run(kind, on: team) else { continue }
        for (reading, speed) in result.speeds {
          let isTaken = reading == result.chosen
          let record = Self.record(kind, threads: team.count, reading, speed, isTaken: isTaken)
          switch format {
          case .markdown: try write(Self.line(kind, threads: team.count, reading, speed, isTaken: isTaken))
          case .csv: try write((records.isEmpty ? CSV.heading(record) : "") + CSV.line(record))
          case .json: break
          }
          records.append(record)
        }
      }
    }
    if format == .json { try write(JSON.text(records) + "\n") }
  }

  private static func name(_ kind: RowKind) -> String {
    "\(kind.format) \(kind.length)" + (kind.isStriped ? " stripes" : "")
  }

  private static func line(
    _ kind: RowKind, threads: Int, _ reading: RowReading, _ speed: Double, isTaken: Bool
  ) -> String {
    layout.line([
      name(kind), "\(threads)", InstructionSet.active.rawValue, "\(reading.tile)", "\(reading.ahead)",
      reading.ahead == 0 ? "" : "\(reading.cache)",
      String(format: "%.2f", speed / 1e9), isTaken ? "yes" : "",
    ])
  }

  private static func record(
    _ kind: RowKind, threads: Int, _ reading: RowReading, _ speed: Double, isTaken: Bool
  ) -> Record {
    Record(fields: [
      "cpu_info": Processors.name.map { .text($0) } ?? .none,
      "instruction_set": .text(InstructionSet.active.rawValue),
      "rows": .text(name(kind)),
      "n_threads": .integer(threads),
      "rows_at_a_time": .integer(reading.tile),
      "bytes_ahead": .integer(reading.ahead),
      "into_cache": .integer(reading.cache),
      "median_gb_per_s": .real(speed / 1e9),
      "is_taken": .integer(isTaken ? 1 : 0),
    ])
  }
}

import Foundation
import PowerInfer
import PowerInferKernels
import PowerInferPlatform

/// `powerinfer bench --membw`: how fast this machine reads and writes memory.
struct MemoryBench {
  static let layout = TextTable(columns: [
    .init(title: "test", width: 6, isRightAligned: false), .init(title: "threads", width: 7),
    .init(title: "isa", width: 8, isRightAligned: false), .init(title: "buffer", width: 10),
    .init(title: "best GB/s", width: 9), .init(title: "median GB/s", width: 11),
  ])

  var format: ResultFormat
  /// Bytes to go through.
  var bytes = MemoryBandwidth.sufficientBytes
  /// To spend on each test.
  var seconds = 0.5
  var write: (String) throws -> Void = StandardOutput.write

  /// One, two, … threads up to eight, then twice as many each time, and as many as there are cores.
  static func threadCounts(cores: Int) -> [Int] {
    let doubling = sequence(first: 16) { $0 * 2 }.prefix { $0 < cores }
    return Array(1...max(1, min(cores, 8))) + doubling + (cores > 8 ? [cores] : [])
  }

  /// - Throws: `MemoryBandwidthError`.
  func run(threads counts: [Int]) throws {
    if format == .markdown { try write(Self.layout.heading) }
    var records: [Record] = []
    for count in counts {
      let team = ThreadTeam(workers: count)
      for kind in MemoryBandwidth.Kind.allCases {
        let result = try MemoryBandwidth.measure(kind, on: team, bytes: bytes, seconds: seconds)
        let record = Self.record(result)
        switch format {
        case .markdown: try write(Self.markdown(result))
        case .csv: try write((records.isEmpty ? CSV.heading(record) : "") + CSV.line(record))
        case .json: break
        }
        records.append(record)
      }
    }
    if format == .json { try write(JSON.text(records) + "\n") }
  }

  static func record(_ result: MemoryBandwidth) -> Record {
    Record(fields: [
      "cpu_info": Processors.name.map { .text($0) } ?? .none,
      "instruction_set": .text(InstructionSet.active.rawValue),
      "test": .text(result.kind.rawValue),
      "n_threads": .integer(result.threads),
      "buffer_bytes": .integer(result.bufferBytes),
      "best_gb_per_s": .real(result.best / 1e9),
      "median_gb_per_s": .real(result.median / 1e9),
      "samples_gb_per_s": .reals(result.passes.map { $0 / 1e9 }),
    ])
  }

  static func markdown(_ result: MemoryBandwidth) -> String {
    layout.line([
      result.kind.rawValue, "\(result.threads)", InstructionSet.active.rawValue, Units.bytes(result.bufferBytes),
      String(format: "%.2f", result.best / 1e9), String(format: "%.2f", result.median / 1e9),
    ])
  }
}

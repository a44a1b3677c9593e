import ArgumentParser
import Foundation
import PowerInfer
import PowerInferKernels
import PowerInferPlatform
import PowerInferSparsity

/// A result of a benchmark, in llama-bench's columns and some of our own.
struct BenchRow: Encodable {
  var test: SpeedTest
  var model: String
  var file: String
  var modelBytes: Int
  var modelParameters: Int
  var threads: Int
  var batchSize: Int
  var cache = CacheOptions.Resolved()
  /// When the test began, as ISO 8601 has it.
  var time: String
  /// Where it ran, if not on the processor.
  var gpu: String?
  /// Tokens per second of each run.
  var samples: [Double]
  /// Bytes that decoding a token reads, on average; nil for prompts.
  var bytesPerToken: Double?
  /// Which neurons decoding took.
  var sparsity: SparsityReport?
  /// Whether ``bytesPerToken`` counts weights that silent neurons spare.
  var bytesAreBound = false
  /// Bytes per second that as many threads read at best.
  var bandwidth: Double?
  /// Floating-point operations of a prompt; nil for decoding.
  var operations: Int?
  var profile: ProfileReport?

  /// Tokens per second.
  var speed: Spread { Spread(samples) }

  var bytesPerSecond: Double? { bytesPerToken.map { $0 * speed.mean } }
  var bandwidthShare: Double? { bytesPerSecond.flatMap { bytes in bandwidth.map { bytes / $0 } } }
  var operationsPerSecond: Double? {
    operations.map { Double($0) / Double(max(test.tokens, 1)) * speed.mean }
  }

  var record: Record {
    let nanoseconds = samples.map { $0 > 0 ? Double(test.tokens) / $0 * 1e9 : 0 }
    let time = Spread(nanoseconds)
    return Record(fields: [
      "version": .text(PowerInfer.configuration.version),
      "cpu_info": Processors.name.map { .text($0) } ?? .none,
      "instruction_set": .text(InstructionSet.active.rawValue),
      "backends": .text(gpu == nil ? "CPU" : "Vulkan"), "gpu_info": gpu.map { .text($0) } ?? .none,
      "model_filename": .text(file),
      "model_type": .text(model),
      "model_size": .integer(modelBytes),
      "model_n_params": .integer(modelParameters),
      "n_batch": .integer(batchSize),
      "n_threads": .integer(threads),
      "type_k": .text(cache.keys.rawValue),
      "type_v": .text(cache.values.rawValue),
      "n_prompt": .integer(test.kind == .prompt ? test.tokens : 0),
      "n_gen": .integer(test.kind == .decode ? test.tokens : 0),
      "n_depth": .integer(test.depth),
      "test_time": .text(self.time),
      "avg_ns": .integer(Int(time.mean.rounded())),
      "stddev_ns": .integer(Int(time.deviation.rounded())),
      "avg_ts": .real(speed.mean),
      "stddev_ts": .real(speed.deviation),
      "samples_ns": .reals(nanoseconds.map { $0.rounded() }),
      "samples_ts": .reals(samples),
      "bytes_per_token": Record.Value(bytesPerToken),
      "bytes_are_bound": bytesPerToken == nil ? .none : .integer(bytesAreBound ? 1 : 0),
      "gb_per_s": Record.Value(bytesPerSecond.map { $0 / 1e9 }),
      "bandwidth_gb_per_s": Record.Value(bandwidth.map { $0 / 1e9 }),
      "bandwidth_share": Record.Value(bandwidthShare),
      "gflop_per_s": Record.Value(operationsPerSecond.map { $0 / 1e9 }),
      "sparsity": sparsity.map { .text($0.mode.rawValue) } ?? .none,
      "active_share": Record.Value(sparsity?.active),
      "computed_share": Record.Value(sparsity?.computed),
    ])
  }

  private enum CodingKeys: CodingKey { case profile }

  func encode(to encoder: any Encoder) throws {
    try record.encode(to: encoder)
    guard let profile else { return }
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(profile, forKey: .profile)
  }

  /// A line of the table. "≤" marks what is a bound.
  var markdown: String {
    let bound = bytesAreBound ? "≤ " : ""
    return BenchTable.layout.line([
      model, Units.bytes(modelBytes), Units.weights(modelParameters), gpu == nil ? "CPU" : "Vulkan", "\(threads)",
      test.name,
      String(format: "%.2f ± %.2f", speed.mean, speed.deviation),
      bytesPerSecond.map { bound + String(format: "%.2f", $0 / 1e9) } ?? "",
      bandwidthShare.map { bound + String(format: "%.0f %%", $0 * 100) } ?? "",
      operationsPerSecond.map { String(format: "%.1f", $0 / 1e9) } ?? "",
    ])
  }
}

/// The results of a benchmark, printed as they come or, in JSON, at the end.
struct BenchTable {
  static let layout = TextTable(columns: [
    .init(title: "model", width: 24, isRightAligned: false), .init(title: "size", width: 10),
    .init(title: "params", width: 10), .init(title: "backend", width: 7, isRightAligned: false),
    .init(title: "threads", width: 7), .init(title: "test", width: 8), .init(title: "t/s", width: 18),
    .init(title: "GB/s", width: 8), .init(title: "of memory", width: 9), .init(title: "GFLOP/s", width: 8),
  ])

  let format: ResultFormat
  let write: (String) throws -> Void
  private var rows: [BenchRow] = []

  init(_ format: ResultFormat, write: @escaping (String) throws -> Void = StandardOutput.write) {
    self.format = format
    self.write = write
  }

  mutating func add(_ row: BenchRow) throws {
    switch format {
    case .markdown: try write((rows.isEmpty ? Self.layout.heading : "") + row.markdown)
    case .csv: try write((rows.isEmpty ? CSV.heading(row.record) : "") + CSV.line(row.record))
    case .json: break
    }
    rows.append(row)
  }

  /// What belongs below all rows.
  func finish() throws {
    switch format {
    case .markdown:
      try write(footer)
      for row in rows {
        let name = "\(row.test.name), \(row.threads) thread\(row.threads == 1 ? "" : "s")"
        if let line = row.sparsity.flatMap(Summary.line) { try write("\(name): \(line)\n") }
        guard let profile = row.profile else { continue }
        try write("\n\(name):\n\n" + profile.markdown)
        if let sparsity = row.sparsity { try write(sparsity.markdown) }
      }
    case .csv: break
    case .json: try write(JSON.text(rows) + "\n")
    }
  }

  /// What all rows have in common: "AMD EPYC, avx512; memory is read at 40.1 GB/s by 2 threads".
  private var footer: String {
    var seen = Set<Int>()
    let speeds = rows.compactMap { row -> String? in
      guard let bandwidth = row.bandwidth, seen.insert(row.threads).inserted else { return nil }
      let speed = String(format: "%.1f GB/s", bandwidth / 1e9)
      return row.gpu == nil ? speed + " by \(row.threads) thread\(row.threads == 1 ? "" : "s")" : speed
    }
    let processor = [Processors.name, InstructionSet.active.rawValue].compactMap { $0 }.joined(separator: ", ")
    let machine = rows.compactMap(\.gpu).first ?? processor
    return "\n" + machine + (speeds.isEmpty ? "" : "; memory is read at " + speeds.joined(separator: ", ")) + "\n"
  }
}

import Foundation
import PowerInferGPU
import Testing

/// What kernels read per second, beside what the device's memory gives. Prints, and never fails on time.
///
/// `POWERINFER_GPU_SPEED=1 swift test --filter KernelSpeedTests`; needs about 1 GB on the device (a software device 16 MB).
@Suite(
  .enabled(if: KernelBench.isPresent, KernelBench.skipped),
  .enabled(
    if: ProcessInfo.processInfo.environment["POWERINFER_GPU_SPEED"] != nil, "set POWERINFER_GPU_SPEED to measure"),
  .serialized)
struct KernelSpeedTests {
  static let isSoftware = KernelBench.shared?.device.description.kind == .software
  /// More than any cache holds.
  static let rotation = isSoftware ? 16 << 20 : 600 << 20

  /// Matrices in rotation, none bound twice before all others were.
  struct Rotation {
    let layout: WeightLayout
    let matrices: [(codes: any GPUBuffer, rest: any GPUBuffer)]
    var byteCount: Int { matrices.count * (layout.codesByteCount + layout.restByteCount) }

    init(_ format: WeightLayout.Format, rows: Int, columns: Int, _ bench: KernelBench) throws {
      layout = WeightLayout(format: format, rows: rows, columns: columns)
      let layout = layout
      let count = max(2, rotation / (layout.codesByteCount + layout.restByteCount))
      matrices = try (0..<count).map { _ in
        (
          codes: try bench.device.makeBuffer(byteCount: layout.codesByteCount, role: .device, label: "codes"),
          rest: try bench.device.makeBuffer(byteCount: max(layout.restByteCount, 16), role: .device, label: "rest")
        )
      }
      let matrices = matrices
      // Halves of 1; what else is in there does not matter.
      try bench.run(
        try bench.device.record("fill") {
          for matrix in matrices {
            try $0.fill(matrix.codes.all, with: 0x3c00_3c00)
            try $0.fill(matrix.rest.all, with: 0x3c00_3c00)
          }
        })
    }
  }

  /// The best of some runs, in seconds.
  func seconds(_ recording: any GPURecording, _ bench: KernelBench) throws -> Double {
    try bench.run(recording)
    let times = try (0..<5).map { _ in
      let start = ContinuousClock.now
      try bench.run(recording)
      let elapsed = (ContinuousClock.now - start) / .seconds(1)
      // The device's own clock leaves out what starting costs.
      return try recording.timings.first.map { $0.nanoseconds / 1e9 } ?? elapsed
    }
    return times.min() ?? .infinity
  }

  @Test func products() throws {
    let bench = try KernelBench.required()
    let measured = try bench.device.measureBandwidth()
    print("\(bench.device.description.name): memory gives \(String(format: "%.2f", measured.median / 1e9)) GB/s")
    let (rows, columns) = Self.isSoftware ? (1024, 1024) : (11008, 4096)
    for format in WeightLayout.Format.allCases {
      let rotation = try Rotation(format, rows: rows, columns: columns, bench)
      for tokens in [1, 2, 4, 8, 16] {
        let tiling = ProductTiling(
          units: rotation.layout.units, tokens: tokens, matrixRows: rows, isSoftware: Self.isSoftware)
        let kernel = try bench.device.kernel(
          ShaderName.matvec.shader(for: bench.features), specialization: tiling.specialization(format: format))
        let values = try bench.buffer([Float](repeating: 1, count: tokens * columns))
        let codes = try bench.buffer([UInt8](repeating: 1, count: tokens * columns))
        let scales = try bench.buffer([UInt64](repeating: 0, count: tokens * columns / 32))
        // Outputs of their own, so that nothing waits.
        let outputs = try rotation.matrices.map { _ in try bench.output(tokens * rows) }
        let constants = MatVecConstants(layout: rotation.layout, tokens: tokens, xStride: columns, yStride: rows)
        let recording = try bench.device.record("products", options: GPURecordingOptions(timesStages: true)) {
          recorder in
          recorder.stage("products")
          for (matrix, y) in zip(rotation.matrices, outputs) {
            let rest = rotation.layout.restByteCount > 0 ? matrix.rest : matrix.codes
            try recorder.dispatch(
              kernel, [matrix.codes, rest, values, codes, scales, values, y].map { $0.all }, constants: constants,
              grid: tiling.grid(rows: rows, tokens: tokens))
          }
        }
        report("matvec \(format)", tokens: tokens, bytes: rotation.byteCount, try seconds(recording, bench), measured)
      }
    }
  }

  @Test func downByNeuron() throws {
    let bench = try KernelBench.required()
    let measured = try bench.device.measureBandwidth()
    let (neurons, columns) = Self.isSoftware ? (1024, 1024) : (11008, 4096)
    let runs = NeuronRuns(neurons: neurons)
    for format in [WeightLayout.Format.f16, .q4_0] {
      let rotation = try Rotation(format, rows: neurons, columns: columns, bench)
      for share in [1.0, 0.2] {
        let hidden = try bench.buffer((0..<neurons).map { Double($0 * 7 % 100) < share * 100 ? Float(1) : 0 })
        let kernel = try bench.device.kernel(
          ShaderName.down.shader(for: bench.features),
          specialization: DownConstants.specialization(format: format, isListed: false, tokens: 1))
        let outputs = try rotation.matrices.map { _ in try bench.output(runs.pieces * columns) }
        let constants = DownConstants(
          layout: rotation.layout, runs: runs, tokens: 1, hiddenStride: neurons, partStride: columns, rowStride: columns
        )
        let recording = try bench.device.record("down", options: GPURecordingOptions(timesStages: true)) { recorder in
          recorder.stage("down")
          for (matrix, y) in zip(rotation.matrices, outputs) {
            try recorder.dispatch(
              kernel, [matrix.codes, matrix.rest, hidden, hidden, hidden, hidden, y].map { $0.all },
              constants: constants,
              grid: constants.grid)
          }
        }
        report(
          "down \(format), \(Int(share * 100)) % fire", tokens: 1, bytes: Int(Double(rotation.byteCount) * share),
          try seconds(recording, bench), measured)
      }
    }
  }

  private func report(_ what: String, tokens: Int, bytes: Int, _ seconds: Double, _ measured: GPUBandwidth) {
    let speed = Double(bytes) / seconds
    print(
      "\(what), \(tokens) at once: \(String(format: "%.2f", speed / 1e9)) GB/s,"
        + " \(String(format: "%.0f", 100 * speed / measured.median)) % of the memory's")
  }
}

import Foundation
import PowerInferGPU
import PowerInferTestKit
import Testing

/// Lists of neurons, and what is computed by them.
@Suite(.enabled(if: KernelBench.isPresent, KernelBench.skipped))
struct KernelSparseTests {
  static let tiling = ProductTiling(lanes: 8, rows: 2, tokens: 1)

  @Test(arguments: [1, 7, 8, 96, 257, 1536, 2049, 11008, 28672])
  func listsInOrder(_ neurons: Int) throws {
    let bench = try KernelBench.required()
    let runs = NeuronRuns(neurons: neurons)
    #expect(runs.count <= NeuronRuns.most && runs.count * runs.run >= neurons)
    for (tokens, rule) in [
      (1, NeuronRule.above(0)), (1, .from(0.5)), (2, .from(1.5)), (3, .magnitude(0.3, of: .silu)), (1, .above(100)),
      (1, .from(-100)),
    ] {
      let stride = neurons + 3
      var generator = SeededGenerator(seed: UInt64(neurons))
      var values = generator.normals(tokens * stride)
      values[neurons / 2] = .nan
      // On the threshold itself.
      values[neurons - 1] = rule == .from(0.5) ? 0.5 : 0
      func keeps(_ neuron: Int) -> Bool {
        (0..<tokens).contains { t in
          let value = values[t * stride + neuron]
          switch rule {
          case .from(let threshold): return !(value < threshold)
          case .above(let threshold): return !(value <= threshold)
          case .magnitude(let threshold, _): return !(abs(Float(activated(.silu, Double(value)))) < threshold)
          }
        }
      }
      let list = try bench.buffer([UInt32](repeating: .max, count: neurons))
      let starts = try bench.buffer([UInt32](repeating: .max, count: runs.count + 1))
      let counts = try bench.buffer([UInt32](repeating: .max, count: 8))
      let given = try bench.buffer(values)
      try bench.run(
        .compact, rule.specialization(), [given, list, starts, counts, given],
        CompactConstants(runs: runs, tokens: tokens, stride: stride, rule: rule, tiling: Self.tiling), GPUGrid(1))
      let expected = (0..<neurons).filter(keeps).map { UInt32($0) }
      let count = expected.count
      let found = try bench.device.download(UInt32.self, from: list, count: neurons)
      #expect(Array(found.prefix(count)) == expected, "\(neurons) \(rule)")
      #expect(found.dropFirst(count).allSatisfy { $0 == .max })
      let groups = UInt32((count + Self.tiling.groupRows - 1) / Self.tiling.groupRows)
      #expect(
        try bench.device.download(UInt32.self, from: counts, count: 8)
          == [UInt32(count), 0, 0, 0, groups, UInt32(tokens), 1, 0])
      var counted = [UInt32](repeating: 0, count: runs.count + 1)
      for neuron in expected { counted[Int(neuron) / runs.run + 1] += 1 }
      let firsts = counted.indices.map { counted[...$0].reduce(0, +) }
      #expect(try bench.device.download(UInt32.self, from: starts, count: runs.count + 1) == firsts)
    }
  }

  /// Values in another order than neurons, some of which are kept whatever the values are.
  @Test(arguments: [1, 96, 1537, 11008])
  func listsByPlaces(_ neurons: Int) throws {
    let bench = try KernelBench.required()
    let runs = NeuronRuns(neurons: neurons)
    var generator = SeededGenerator(seed: UInt64(neurons))
    var places = (0..<UInt32(neurons)).shuffled(using: &generator)
    for neuron in stride(from: 2, to: neurons, by: 5) { places[neuron] = CompactConstants.certain }
    var values = generator.normals(neurons)
    values[0] = .nan
    for threshold in [Float(0.5), .infinity] {
      let rule = NeuronRule.from(threshold)
      let list = try bench.buffer([UInt32](repeating: .max, count: neurons))
      let starts = try bench.buffer([UInt32](repeating: .max, count: runs.count + 1))
      let counts = try bench.buffer([UInt32](repeating: .max, count: 8))
      try bench.run(
        .compact, rule.specialization(isMapped: true),
        [bench.buffer(values), list, starts, counts, bench.buffer(places)],
        CompactConstants(runs: runs, tokens: 1, stride: neurons, rule: rule, tiling: Self.tiling), GPUGrid(1))
      let expected = (0..<neurons).filter {
        places[$0] == CompactConstants.certain || !(values[Int(places[$0])] < threshold)
      }.map { UInt32($0) }
      let found = try bench.device.download(UInt32.self, from: list, count: neurons)
      #expect(Array(found.prefix(expected.count)) == expected)
      #expect(try bench.device.download(UInt32.self, from: counts, count: 1) == [UInt32(expected.count)])
    }
  }

  @Test(arguments: [0, 1, 255, 256, 257, 9000])
  func talliesWhatGivesSomething(_ entries: Int) throws {
    let bench = try KernelBench.required()
    var generator = SeededGenerator(seed: 7)
    var values = generator.normals(10_000).map { $0 < -1 ? 0 : $0 }
    if entries > 0 { values[0] = .nan }
    let numbers = (0..<UInt32(10_000)).shuffled(using: &generator)
    let (given, list) = (try bench.buffer(values), try bench.buffer(numbers))
    let counts = try bench.buffer([UInt32(entries), 0, 0, 0])
    func gives(_ value: Float) -> Bool { !(value <= 0) }
    for byNeuron in [false, true] {
      let found = try bench.buffer([UInt32.max, UInt32.max])
      let kernel = try bench.device.kernel(
        ShaderName.tally.shader(for: bench.features), specialization: Tally.specialization(byNeuron: byNeuron))
      try bench.run(
        bench.device.record("tally") {
          try $0.dispatch(kernel, [given.all, list.all, counts.all, found.all], grid: GPUGrid(1))
        })
      let expected = (0..<entries).count { gives(values[byNeuron ? Int(numbers[$0]) : $0]) }
      #expect(try bench.device.download(UInt32.self, from: found, count: 2) == [UInt32(expected), .max])
    }
  }

  /// The neurons of a feed-forward whose gates are not silent, and nothing of the others, give the bits of all neurons.
  @Test(arguments: [WeightLayout.Format.q4_0, .q8_0, .q6_K], [1, 3])
  func silentNeuronsLeftOut(_ format: WeightLayout.Format, _ tokens: Int) throws {
    let bench = try KernelBench.required()
    let (neurons, columns) = (500, 512)
    let gate = FileMatrix(format, rows: neurons, columns: columns, seed: 1)
    let up = FileMatrix(format, rows: neurons, columns: columns, seed: 2)
    let down = FileMatrix(format, rows: neurons, columns: columns, seed: 3)
    var generator = SeededGenerator(seed: 4)
    let vectors = try DeviceVectors(generator.normals(tokens * columns), columns: columns, bench)
    let (g, u, d) = (try gate.upload(bench), try up.upload(bench), try down.upload(bench))
    let tiling = ProductTiling(lanes: 8, rows: 2, tokens: tokens)
    let runs = NeuronRuns(neurons: neurons)
    let x = [vectors.values, vectors.codes, vectors.scales]
    let dummy = try bench.buffer([UInt32](repeating: 0, count: 4))
    let grid = tiling.grid(rows: neurons, tokens: tokens)
    let partStride = tokens * columns
    func downParts(_ hidden: any GPUBuffer, _ lists: [any GPUBuffer]?) throws -> [UInt32] {
      let parts = try bench.output(runs.pieces * partStride)
      let constants = DownConstants(
        layout: down.layout, runs: runs, tokens: tokens, hiddenStride: neurons, partStride: partStride,
        rowStride: columns)
      try bench.run(
        .down, DownConstants.specialization(format: format, isListed: lists != nil, tokens: tokens),
        [d.codes, d.rest, hidden] + (lists ?? [dummy, dummy]) + [dummy, parts], constants, constants.grid)
      return try bench.floats(parts, runs.pieces * partStride).map(\.bitPattern)
    }

    let hidden = try bench.output(tokens * neurons)
    let all = GateUpConstants(layout: gate.layout, tokens: tokens, xStride: vectors.stride, yStride: neurons)
    try bench.run(
      .gateup, tiling.specialization(format: format, activation: .relu),
      [g.codes, g.rest, u.codes, u.rest] + x + [hidden],
      all, grid)
    let expected = try downParts(hidden, nil)

    // By the gates.
    let gates = try bench.output(tokens * neurons)
    try bench.run(
      .matvec, tiling.specialization(format: format), [g.codes, g.rest] + x + [dummy, gates],
      MatVecConstants(layout: gate.layout, tokens: tokens, xStride: vectors.stride, yStride: neurons), grid)
    let (list, starts) = (
      try bench.buffer([UInt32](repeating: 0, count: neurons)),
      try bench.buffer([UInt32](repeating: 0, count: runs.count + 1))
    )
    let counts = try bench.buffer([UInt32](repeating: 0, count: 8))
    let rule = NeuronRule.above(0)
    try bench.run(
      .compact, rule.specialization(), [gates, list, starts, counts, gates],
      CompactConstants(runs: runs, tokens: tokens, stride: neurons, rule: rule, tiling: tiling), GPUGrid(1))
    let entries = Int(try bench.device.download(UInt32.self, from: counts, count: 1)[0])
    #expect(entries > neurons / 4 && entries < (tokens == 1 ? neurons * 3 / 4 : neurons))
    let given = try bench.output(tokens * neurons)
    let listed = MatVecConstants(layout: up.layout, tokens: tokens, xStride: vectors.stride, yStride: neurons)
    let gated = tiling.specialization(format: format, activation: .relu) + [1]
    try bench.run(
      .matvecListed, gated, [u.codes, u.rest] + x + [dummy, gates, list, counts, given],
      MatVecListedConstants(listed, gateStride: neurons), grid)
    #expect(try downParts(given, [list, starts]) == expected)

    // By the list alone, as predictions give it, over a grid that the list's length decides.
    let kernel = try bench.device.kernel(
      ShaderName.gateupListed.shader(for: bench.features),
      specialization: tiling.specialization(format: format, activation: .relu))
    let predicted = try bench.output(tokens * neurons)
    let ownGates = try bench.output(tokens * neurons)
    let recording = try bench.device.record("listed") {
      try $0.dispatchIndirect(
        kernel, ([g.codes, g.rest, u.codes, u.rest] + x + [list, counts, predicted, ownGates]).map { $0.all },
        constants: all,
        counts: counts.slice(at: CompactConstants.gridOffset, byteCount: 12))
    }
    try bench.run(recording)
    #expect(try downParts(predicted, [list, starts]) == expected)

    // Entries hold what their neurons hold.
    let (some, ofAll) = (try bench.floats(predicted, tokens * neurons), try bench.floats(hidden, tokens * neurons))
    let (someGates, allGates) = (
      try bench.floats(ownGates, tokens * neurons), try bench.floats(gates, tokens * neurons)
    )
    let numbers = try bench.device.download(UInt32.self, from: list, count: entries)
    for t in 0..<tokens {
      for (entry, neuron) in numbers.enumerated() {
        #expect(some[t * neurons + entry] == ofAll[t * neurons + Int(neuron)])
        #expect(someGates[t * neurons + entry] == allGates[t * neurons + Int(neuron)])
      }
      #expect(some[t * neurons + entries..<(t + 1) * neurons].allSatisfy { $0 == KernelBench.untouched })
    }
  }

  /// Without a gate: act(up[list[i]] · x + bias[list[i]]).
  @Test func listedNeuronsWithBiases() throws {
    let bench = try KernelBench.required()
    let (neurons, columns) = (90, 64)
    let up = FileMatrix(.f16, rows: neurons, columns: columns, seed: 1)
    var generator = SeededGenerator(seed: 2)
    let x = generator.normals(columns)
    let vectors = try DeviceVectors(x, columns: columns, bench)
    let bias = generator.normals(neurons)
    let numbers: [UInt32] = [1, 4, 5, 17, 60, 61, 89]
    let weights = try up.upload(bench)
    let y = try bench.output(neurons)
    let dummy = try bench.buffer([Float](repeating: 0, count: 4))
    let tiling = ProductTiling(lanes: 4, rows: 4, tokens: 1)
    try bench.run(
      .matvecListed, tiling.specialization(format: .f16, activation: .gelu) + [0],
      [
        weights.codes, weights.rest, vectors.values, vectors.codes, vectors.scales, bench.buffer(bias), dummy,
        bench.buffer(numbers), bench.buffer([0, 0, UInt32(numbers.count)] as [UInt32]), y,
      ],
      MatVecListedConstants(
        MatVecConstants(layout: up.layout, tokens: 1, xStride: vectors.stride, yStride: neurons, hasBias: true),
        countAt: 2),
      tiling.grid(rows: neurons, tokens: 1))
    let (sums, sizes) = exactProduct(up.values, rows: neurons, columns: columns, x)
    let expected = numbers.map { activated(.gelu, sums[Int($0)] + Double(bias[Int($0)])) }
    let found = try bench.floats(y, neurons)
    #expect(worst(Array(found.prefix(numbers.count)), expected, numbers.map { sizes[Int($0)] + 1 }) < 2e-6)
    #expect(found.dropFirst(numbers.count).allSatisfy { $0 == KernelBench.untouched })
  }
}

import Foundation
import PowerInferGPU
import PowerInferKernels
import PowerInferTestKit
import Testing

/// Steps on rows: 8-bit forms, norms, embeddings, activations, rows picked.
@Suite(.enabled(if: KernelBench.isPresent, KernelBench.skipped))
struct KernelRowTests {
  // MARK: 8-bit form

  /// A division may be off by a few ulp on a device, and with it the scale; codes on the border of two may then differ by 1.
  static let scaleLimit: Float = 4e-7
  static let codeShare = 0.002

  @Test(arguments: [1, 31, 32, 33, 576, 1024, 1025, 4096])
  func eightBitForm(_ columns: Int) throws {
    let bench = try KernelBench.required()
    var generator = SeededGenerator(seed: 1)
    var x = generator.normals(3 * columns)
    for i in 0..<columns where i % 7 == 0 { x[columns + i] *= 1000 }
    for i in 2 * columns..<2 * columns + min(columns, 32) { x[i] = 0 }
    let vectors = try DeviceVectors(x, columns: columns, bench)
    let rows = padded(x, columns: columns, stride: vectors.stride)
    var different = 0
    for block in 0..<rows.count / 32 {
      let part = rows[block * 32..<(block + 1) * 32].map { $0 }
      let most = part.map(abs).max() ?? 0
      #expect(abs(vectors.scaleValues[block] - most / 127) <= Self.scaleLimit * most)
      var sums = (0, 0)
      for (i, value) in part.enumerated() {
        let code = Int(vectors.codeValues[block * 32 + i])
        let expected = most == 0 ? 0 : Int((value * (127 / most)).rounded(.toNearestOrEven))
        #expect(abs(code - expected) <= 1)
        different += code == expected ? 0 : 1
        if i < 16 { sums.0 += code } else { sums.1 += code }
      }
      #expect(vectors.sums[block] == (Int16(sums.0), Int16(sums.1)))
    }
    #expect(Double(different) <= Self.codeShare * Double(rows.count) + 1)
  }

  @Test func eightBitFormOfExtremes() throws {
    let bench = try KernelBench.required()
    let columns = 128
    var x = [Float](repeating: 1, count: columns)
    x[3] = .nan
    x[40] = .infinity
    for i in 64..<96 { x[i] = Float.leastNormalMagnitude / 8 }
    for i in 96..<128 { x[i] = 3e38 }
    let vectors = try DeviceVectors(x, columns: columns, bench)
    #expect(vectors.scaleValues[0].isNaN)
    #expect(vectors.scaleValues[1] == .infinity)
    // Too small to be told from 0.
    #expect(vectors.codeValues[64..<96].allSatisfy { $0 == 0 })
    #expect(vectors.codeValues[96..<128].allSatisfy { $0 == 127 })
  }

  // MARK: Norms

  /// Float rounding of sums of up to some thousand squares.
  static let normLimit = 2e-6

  @Test(arguments: [NormConstants.Kind.rootMeanSquare, .layer, .none], [1, 33, 64, 576, 1029, 4096])
  func norms(_ kind: NormConstants.Kind, _ columns: Int) throws {
    let bench = try KernelBench.required()
    let (tokens, stride, parts) = (3, roundUp(columns, 32), [0, 1, 5])
    for (first, second) in [(0, 0), (1, 0), (5, 1)] {
      var generator = SeededGenerator(seed: 7)
      let residual = generator.normals(tokens * columns)
      let firsts = generator.normals(first * tokens * columns)
      let seconds = generator.normals(second * tokens * columns)
      let (gain, bias) = (generator.normals(columns), generator.normals(columns))
      func device(_ values: [Float]) throws -> any GPUBuffer {
        try bench.buffer(values.isEmpty ? [0] : padded(values, columns: columns, stride: stride))
      }
      let residualBuffer = try device(residual)
      let values = try bench.output(tokens * stride)
      let codes = try bench.buffer([UInt8](repeating: 0, count: tokens * stride))
      let scales = try bench.buffer([UInt64](repeating: 0, count: tokens * stride / 32))
      try bench.run(
        .norm, [kind.rawValue],
        [device(firsts), device(seconds), device(gain), device(bias), residualBuffer, values, codes, scales],
        NormConstants(
          columns: columns, stride: stride, firstParts: first, secondParts: second, partStride: tokens * stride,
          epsilon: 1e-5), GPUGrid(tokens))
      let sums = try bench.floats(residualBuffer, tokens * stride)
      let found = try bench.floats(values, tokens * stride)
      for t in 0..<tokens {
        var x = (0..<columns).map { Double(residual[t * columns + $0]) }
        for p in 0..<first { for c in 0..<columns { x[c] += Double(firsts[(p * tokens + t) * columns + c]) } }
        for p in 0..<second { for c in 0..<columns { x[c] += Double(seconds[(p * tokens + t) * columns + c]) } }
        let row = (0..<columns).map { sums[t * stride + $0] }
        #expect(worst(row, x, x.map { abs($0) + 5 }) < Self.normLimit)
        guard kind != .none else { continue }
        let mean = kind == .layer ? x.reduce(0, +) / Double(columns) : 0
        let variance = x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(columns)
        let expected = (0..<columns).map {
          (x[$0] - mean) / (variance + 1e-5).squareRoot() * Double(gain[$0]) + (kind == .layer ? Double(bias[$0]) : 0)
        }
        let normed = (0..<columns).map { found[t * stride + $0] }
        // One column alone: the difference to its mean is nothing but rounding.
        let size = columns == 1 ? 1e3 : 1
        #expect(
          worst(normed, expected, expected.map { (abs($0) + 5) * size }) < Self.normLimit, "\(kind) \(columns) \(parts)"
        )
        #expect(found[t * stride + columns..<(t + 1) * stride].allSatisfy { $0 == 0 }, "padding")
      }
      guard kind != .none else { continue }
      // The 8-bit form is the one that the kernel for it gives.
      let own = try DeviceVectors(
        (0..<tokens * columns).map { found[$0 / columns * stride + $0 % columns] }, columns: columns, bench)
      #expect(try bench.device.download(Int8.self, from: codes, count: tokens * stride) == own.codeValues)
      let words = try bench.device.download(UInt32.self, from: scales, count: tokens * stride / 16)
      #expect(words == (try bench.device.download(UInt32.self, from: own.scales, count: tokens * stride / 16)))
    }
  }

  // MARK: Embeddings

  @Test(arguments: WeightLayout.Format.allCases)
  func embeddings(_ format: WeightLayout.Format) throws {
    let bench = try KernelBench.required()
    let columns = format.blockElements == 1 ? 77 : 3 * max(format.blockElements, 32)
    let (rows, split) = (23, 9)
    let table = FileMatrix(format, rows: rows, columns: columns, seed: 4)
    let ids: [UInt32] = [0, 22, 8, 9, 13, 22]
    let stride = roundUp(columns, 32)
    let y = try bench.output(ids.count * stride)
    // In two parts, as a table that is too large for one binding.
    for part in [0..<split, split..<rows] {
      let layout = WeightLayout(format: format, rows: part.count, columns: columns)
      let bytes = table.bytes[part.lowerBound * layout.fileRowBytes..<part.upperBound * layout.fileRowBytes]
      let weights = try FileMatrix(layout, bytes: Array(bytes)).upload(bench)
      let constants = EmbedConstants(layout: layout, firstRow: part.lowerBound, stride: stride)
      try bench.run(
        .embed, [format.rawValue], [weights.codes, weights.rest, bench.buffer(ids), y], constants,
        constants.grid(tokens: ids.count))
    }
    var found = try bench.floats(y, ids.count * stride)
    for (t, id) in ids.enumerated() {
      let expected = table.values[Int(id) * columns..<(Int(id) + 1) * columns]
      // Exactly: one rounding, as the format defines it; two for Q4_1 and Q4_K, whose sum may be fused.
      let row = found[t * stride..<t * stride + columns]
      for (a, b) in zip(row, expected) {
        #expect(format == .q4_1 || format == .q4_K ? abs(a - b) <= 1e-6 * (abs(b) + 0.1) : a == b, "\(format)")
      }
    }
    let weights = try table.upload(bench)
    let constants = EmbedConstants(layout: table.layout, stride: stride, adds: true)
    try bench.run(
      .embed, [format.rawValue], [weights.codes, weights.rest, bench.buffer(ids), y], constants,
      constants.grid(tokens: ids.count))
    let before = found
    found = try bench.floats(y, ids.count * stride)
    for t in ids.indices {
      for c in 0..<columns { #expect(abs(found[t * stride + c] - 2 * before[t * stride + c]) < 1e-5, "\(format)") }
    }
  }

  // MARK: Activations

  /// e^x of a device is good to a few ulp, growing with |x|.
  static let activationLimit = 2e-6

  @Test(arguments: [ActivationKind.none, .relu, .silu, .gelu, .reluBoth], [true, false])
  func activations(_ kind: ActivationKind, _ isGated: Bool) throws {
    let bench = try KernelBench.required()
    let (neurons, tokens) = (517, 2)
    var generator = SeededGenerator(seed: 3)
    var gate = generator.normals(neurons * tokens).map { $0 * 6 }
    let up = isGated ? generator.normals(neurons * tokens) : gate
    (gate[0], gate[1], gate[2]) = (0, -40, 40)
    let hidden = try bench.output(neurons * tokens)
    let constants = ActivateConstants(
      neurons: neurons, gateStride: neurons, upStride: neurons, hiddenStride: neurons)
    try bench.run(
      .activate, ActivateConstants.specialization(kind, isGated: isGated),
      [bench.buffer(gate), bench.buffer(up), bench.buffer(up), bench.buffer(up), hidden], constants,
      constants.grid(tokens: tokens))
    let expected = (0..<neurons * tokens).map { i -> Double in
      isGated ? gated(kind, Double(gate[i]), Double(up[i])) : activated(kind, Double(up[i]))
    }
    let found = try bench.floats(hidden, neurons * tokens)
    #expect(worst(found, expected, expected.map { abs($0) + 0.05 }) < Self.activationLimit, "\(kind)")
  }

  /// Which rows and neurons give 0, by scores in the order of neurons or in another, and by magnitude.
  @Test(arguments: [ActivationKind.relu, .silu, .gelu, .reluBoth], [true, false])
  func masks(_ kind: ActivationKind, _ isGated: Bool) throws {
    let bench = try KernelBench.required()
    let (neurons, tokens, first) = (517, 4, 1)
    var generator = SeededGenerator(seed: 4)
    let gate = generator.normals(neurons * tokens).map { $0 * 2 }
    let up = isGated ? generator.normals(neurons * tokens).map { $0 + 3 } : gate
    var scores = generator.normals(neurons * (tokens - first))
    scores[5] = .nan
    scores[6] = 0.25
    // Every third is certain, the others' scores follow one another.
    var (places, next) = ([UInt32](), UInt32(0))
    for neuron in 0..<neurons {
      places.append(neuron % 3 == 1 ? CompactConstants.certain : next)
      next += neuron % 3 == 1 ? 0 : 1
    }
    let (g, u, s, p) = (
      try bench.buffer(gate), try bench.buffer(up), try bench.buffer(scores), try bench.buffer(places)
    )
    func hidden(_ mask: ActivateConstants.Mask, isMapped: Bool = false) throws -> [Float] {
      let hidden = try bench.output(neurons * tokens)
      let constants = ActivateConstants(
        neurons: neurons, gateStride: neurons, upStride: neurons, hiddenStride: neurons, scoreStride: neurons,
        threshold: 0.25, firstMasked: first)
      try bench.run(
        .activate, ActivateConstants.specialization(kind, isGated: isGated, mask: mask, isMapped: isMapped),
        [g, u, s, p, hidden], constants, constants.grid(tokens: tokens))
      return try bench.floats(hidden, neurons * tokens)
    }
    let all = try hidden(.none)
    func expect(_ found: [Float], _ leavesOut: (_ row: Int, _ neuron: Int) -> Bool) {
      let expected = all.indices.map { index in
        let (row, neuron) = (index / neurons - first, index % neurons)
        return row >= 0 && leavesOut(row, neuron) ? 0 : all[index]
      }
      #expect(found == expected && found != all)
    }
    try expect(hidden(.scores)) { row, neuron in scores[row * neurons + neuron] < 0.25 }
    try expect(hidden(.scores, isMapped: true)) { row, neuron in
      places[neuron] != CompactConstants.certain && scores[row * neurons + Int(places[neuron])] < 0.25
    }
    let own: ActivationKind = kind == .reluBoth ? .relu : kind
    try expect(hidden(.magnitude)) { row, neuron in
      abs(activated(own, Double(gate[(row + first) * neurons + neuron]))) < 0.25
    }
  }

  @Test func picksRows() throws {
    let bench = try KernelBench.required()
    let stride = 1056
    let x = (0..<5 * stride).map { Float($0) }
    let y = try bench.output(3 * stride)
    let constants = GatherConstants(stride: stride)
    try bench.run(
      .gather, [], [bench.buffer([4, 0, 2] as [UInt32]), bench.buffer(x), y], constants, constants.grid(rows: 3))
    let expected = [4, 0, 2].flatMap { x[$0 * stride..<($0 + 1) * stride] }
    #expect(try bench.floats(y, 3 * stride) == expected)
  }
}

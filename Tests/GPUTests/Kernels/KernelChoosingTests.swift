import Foundation
import PowerInferGPU
import PowerInferTestKit
import Testing

/// Penalties, the likeliest token, candidates.
@Suite(.enabled(if: KernelBench.isPresent, KernelBench.skipped))
struct KernelChoosingTests {
  static let extremes: [Float] = [
    .nan, -.infinity, .infinity, -0.0, 0.0, -.nan, .greatestFiniteMagnitude, Float(bitPattern: 700),
  ]

  /// Rows of logits: about normal, all equal, extremes and few values, nothing but NaN, nothing but minus infinity.
  static func rows(_ vocabulary: Int, stride: Int) -> [Float] {
    var generator = SeededGenerator(seed: UInt64(vocabulary))
    var logits = generator.normals(5 * stride)
    for i in 0..<stride {
      logits[stride + i] = -1.5
      logits[2 * stride + i] =
        i % 3 == 0 ? extremes.randomElement(using: &generator) ?? 0 : Float(Int.random(in: -3...3, using: &generator))
      logits[3 * stride + i] = .nan
      logits[4 * stride + i] = -.infinity
    }
    // What lies behind the vocabulary is none of anybody's business.
    for row in 0..<5 { for i in vocabulary..<stride { logits[row * stride + i] = 1e9 } }
    return logits
  }

  static func candidates(_ logits: ArraySlice<Float>, _ wanted: Int) -> [(token: UInt32, logit: Float)] {
    let all = logits.enumerated().filter { !$0.element.isNaN }.map { (token: UInt32($0.offset), logit: $0.element) }
    return Array(all.sorted { $0.logit != $1.logit ? $0.logit > $1.logit : $0.token < $1.token }.prefix(wanted))
  }

  @Test(arguments: [1, 2, 100, 255, 256, 257, 5000, 49152])
  func likeliestAndCandidates(_ vocabulary: Int) throws {
    let bench = try KernelBench.required()
    let stride = vocabulary + 5
    let logits = Self.rows(vocabulary, stride: stride)
    let buffer = try bench.buffer(logits)
    let tokens = try bench.buffer([UInt32](repeating: 7, count: 5))
    try bench.run(
      .likeliest, [], [buffer, tokens], LogitsConstants(stride: stride, vocabulary: vocabulary), GPUGrid(5))
    let found = try bench.device.download(UInt32.self, from: tokens, count: 5)
    for row in 0..<5 {
      let best = Self.candidates(logits[row * stride..<row * stride + vocabulary], 1).first
      let expected = best.map { $0.logit > -.infinity ? $0.token : .max } ?? .max
      #expect(found[row] == expected, "\(vocabulary) row \(row)")
    }
    for wanted in [1, 3, 40, 64, 100, 1024] {
      let list = try bench.buffer([UInt32](repeating: 9, count: 5 * wanted * 2))
      let counts = try bench.buffer([UInt32](repeating: 9, count: 5))
      try bench.run(
        .candidates, [], [buffer, list, counts],
        CandidatesConstants(stride: stride, vocabulary: vocabulary, wanted: wanted), GPUGrid(5))
      let words = try bench.device.download(UInt32.self, from: list, count: 5 * wanted * 2)
      let lengths = try bench.device.download(UInt32.self, from: counts, count: 5)
      for row in 0..<5 {
        let expected = Self.candidates(logits[row * stride..<row * stride + vocabulary], wanted)
        #expect(lengths[row] == UInt32(expected.count), "\(vocabulary) row \(row), \(wanted) wanted")
        for (i, candidate) in expected.enumerated() {
          let at = (row * wanted + i) * 2
          #expect(words[at] == candidate.token && Float(bitPattern: words[at + 1]) == candidate.logit)
        }
      }
    }
  }

  @Test func penalties() throws {
    let bench = try KernelBench.required()
    let (vocabulary, stride) = (300, 320)
    var generator = SeededGenerator(seed: 1)
    let logits = generator.normals(3 * stride)
    let entries =
      (0..<150).map { PenaltyEntry(token: Int32($0 * 2), count: $0 % 4, bias: $0 % 5 == 0 ? -.infinity : 0.25) }
      + [PenaltyEntry(token: 299, count: 3), PenaltyEntry(token: 300, count: 1), PenaltyEntry(token: -1, count: 1)]
    let rows = [
      PenaltyRow(start: 0, count: 150, repeatPenalty: 1.3, frequencyPenalty: 0.2, presencePenalty: 0.5),
      PenaltyRow(start: 0, count: 0, repeatPenalty: 2, frequencyPenalty: 0, presencePenalty: 0),
      PenaltyRow(start: 150, count: 3, repeatPenalty: 1, frequencyPenalty: -0.1, presencePenalty: 0),
    ]
    let buffer = try bench.buffer(logits)
    try bench.run(
      .penalize, [], [bench.buffer(rows), bench.buffer(entries), buffer],
      LogitsConstants(stride: stride, vocabulary: vocabulary), GPUGrid(3, 3))
    var expected = logits
    for (index, row) in rows.enumerated() {
      for entry in entries[Int(row.start)..<Int(row.start + row.count)] where entry.token < UInt32(vocabulary) {
        var logit = expected[index * stride + Int(entry.token)] + entry.bias
        if entry.count > 0 {
          logit = logit > 0 ? logit / row.repeatPenalty : logit * row.repeatPenalty
          logit -= Float(entry.count) * row.frequencyPenalty + row.presencePenalty
        }
        expected[index * stride + Int(entry.token)] = logit
      }
    }
    let found = try bench.floats(buffer, 3 * stride)
    // A device's division may be off by a few ulp.
    for (a, b) in zip(found, expected) { #expect(a == b || abs(a - b) < 2e-6) }
  }
}

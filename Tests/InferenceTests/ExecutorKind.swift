import Foundation
import PowerInferGPU
import PowerInferModel
import PowerInferSparsity
import PowerInferTestKit
import Testing

@testable import PowerInfer

/// The executors that one test body runs against.
enum ExecutorKind: String, CaseIterable, Sendable, CustomTestStringConvertible {
  case processor, reference
  /// The first Vulkan device, be it a software one.
  case gpu

  /// Those that this machine has.
  static let allCases: [ExecutorKind] =
    GPUBench.device == nil ? [.processor, .reference] : [.processor, .reference, .gpu]

  var testDescription: String { rawValue }

  /// An engine that runs on such an executor.
  func engine(_ model: LanguageModel, _ options: EngineOptions = EngineOptions(threads: 2)) throws -> Engine {
    switch self {
    case .processor: try Engine(model: model, options: options)
    case .reference:
      try Engine(
        executor: ReferenceExecutor(model: model, sparsity: options.sparsity, maxRows: options.batchSize),
        options: options)
    case .gpu:
      try Engine(
        executor: GPUExecutor(model: model, device: try #require(GPUBench.device), options: options), options: options)
    }
  }

  /// Largest error of a logit against the golden ones, which are of double precision.
  ///
  /// The reference computes in double precision too: what is left is the rounding of golden logits to the
  /// five digits of their file, and of its own to floats: 5.3e-6 was measured.
  func goldenLimit(_ name: String) -> Double {
    switch self {
    case .reference: 1e-5
    case .processor, .gpu:
      if GoldenLogitsTests.bf16Models.contains(name) {
        GoldenLogitsTests.bf16Limit
      } else if ExecutorKind.isInBlocks(name) {
        GoldenLogitsTests.eightBitLimit
      } else {
        GoldenLogitsTests.floatLimit
      }
    }
  }

  /// Whether a tiny model's weights are in blocks, so that products with them round activations to 8 bits.
  static func isInBlocks(_ name: String) -> Bool {
    ["q4_0", "q8_0", "quants", "mixed"].contains { name.contains($0) }
  }
}

/// The device that tests of the GPU executor share.
enum GPUBench {
  /// The first device that can be used; nil where there is none.
  static let device: (any GPUDevice)? = {
    guard let devices = try? GPU.descriptions(), let first = devices.first(where: { $0.unsuited == nil }) else {
      print("Tests of the GPU executor are skipped: no Vulkan device.")
      return nil
    }
    return try? GPU.open(first.index)
  }()

  /// Whether there are kernels for a model.
  static func runs(_ model: LanguageModel) -> Bool {
    (try? GPUExecutor.check(model)) != nil
  }
}

/// What tests of executors have in common.
enum ExecutorBench {
  static func open(_ name: String) throws -> LanguageModel {
    let resources = try #require(Bundle.module.resourceURL)
    return try LanguageModel(opening: resources.appendingPathComponent("Golden/Tiny/\(name).gguf").path)
  }

  /// Options in which results do not depend on how rows come, bit for bit.
  static func options(
    contextSize: Int? = nil, batchSize: Int = 64, threads: Int = 2, _ sparsity: SparsityOptions = .init(mode: .dense)
  ) -> EngineOptions {
    var options = EngineOptions(contextSize: contextSize, threads: threads, batchSize: batchSize)
    options.isDeterministic = true
    options.sparsity = sparsity
    return options
  }

  static func tokens(_ count: Int, _ model: LanguageModel, seed: UInt64) -> [Int32] {
    var random = SplitMix64(seed: seed)
    return (0..<count).map { _ in
      Int32(truncatingIfNeeded: random.next() % UInt64(model.configuration.vocabularySize))
    }
  }

  static func difference(_ a: [Float], _ b: [Float]) -> Float {
    a.count == b.count ? zip(a, b).map { abs($0 - $1) }.max() ?? 0 : .infinity
  }
}

extension TokenSequence {
  /// The logits of each token, [tokens][vocabulary].
  func rows(_ tokens: [Int32], phase: Batch.Phase) throws -> [[Float]] {
    let width = engine.model.configuration.vocabularySize
    var rows: [[Float]] = []
    try evaluate(tokens, phase: phase, logitsOf: tokens.indices) { indices, logits in
      for index in 0..<indices.count { rows.append(Array(logits[index * width..<(index + 1) * width])) }
    }
    return rows
  }

  /// The same one by one, as answers are decoded.
  func decode(_ tokens: [Int32]) throws -> [[Float]] { try tokens.flatMap { try rows([$0], phase: .decode) } }
}

extension Engine {
  /// The logits of the wanted rows of a batch, [wanted][vocabulary].
  func rows(_ pieces: [Batch.Piece]) throws -> [[Float]] {
    let width = model.configuration.vocabularySize
    var rows: [[Float]] = []
    try run(batch(pieces)) { indices, logits in
      #expect(indices.lowerBound == rows.count && logits.count == indices.count * width)
      for index in 0..<indices.count { rows.append(Array(logits[index * width..<(index + 1) * width])) }
    }
    return rows
  }
}

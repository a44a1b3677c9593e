import Foundation
import PowerInfer
import PowerInferGGUF
import PowerInferKernels
import PowerInferModel
import PowerInferTestKit
import Testing

@testable import PowerInferToolkit

@Suite struct CompensationTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  // MARK: Factors

  /// Moments of vectors that depend on each other, the upper triangle.
  private func moments(_ n: Int, seed: UInt64) -> [Float] {
    var generator = SeededGenerator(seed: seed)
    var sums = [Double](repeating: 0, count: n * n)
    for _ in 0..<3 * n {
      let common = Double.random(in: -1...1, using: &generator)
      let x = (0..<n).map { Double.random(in: -1...1, using: &generator) + common * Double($0 % 3) }
      for i in 0..<n { for j in i..<n { sums[i * n + j] += x[i] * x[j] } }
    }
    return sums.map(Float.init)
  }

  @Test(arguments: [1, 2, 7, 32, 61], [false, true])
  func factorsTheDampedMoments(_ n: Int, _ sorts: Bool) {
    let moments = moments(n, seed: UInt64(n))
    let mean = (0..<n).reduce(0) { $0 + Double(moments[$1 * n + $1]) } / Double(n)
    for threads in [1, 3] {
      let factor = ErrorFactor(
        moments: moments, columns: n, damping: 0.01, sorts: sorts, team: ThreadTeam(workers: threads))
      #expect(factor.order.sorted() == Array(0..<n))
      if sorts {
        #expect(zip(factor.order, factor.order.dropFirst()).allSatisfy { moments[$0 * n + $0] >= moments[$1 * n + $1] })
      }
      // (1 + M) · D · (1 + M)ᵀ, in means of the diagonal.
      func m(_ i: Int, _ k: Int) -> Double { i == k ? 1 : Double(factor.factor[i * n + k]) }
      for i in 0..<n {
        for j in i..<n {
          let product = (j..<n).reduce(0) { $0 + m(i, $1) * Double(factor.importance[$1]) * m(j, $1) }
          let (a, b) = (min(factor.order[i], factor.order[j]), max(factor.order[i], factor.order[j]))
          let wanted = Double(moments[a * n + b]) / mean + (i == j ? 0.01 : 0)
          #expect(abs(product - wanted) < 1e-4, "\(i) \(j)")
        }
      }
    }
  }

  @Test func anInputThatIsAlwaysZeroTellsNothing() {
    let factor = ErrorFactor(
      moments: [Float](repeating: 0, count: 16), columns: 4, damping: 0.01, sorts: true, team: ThreadTeam(workers: 2))
    #expect((0..<16).allSatisfy { factor.factor[$0] == 0 })
    #expect((0..<4).allSatisfy { factor.importance[$0] == 1 })
  }

  // MARK: Models

  private func model(_ magic: Magic) throws -> LanguageModel {
    var tiny = TinyModel(magic: magic, layers: 3)
    tiny.activation = "relu"
    return try LanguageModel(opening: tiny.write(to: folder.file("model.gguf")))
  }

  private func text(_ model: LanguageModel, seed: UInt64) throws -> ScoredText {
    var generator = SeededGenerator(seed: seed)
    let words = Int32(model.configuration.vocabularySize)
    let tokens = (0..<1100).map { _ in Int32.random(in: 0..<words, using: &generator) }
    return try ScoredText(tokens: tokens, contextSize: 50, beginning: 1)
  }

  private func compensation(_ model: LanguageModel, threads: Int = 2, memory: Int? = nil) throws -> ErrorCompensation {
    try ErrorCompensation(
      model: model, text: text(model, seed: 7), options: EngineOptions(threads: threads, batchSize: 32),
      memoryLimit: memory)
  }

  private func quantize(_ file: GGUFFile, _ name: String, _ guide: QuantizeGuide, threads: Int = 2) throws -> String {
    let path = folder.file(name)
    _ = try Quantizer(
      file, options: QuantizeOptions(type: .q4_0), guide: guide, team: ThreadTeam(workers: threads)
    ).write(to: path)
    return path
  }

  /// Logits of a text, one after the other.
  private func logits(_ path: String) throws -> [Float] {
    let model = try LanguageModel(opening: path)
    let text = try text(model, seed: 11)
    let session = try Engine(model: model, options: EngineOptions(contextSize: 50, threads: 1)).makeSequence()
    var all: [Float] = []
    for chunk in 0..<4 {
      session.truncate(to: 0)
      let input = text.input(ofChunk: chunk)
      try session.evaluate(input, logitsOf: input.indices) { _, row in all += Array(row) }
    }
    return all
  }

  /// Another text than the one compensated on: nearer to the original than the reference's rounding.
  @Test(arguments: [Magic.gguf, .powerInfer])
  func losesLessThanRounding(_ magic: Magic) throws {
    let model = try model(magic)
    let original = try logits(folder.file("model.gguf"))
    func loss(_ path: String) throws -> Double {
      zip(original, try logits(path)).reduce(0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }
    }
    let rounded = try loss(quantize(model.file, "plain.gguf", .none))
    let compensated = try loss(quantize(model.file, "less.gguf", .compensation(compensation(model))))
    #expect(compensated < rounded * 0.8, "\(compensated / rounded)")
  }

  @Test(arguments: [Magic.gguf, .powerInfer])
  func givesTheSameBytesForAnyThreadsAndMemory(_ magic: Magic) throws {
    let model = try model(magic)
    let one = try quantize(model.file, "1.gguf", .compensation(compensation(model, threads: 1)), threads: 1)
    // Memory for no more than a layer at a time: the text is read several times.
    let small = try compensation(model, threads: 3, memory: 1)
    #expect(small.layersAtOnce == 1)
    let other = try quantize(model.file, "3.gguf", .compensation(small), threads: 3)
    #expect(try Data(contentsOf: URL(filePath: one)) == Data(contentsOf: URL(filePath: other)))
  }

  @Test func leavesNothingWhenCancelledWhileReading() throws {
    let model = try model(.gguf)
    let quantizer = try Quantizer(
      model.file, options: QuantizeOptions(type: .q4_0), guide: .compensation(compensation(model)),
      team: ThreadTeam(workers: 1))
    #expect(throws: SurveyError.cancelled) {
      try quantizer.write(to: folder.file("out.gguf"), isCancelled: { true })
    }
    #expect(try folder.names() == ["model.gguf"])
  }
}

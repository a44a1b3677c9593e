import Foundation
import PowerInfer
import PowerInferGGUF
import PowerInferKernels
import PowerInferModel
import PowerInferSparsity
import PowerInferTestKit
import Synchronization
import Testing

@testable import PowerInferToolkit

@Suite struct ImportanceTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func model(_ magic: Magic = .gguf, _ family: String = "llama", isTied: Bool = true) throws -> LanguageModel {
    var tiny = TinyModel(magic: magic, isTied: isTied, layers: 3)
    tiny.architecture = family
    if family == "llama" { tiny.activation = "relu" }
    return try LanguageModel(opening: tiny.write(to: folder.file("\(family)-\(isTied).gguf")))
  }

  /// Chunks of 21 tokens, whose last batch is a single one.
  private func text(_ model: LanguageModel) throws -> ScoredText {
    let tokens = (0..<90).map { Int32($0 * $0 * 7 % model.configuration.vocabularySize) }
    return try ScoredText(tokens: tokens, contextSize: 21, beginning: 1)
  }

  private func importance(_ model: LanguageModel, threads: Int = 2, output: Bool = false) throws -> ImportanceMatrix {
    try ImportanceSurvey(
      model: model, text: text(model), named: ["a.txt"], options: EngineOptions(threads: threads, batchSize: 10)
    ).run(includesOutput: output)
  }

  private func sentence(_ body: () throws -> Void) -> String {
    do {
      try body()
      return ""
    } catch {
      return "\(error)"
    }
  }

  // MARK: Making one

  /// What goes into the first layer is the norm of the embeddings, which is easily had without the engine.
  @Test func sumsTheSquaresOfTheFirstInput() throws {
    let model = try model()
    let found = try #require(try importance(model).entries["blk.0.attn_q.weight"])
    let text = try text(model)
    let c = model.configuration
    let gain = model.weights.layers[0].attentionNorm.gain.values
    var expected = [Double](repeating: 0, count: c.hiddenSize)
    for chunk in 0..<text.chunkCount {
      for token in text.input(ofChunk: chunk) {
        var row = [Float](repeating: 0, count: c.hiddenSize)
        let table = model.weights.tokenEmbedding
        Kernels.active.dequantize(table.format, table.row(Int(token)), count: c.hiddenSize, into: &row)
        let mean = row.reduce(0) { $0 + Double($1) * Double($1) } / Double(c.hiddenSize)
        for column in 0..<c.hiddenSize {
          let value = Double(row[column]) / (mean + Double(c.normEpsilon)).squareRoot() * Double(gain[column])
          expected[column] += value * value
        }
      }
    }
    #expect(found.counts == [Float(text.tokens.count)])
    for column in 0..<c.hiddenSize {
      #expect(abs(Double(found.sums[column]) - expected[column]) <= 1e-4 * expected[column] + 1e-9)
    }
  }

  /// Sums the squares of what neurons give, as another observer sees it.
  private final class HiddenSquares: NeuronObserver {
    private let squares: Mutex<[Double]>
    var sums: [Double] { squares.withLock { $0 } }
    init(_ count: Int) { squares = Mutex(Array(repeating: 0, count: count)) }
    func observe(_ view: NeuronView) {
      guard view.layer == 2 else { return }
      squares.withLock { sums in
        for token in 0..<view.tokens {
          for neuron in view.neurons {
            let value = Double(view.hidden[token * view.stride + neuron])
            sums[neuron] += value * value
          }
        }
      }
    }
  }

  @Test(arguments: [(Magic.gguf, "llama"), (.powerInfer, "llama"), (.powerInfer, "falcon"), (.gguf, "opt")])
  func seesEveryInputOfEveryLayer(_ magic: Magic, _ family: String) throws {
    let model = try model(magic, family)
    let matrix = try importance(model, output: true)
    let names = Set(
      model.file.tensors.filter { WeightRole(named: $0.name, layers: 3, isTied: true) != nil }
        .map { WeightRole.importanceName(of: $0.name) })
    #expect(Set(matrix.entries.keys) == names)
    #expect(matrix.entries.values.allSatisfy { $0.sums.contains { $0 > 0 } })
    // The last layer is where tokens could be left out.
    let text = try text(model)
    let seen = HiddenSquares(model.configuration.feedForwardSize)
    var options = EngineOptions(threads: 1, batchSize: 10)
    options.contextSize = 21
    options.sparsity = SparsityOptions(mode: .dense)
    options.observer = seen
    let session = try Engine(model: model, options: options).makeSequence()
    for chunk in 0..<text.chunkCount {
      session.truncate(to: 0)
      let input = text.input(ofChunk: chunk)
      try session.evaluate(input, logitsOf: input.indices) { _, _ in }
    }
    let found = try #require(matrix.entries["blk.2.ffn_down.weight"])
    #expect(zip(found.sums, seen.sums).allSatisfy { abs(Double($0) - $1) <= 1e-5 * $1 + 1e-12 })
  }

  @Test func isTheSameForAnyNumberOfThreads() throws {
    let model = try model()
    let one = try importance(model, threads: 1, output: true)
    #expect(try importance(model, threads: 3, output: true) == one)
  }

  // MARK: Files

  private let sample = ImportanceMatrix(
    entries: [
      "blk.0.attn_q.weight": .init(sums: [1, 4, 9.5], counts: [2]),
      "blk.1.experts.weight": .init(sums: [1, 2, 3, 4], counts: [5, 0]),
    ], texts: ["a.txt", "b.txt"], chunkCount: 7, chunkSize: 512)

  @Test func survivesAFile() throws {
    let path = folder.file("a.imatrix.gguf")
    try sample.write(to: path)
    #expect(try ImportanceMatrix(reading: path) == sample)
    #expect(try sample.importance(of: "blk.0.attn_q.weight", columns: 3) == [0.5, 2, 4.75])
    #expect(try sample.importance(of: "blk.0.attn_k.weight", columns: 3) == nil)
  }

  private func older(_ entries: [(String, Int32, [Float])], text: String?) -> Data {
    var data = Data()
    func put(_ value: Int32) { withUnsafeBytes(of: value.littleEndian) { data.append(contentsOf: $0) } }
    put(Int32(entries.count))
    for (name, chunks, values) in entries {
      put(Int32(name.utf8.count))
      data.append(contentsOf: name.utf8)
      put(chunks)
      put(Int32(values.count))
      for value in values { withUnsafeBytes(of: value.bitPattern.littleEndian) { data.append(contentsOf: $0) } }
    }
    if let text {
      put(9)
      put(Int32(text.utf8.count))
      data.append(contentsOf: text.utf8)
    }
    return data
  }

  @Test func readsTheOlderFormat() throws {
    let path = folder.file("old.dat")
    for text in ["wiki.txt", nil] {
      try older([("blk.0.attn_q.weight", 4, [4, 8]), ("output.weight", 0, [3])], text: text)
        .write(to: URL(filePath: path))
      let matrix = try ImportanceMatrix(reading: path)
      #expect(try matrix.importance(of: "blk.0.attn_q.weight", columns: 2) == [1, 2])
      #expect(try matrix.importance(of: "output.weight", columns: 1) == [3])
      #expect(matrix.texts == (text.map { [$0] } ?? []))
    }
  }

  @Test func saysWhatIsWrongWithAFile() throws {
    func reading(_ data: Data) throws -> String {
      let path = folder.file("x")
      try data.write(to: URL(filePath: path))
      return sentence { _ = try ImportanceMatrix(reading: path) }.replacing(path, with: "X")
    }
    let none =
      "\"X\" is no importance matrix: neither a GGUF file with in_sum2 and counts nor a file of the older format."
    #expect(try reading(Data()) == none)
    #expect(try reading(Data("This is a text, and no matrix.".utf8)) == none)
    let whole = older([("blk.0.attn_q.weight", 4, [4, 8]), ("blk.1.attn_q.weight", 4, [4, 8])], text: "t")
    #expect(
      try reading(whole.prefix(60))
        == "The importance matrix \"X\" is damaged: the name of entry 2 of 2 is cut off or no text.")
    #expect(
      try reading(whole.prefix(72))
        == "The importance matrix \"X\" is damaged: the values for \"blk.1.attn_q.weight\" are cut off.")
    // Cut anywhere it is read or refused, and nothing else.
    for length in 0..<whole.count { _ = try reading(whole.prefix(length)) }
    // A GGUF file of something else, and one without counts.
    try GGUFWriter(folder.file("m.gguf"), metadata: Metadata(), tensors: []).finish()
    #expect(try reading(Data(folder.read("m.gguf"))) == none)
    let writer = try GGUFWriter(
      folder.file("h.gguf"), metadata: Metadata(),
      tensors: [TensorLayout(name: "a.in_sum2", type: .f32, shape: [2])])
    try writer.append([UInt8](repeating: 0, count: 8))
    try writer.finish()
    #expect(
      try reading(Data(folder.read("h.gguf")))
        == "The importance matrix \"X\" is damaged: its sums and counts for \"a\" do not fit together.")
  }

  // MARK: Quantizing with one

  @Test func refusesAMatrixOfAnotherModel() throws {
    let file = try model().file
    let team = ThreadTeam(workers: 1)
    func plan(_ entries: [String: ImportanceMatrix.Entry]) -> String {
      let matrix = ImportanceMatrix(entries: entries, texts: [], chunkCount: 1, chunkSize: 1)
      return sentence {
        _ = try Quantizer(
          file, options: QuantizeOptions(type: .q4_0), guide: .importance(matrix, path: "i.gguf"), team: team)
      }
    }
    #expect(
      plan(["blk.0.attn_q.weight": .init(sums: [1, 2], counts: [1])])
        == "The importance matrix is of another model: it has 2 columns for \"blk.0.attn_q.weight\", expected 64.")
    #expect(
      plan(["blk.7.attn_q.weight": .init(sums: [1, 2], counts: [1])])
        == "The importance matrix \"i.gguf\" is of another model: it knows none of the weights to quantise.")
    #expect(
      plan(["blk.0.attn_q.weight": .init(sums: [Float](repeating: .nan, count: 64), counts: [1])])
        == "The importance matrix holds a value for \"blk.0.attn_q.weight\" that is negative, infinite or not a number."
    )
  }

  @Test func saysWhichWeightsItKnowsNothingOf() throws {
    let file = try model().file
    let matrix = ImportanceMatrix(
      entries: [
        "blk.0.attn_q.weight": .init(sums: [Float](repeating: 1, count: 64), counts: [1]),
        // No token was counted.
        "blk.0.attn_k.weight": .init(sums: [Float](repeating: 0, count: 64), counts: [0]),
      ], texts: [], chunkCount: 1, chunkSize: 1)
    let quantizer = try Quantizer(
      file, options: QuantizeOptions(type: .q4_0), guide: .importance(matrix, path: "i.gguf"),
      team: ThreadTeam(workers: 1))
    #expect(
      quantizer.plan.notes.contains(
        "The importance matrix tells nothing of \"token_embd.weight\" and 20 other tensors; all columns count alike there."
      ), "\(quantizer.plan.notes)")
  }
}

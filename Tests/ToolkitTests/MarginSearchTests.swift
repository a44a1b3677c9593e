import PowerInfer
import PowerInferGGUF
import PowerInferModel
import PowerInferSparsity
import PowerInferTestKit
import Testing

@testable import PowerInferToolkit

@Suite struct MarginSearchTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func open(_ type: TensorType = .q4_0, family: String = "llama", magic: Magic = .powerInfer) throws
    -> LanguageModel
  {
    var tiny = TinyModel(magic: magic, weightType: type)
    tiny.architecture = family
    return try LanguageModel(opening: tiny.write(to: folder.file("model.gguf")))
  }

  private func search(_ model: LanguageModel, loss: Float, threads: Int = 2) throws -> MarginSearch {
    let tokens = (0..<200).map { Int32($0 * $0 * 7 % model.configuration.vocabularySize) }
    return try MarginSearch(
      model: model, text: ScoredText(tokens: tokens, contextSize: 21, beginning: 1), named: "a.txt",
      options: EngineOptions(threads: threads, batchSize: 10), loss: loss)
  }

  @Test(arguments: ["llama", "bamboo", "falcon", "opt"])
  func marginsCostWhatTheyMay(family: String) throws {
    let model = try open(family: family)
    let found = try search(model, loss: 0.01).run()
    #expect(found.change.value <= 0.01 && found.layers.count == 2 && found.margins.margins.count == 2)
    #expect(found.layers.map(\.margin) == found.margins.margins && found.margins.text == "a.txt")
    // Nine chunks, of which two are held out.
    #expect(found.margins.tokens == 7 * 21 && found.heldOutTokens == 2 * 21)
    #expect(found.computed > 0 && found.computed <= 1 && found.missed < 0.25)
    #expect(abs(found.perplexity / found.densePerplexity - 1 - found.heldOutChange.value) < 1e-9)

    // What a session by itself finds with them, beside the model.
    try found.margins.writeSidecar(folder.file("model.margins.gguf"), for: model)
    var options = EngineOptions(contextSize: 21, threads: 3, batchSize: 10)
    options.sparsity.mode = .bits
    options.sparsity.masksPrompts = true
    let engine = try Engine(model: model, options: options)
    #expect(engine.statistics.layers.map(\.source) == found.margins.margins.map { .bits(margin: $0, threshold: nil) })
    let tokens = (0..<200).map { Int32($0 * $0 * 7 % model.configuration.vocabularySize) }
    let text = try ScoredText(tokens: tokens, contextSize: 21, beginning: 1).suffix(chunks: 2)
    #expect(try PerplexityTest(text, engine: engine).run().perplexity.value == found.perplexity)
  }

  /// A loss that nothing costs leaves the narrowest margins; less of it never makes them narrower.
  @Test func lessLossTakesWiderMargins() throws {
    let model = try open()
    let computed = try [0.001, 0.01, 0.99].map { try search(model, loss: $0).run().computed }
    #expect(computed[0] >= computed[1] && computed[1] >= computed[2] && computed[0] > computed[2])
  }

  @Test func resultsAreTheSameForAnyThreads() throws {
    let model = try open()
    #expect(try search(model, loss: 0.01, threads: 1).run() == search(model, loss: 0.01, threads: 3).run())
  }

  @Test func refusesWhatHasNoLeadingBits() throws {
    let half = try open(.f16)
    #expect(throws: SurveyError.noLeadingBits("its gates are plain floats")) { try search(half, loss: 0.01) }
    let silu = try open(magic: .gguf)
    #expect(throws: SurveyError.noLeadingBits("SiLU is never exactly zero")) { try search(silu, loss: 0.01) }
    #expect(
      "\(SurveyError.noLeadingBits("SiLU is never exactly zero"))"
        == "The margins of leading bits need a model with silent neurons and gates in blocks of codes, but SiLU is never exactly zero."
    )
    let model = try open()
    for loss in [0, 1, -1, .infinity] as [Float] {
      #expect(throws: NeuronRecordError.loss(loss)) { try search(model, loss: loss) }
    }
    #expect(throws: SurveyError.cancelled) { try search(model, loss: 0.01).run(isCancelled: { true }) }
  }
}

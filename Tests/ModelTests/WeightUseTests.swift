import PowerInferGGUF
import PowerInferModel
import PowerInferTestKit
import Testing

/// Bytes and products counted by hand, for models small enough to do so.
@Suite struct WeightUseTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  func weights(_ tiny: TinyModel) throws -> (LanguageModel, Weights) {
    let model = try LanguageModel(opening: tiny.write(to: folder.file("model.gguf")))
    return (model, model.weights)
  }

  /// Two layers of hidden size 64, 4 heads and 2 key/value heads of 16, 96 neurons, F32.
  @Test func countsATinyModel() throws {
    let tiny = TinyModel()
    let (model, weights) = try weights(tiny)
    withExtendedLifetime(model) {
      let v = tiny.vocabularySize
      #expect(weights.use(.embedding) == WeightUse(bytes: 256, products: 0))
      #expect(weights.use(.attentionNorm) == WeightUse(bytes: 512, products: 0))
      // 64 · (64 + 32 + 32) = 8192 weights a layer.
      #expect(weights.use(.queryKeyValue) == WeightUse(bytes: 65_536, products: 16_384))
      #expect(weights.use(.attentionOutput) == WeightUse(bytes: 32_768, products: 8192))
      #expect(weights.use(.feedForwardNorm) == WeightUse(bytes: 512, products: 0))
      // 64 · 96 · 2 = 12,288 weights a layer.
      #expect(weights.use(.gateUp) == WeightUse(bytes: 98_304, products: 24_576))
      #expect(weights.use(.down) == WeightUse(bytes: 49_152, products: 12_288))
      #expect(weights.use(.outputNorm) == WeightUse(bytes: 256, products: 0))
      #expect(weights.use(.logits) == WeightUse(bytes: v * 256, products: v * 64))
      // Per layer (8192 + 4096 + 12,288 + 6144) · 4 + 2 · 256 = 123,392 bytes.
      #expect(weights.bytesPerToken == 2 * 123_392 + 256 + 256 + v * 256)
      #expect(weights.products(tokens: 10, logits: 1, hasParallelBlocks: true) == 10 * 61_440 + v * 64)
      // The last layer computes 4096 + 12,288 + 6144 weights' products for one token in place of ten.
      #expect(
        weights.products(tokens: 10, logits: 1, hasParallelBlocks: false) == 10 * 61_440 - 9 * 22_528 + v * 64)
    }
  }

  /// Q4_0 has 18 bytes per 32 weights; the predictor is no part of a dense pass; the output matrix is not the embeddings.
  @Test func countsBlocksAndLeavesOutPredictors() throws {
    let tiny = TinyModel(magic: .powerInfer, weightType: .q4_0, isTied: false, layers: 3)
    let (model, weights) = try weights(tiny)
    withExtendedLifetime(model) {
      let v = tiny.vocabularySize
      let layer = (8192 + 4096 + 12_288 + 6144) / 32 * 18 + 2 * 256
      #expect(weights.bytesPerToken == 3 * layer + 36 + 256 + v * 36)
      #expect(weights.products(tokens: 1, logits: 0, hasParallelBlocks: true) == 3 * 30_720)
    }
  }
}

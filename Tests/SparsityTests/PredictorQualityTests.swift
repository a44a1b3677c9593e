import PowerInferGGUF
import PowerInferSparsity
import Testing

/// What was measured when predictors were trained, as metadata.
@Suite struct PredictorQualityTests {
  private func metadata(tokens: MetadataValue) -> Metadata {
    var metadata = Metadata()
    PredictorQuality(
      tokens: 5, heldOutTokens: 2, text: "a.txt", densePerplexity: 8, perplexity: 9, computed: [0.5], recall: [0.9],
      precision: [0.8], kept: [0.99], keptSquares: [0.999]
    ).write(to: &metadata)
    metadata.set("powerinfer.predictor.tokens", tokens)
    return metadata
  }

  @Test func whatIsWrittenIsReadAgain() throws {
    let quality = try #require(try PredictorQuality(metadata: metadata(tokens: .uint64(5))))
    #expect(quality.tokens == 5 && quality.heldOutTokens == 2 && quality.kept == [0.99])
  }

  @Test func numbersOfTokensAreNotNegative() {
    let error = #expect(throws: GGUFError.self) { try PredictorQuality(metadata: metadata(tokens: .int64(-1))) }
    #expect(
      error?.description
        == "The metadata key \"powerinfer.predictor.tokens\" holds the number -1, which is out of range.")
  }
}

import PowerInferSparsity
import Testing

@Suite struct SparsityModeTests {
  @Test func names() {
    #expect(SparsityMode.allCases.map(\.rawValue) == ["auto", "predictor", "gate", "bits", "threshold", "dense"])
    #expect(SparsityMode(rawValue: "none") == nil)
  }
}

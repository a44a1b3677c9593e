import ArgumentParser
import PowerInferSparsity
import Testing

@testable import PowerInferCommandLine

@Suite struct SparsityFlagsTests {
  private func resolve(_ arguments: [String], _ variables: [String: String] = [:]) throws -> SparsityFlags.Resolved {
    try SparsityFlags.parse(arguments).resolve(Environment(variables))
  }

  @Test func withoutFlagsNothingIsLost() throws {
    #expect(try resolve([]) == SparsityFlags.Resolved(options: SparsityOptions(mode: .auto)))
  }

  @Test func everySourceHasAName() throws {
    for mode in SparsityMode.allCases {
      #expect(try resolve(["--sparsity", mode.rawValue]).options.mode == mode)
      #expect(try resolve([], ["POWERINFER_SPARSITY": mode.rawValue]).options.mode == mode)
    }
    #expect(try resolve(["--sparsity", "gate"], ["POWERINFER_SPARSITY": "dense"]).options.mode == .gate)
    #expect(throws: (any Error).self) { try resolve(["--sparsity", "none"]) }
    #expect(
      throws: EnvironmentError(
        variable: "POWERINFER_SPARSITY", expected: "one of auto, predictor, gate, bits, threshold, dense", found: "some"
      )
    ) { try resolve([], ["POWERINFER_SPARSITY": "some"]) }
  }

  /// A flag wins over our variable, that over the original's, and any over the file's metadata (nil).
  @Test func thresholdOfThePredictor() throws {
    let original = ["LLAMA_SPARSE_PRED_THRESHOLD": "-1.5"]
    let both = original.merging(["POWERINFER_SPARSE_THRESHOLD": "0.25"]) { $1 }
    #expect(try resolve([]).options.predictorThreshold == nil)
    #expect(try resolve([], original).options.predictorThreshold == -1.5)
    #expect(try resolve([], both).options.predictorThreshold == 0.25)
    #expect(try resolve(["--sparse-threshold", "-2"], both).options.predictorThreshold == -2)
    #expect(try resolve(["--sparse-threshold", "-inf"]).options.predictorThreshold == -.infinity)
    #expect(try resolve([], ["LLAMA_SPARSE_PRED_THRESHOLD": "inf"]).options.predictorThreshold == .infinity)
    #expect(
      throws: EnvironmentError(variable: "LLAMA_SPARSE_PRED_THRESHOLD", expected: "a number", found: "low")
    ) { try resolve([], ["LLAMA_SPARSE_PRED_THRESHOLD": "low"]) }
  }

  /// Whether a number is a margin is for the model to say, which may not need one.
  @Test func marginOfLeadingBits() throws {
    let variable = ["POWERINFER_BITS_MARGIN": "0.5"]
    #expect(try resolve([]).options.bitsMargin == nil)
    #expect(try resolve([], variable).options.bitsMargin == 0.5)
    #expect(try resolve(["--bits-margin", "2"], variable).options.bitsMargin == 2)
    #expect(try resolve(["--bits-margin", "-1"]).options.bitsMargin == -1)
    #expect(throws: EnvironmentError(variable: "POWERINFER_BITS_MARGIN", expected: "a number", found: "wide")) {
      try resolve([], ["POWERINFER_BITS_MARGIN": "wide"])
    }
  }

  @Test func filesAndTypes() throws {
    let options = try resolve([
      "--predictor-type", "q4_0", "--neuron-profile", "a.gguf", "--gate-thresholds", "b.gguf",
    ])
    #expect(options.options.predictorFormat == .q4_0)
    #expect(options.profilePath == "a.gguf" && options.thresholdsPath == "b.gguf")
  }
}

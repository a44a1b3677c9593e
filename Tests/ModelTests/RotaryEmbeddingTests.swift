import Foundation
import PowerInferGGUF
import PowerInferModel
import PowerInferTestKit
import Testing

/// Rotary embeddings against golden angles from the published formulas (`Scripts/make_tiny_models.py`, cross-checked with
/// llama.cpp).
@Suite struct RotaryEmbeddingTests {
  struct Case: Decodable, Sendable, CustomTestStringConvertible {
    let name: String
    let dimensions: Int
    let contextLength: Int
    let freqBase: Double
    let type: String?
    let factor: Double?
    let scaleLinear: Double?
    let originalContextLength: Int?
    let attnFactor: Double?
    let yarnAttnFactor: Double?
    let yarnLogMultiplier: Double?
    let yarnExtFactor: Double?
    let yarnBetaFast: Double?
    let yarnBetaSlow: Double?
    let frequencyFactors: [Float]?
    let inverseFrequencies: [Double]
    let magnitude: Double
    let positions: [Int]
    let cosine: [[Double]]
    let sine: [[Double]]

    var testDescription: String { name }

    static let all: [Case] = {
      let decoder = JSONDecoder()
      decoder.keyDecodingStrategy = .convertFromSnakeCase
      return (try? decoder.decode([Case].self, from: Golden.data("rope.json", in: .module))) ?? []
    }()

    /// Metadata of a model with these settings.
    var metadata: Metadata {
      var tiny = TinyModel()
      tiny.hiddenSize = 4 * dimensions
      var metadata = tiny.metadata
      metadata.set("llama.rope.dimension_count", .uint32(UInt32(dimensions)))
      metadata.set("llama.context_length", .uint32(UInt32(contextLength)))
      metadata.set("llama.rope.freq_base", .float32(Float(freqBase)))
      if let type { metadata.set("llama.rope.scaling.type", .string(type)) }
      if let factor { metadata.set("llama.rope.scaling.factor", .float32(Float(factor))) }
      if let scaleLinear { metadata.set("llama.rope.scale_linear", .float32(Float(scaleLinear))) }
      if let originalContextLength {
        metadata.set("llama.rope.scaling.original_context_length", .uint32(UInt32(originalContextLength)))
      }
      for (name, value) in [
        ("attn_factor", attnFactor), ("yarn_attn_factor", yarnAttnFactor), ("yarn_log_multiplier", yarnLogMultiplier),
        ("yarn_ext_factor", yarnExtFactor), ("yarn_beta_fast", yarnBetaFast), ("yarn_beta_slow", yarnBetaSlow),
      ] {
        if let value { metadata.set("llama.rope.scaling." + name, .float32(Float(value))) }
      }
      return metadata
    }
  }

  @Test func goldenFileIsThere() {
    #expect(Case.all.count == 18)
  }

  @Test(arguments: Case.all)
  func angles(golden: Case) throws {
    let configuration = try ModelConfiguration(metadata: golden.metadata, magic: .gguf)
    let rotary = RotaryEmbedding(configuration.rotary, divisors: golden.frequencyFactors)
    #expect(abs(rotary.magnitude - golden.magnitude) < 1e-6)
    #expect(rotary.frequencies.count == golden.inverseFrequencies.count)
    for (found, expected) in zip(rotary.frequencies, golden.inverseFrequencies) {
      #expect(abs(found / expected - 1) < 1e-6)
    }
    var cosines = [Float](repeating: 0, count: golden.dimensions / 2)
    var sines = cosines
    for (row, position) in golden.positions.enumerated() {
      rotary.write(position: position, cosines: &cosines, sines: &sines)
      // A float factor in the file is exact to 6e-8, which a position of thousands multiplies.
      let limit = 1e-6 + 1e-7 * Double(position)
      for pair in cosines.indices {
        #expect(abs(Double(cosines[pair]) - golden.cosine[row][pair]) < limit)
        #expect(abs(Double(sines[pair]) - golden.sine[row][pair]) < limit)
      }
    }
  }

  @Test func refusesUnknownScaling() throws {
    var metadata = TinyModel().metadata
    metadata.set("llama.rope.scaling.type", .string("longrope"))
    let error = #expect(throws: ModelError.self) { try ModelConfiguration(metadata: metadata, magic: .gguf) }
    #expect(
      error?.description == "The model uses rotary scaling of type \"longrope\", which this version does not compute.")
  }

  @Test func refusesUnknownKeys() throws {
    var metadata = TinyModel().metadata
    metadata.set("llama.rope.scaling.finetuned", .bool(true))
    #expect(try ModelConfiguration(metadata: metadata, magic: .gguf).rotary.scaling == .none)
    metadata.set("llama.rope.scaling.alpha", .float32(1000))
    let error = #expect(throws: ModelError.self) { try ModelConfiguration(metadata: metadata, magic: .gguf) }
    #expect(
      error?.description
        == "The model uses the rotary setting \"llama.rope.scaling.alpha\", which this version does not compute.")
  }
}

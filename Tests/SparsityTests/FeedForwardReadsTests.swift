import PowerInferGGUF
import PowerInferModel
import PowerInferTestKit
import Testing

@testable import PowerInferSparsity

@Suite struct FeedForwardReadsTests {
  private func reads(_ tiny: TinyModel, frequency: Float = 0.25) throws -> [FeedForwardReads] {
    let folder = try TemporaryFolder()
    let model = try LanguageModel(opening: tiny.write(to: folder.file("m.gguf")))
    let all = [[Float]](repeating: [Float](repeating: frequency, count: 96), count: 2)
    return try FeedForwardReads.all(
      of: model, profile: ActivationProfile(frequencies: all, contributions: all, tokens: 1, text: ""))
  }

  /// By hand, where a quarter fires: 2 layers of 96 neurons, three rows of 64 inputs each in 36 bytes, of which 4 are scales and 16
  /// leading bits; predictors of rank 32 in rows of 36 and 18 bytes.
  @Test func bytesOfEverySource() throws {
    let found = try reads(TinyModel(magic: .powerInfer, weightType: .q4_0))
    #expect(found.map(\.mode) == [.dense, .gate, .bits, .predictor])
    let neurons: Double = 2 * 96
    let predictors = 2 * (32 * 36 + 96 * 18)
    let expected: [Double] = [
      neurons * 108, neurons * 54, neurons * 42, Double(predictors) + neurons * 27,
    ]
    #expect(found.map(\.bytesPerToken) == expected)
    #expect(found.map(\.predictorBytes) == [0, 0, 0, predictors])
  }

  /// Bamboo's up projection is asked, too; floats have no leading bits; a model without ReLU or predictors has one source.
  @Test func families() throws {
    var tiny = TinyModel(magic: .powerInfer, weightType: .q4_0)
    tiny.architecture = "bamboo"
    #expect(try reads(tiny)[2].bytesPerToken == 192 * 57)
    let floats = try reads(TinyModel(magic: .powerInfer, weightType: .f16))
    #expect(
      floats[2].bytesPerToken == floats[1].bytesPerToken && floats[1].bytesPerToken == 192 * 192)
    #expect(try reads(TinyModel()).map(\.mode) == [.dense])
  }
}

import Foundation
import PowerInferGGUF
import PowerInferModel
import PowerInferPlatform
import PowerInferSparsity
import PowerInferTestKit
import Testing

@Suite struct ModelSignatureTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func signature(_ model: TinyModel) throws -> ModelSignature {
    ModelSignature(try LanguageModel(opening: model.write(to: folder.file("model.gguf"))))
  }

  @Test func isTheSameForTheSameNeurons() throws {
    let model = TinyModel()
    let expected = try signature(model)
    #expect(expected.digest.count == 64 && expected.digest.allSatisfy { $0.isHexDigit && !$0.isUppercase })
    #expect(try signature(model) == expected)
    // Names and other keys are no part of it.
    var renamed = model
    renamed.extraMetadata.set("general.name", .string("other"))
    #expect(try signature(renamed) == expected)
  }

  @Test func isAnotherForAnyOtherModel() throws {
    var models = [
      TinyModel(), TinyModel(weightType: .f16), TinyModel(weightType: .q4_0), TinyModel(layers: 3), TinyModel(seed: 2),
      TinyModel(magic: .powerInfer),
    ]
    for change in [\TinyModel.feedForwardSize, \.hiddenSize] {
      var other = TinyModel()
      other[keyPath: change] += 32
      models.append(other)
    }
    for family in ["bamboo", "falcon", "opt"] {
      var other = TinyModel()
      other.architecture = family
      models.append(other)
    }
    let digests = Set(try models.map { try signature($0).digest })
    #expect(digests.count == models.count)
  }

  /// Rows that were arranged in memory have the signature of those in the file.
  @Test(arguments: [TensorType.q4_0, .q8_0, .f32]) func isTheSameInMemoryOfItsOwn(type: TensorType) throws {
    let path = try TinyModel(weightType: type).write(to: folder.file("model.gguf"))
    let mapped = ModelSignature(try LanguageModel(opening: path))
    #expect(ModelSignature(try LanguageModel(opening: path, residency: .copied)) == mapped)
  }

  /// More neurons than are sampled, in orders that hotness might give.
  @Test func isAnotherForAnyOtherOrder() throws {
    var model = TinyModel(layers: 1)
    model.feedForwardSize = 600
    let path = try model.write(to: folder.file("model.gguf"))
    let expected = ModelSignature(try LanguageModel(opening: path))
    let file = try GGUFFile(opening: path)
    let up = try file.requireTensor("blk.0.ffn_up.weight")
    let bytes = try folder.read("model.gguf")
    let row = up.byteCount / up.rows
    let data = withExtendedLifetime(file) { Array(up.bytes) }
    let start = try #require(Data(bytes).firstRange(of: Data(data))?.lowerBound)
    var random = SeededGenerator(seed: 1)
    let orders = [
      Array((0..<600).reversed()), Array(300..<600) + Array(0..<300), (0..<600).shuffled(using: &random),
      Array(1..<600) + [0], [1, 0] + Array(2..<600),
    ]
    for (number, order) in orders.enumerated() {
      var changed = bytes
      for (place, neuron) in order.enumerated() {
        changed.replaceSubrange(
          start + place * row..<start + (place + 1) * row, with: data[neuron * row..<(neuron + 1) * row])
      }
      let other = try folder.write("other\(number).gguf", changed)
      #expect(ModelSignature(try LanguageModel(opening: other)) != expected, "order \(number)")
    }
  }

  /// Counts of rows and bytes that the sample divides unevenly, and fewer of either than it takes.
  @Test(arguments: [(8, 1), (40, 257), (64, 511)])
  func oddSizesHaveOne(hiddenSize: Int, neurons: Int) throws {
    var model = TinyModel(weightType: .f16)
    model.hiddenSize = hiddenSize
    model.feedForwardSize = neurons
    #expect(try signature(model).digest.count == 64)
  }
}

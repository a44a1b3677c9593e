import Foundation
import PowerInferGGUF
import PowerInferKernels
import PowerInferPlatform
import PowerInferTestKit
import Testing

@testable import PowerInferModel

/// What makes a valid GGUF file a model, and the sentence for each thing that does not.
@Suite struct LanguageModelTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  func open(_ tiny: TinyModel) throws -> LanguageModel {
    try LanguageModel(opening: tiny.write(to: folder.file("model.gguf")))
  }

  func message(_ tiny: TinyModel) -> String? {
    do {
      _ = try open(tiny)
      return nil
    } catch {
      return "\(error)"
    }
  }

  /// A tiny model with one metadata key replaced.
  func tiny(_ key: String, _ value: MetadataValue) -> TinyModel {
    var tiny = TinyModel()
    tiny.extraMetadata.set(key, value)
    return tiny
  }

  @Test func readsHyperparameters() throws {
    let c = try open(TinyModel()).configuration
    #expect(c.hiddenSize == 64 && c.feedForwardSize == 96 && c.layerCount == 2)
    #expect(c.headCount == 4 && c.keyValueHeadCount == 2 && c.headSize == 16 && c.queriesPerKeyValueHead == 2)
    #expect(c.contextLength == 128 && c.attentionScale == 0.25 && c.activation == .silu)
  }

  @Test func magicAndMetadataNameTheActivation() throws {
    #expect(try open(TinyModel(magic: .powerInfer)).configuration.activation == .relu)
    #expect(try open(tiny("llama.hidden_activation", .string("relu"))).configuration.activation == .relu)
    #expect(
      message(tiny("llama.hidden_activation", .string("gelu")))
        == "Metadata key \"llama.hidden_activation\" is \"gelu\", expected \"silu\" or \"relu\".")
  }

  /// Weights read into memory of their own are arranged, and are the same numbers and the same model.
  @Test(arguments: [TensorType.q4_0, .q5_1, .q8_0, .f16])
  func copiedWeightsAreThoseOfTheFile(type: TensorType) throws {
    var tiny = TinyModel(magic: .powerInfer, isTied: false)
    tiny.weightType = type
    let path = try tiny.write(to: folder.file("model.gguf"))
    let mapped = try LanguageModel(opening: path)
    let copies = try [NeuronReading.listed, .predicted, .wholeGates, .whole].map { reading in
      try LanguageModel(opening: path, residency: .copied, reading: { _ in reading })
    }
    let rowwise: RowLayout = type == .f16 ? .blocks : .planes
    let whole: RowLayout = type != .f16 && Kernels.active.hasStripes ? .stripes : rowwise
    #expect(mapped.weights.output.layout == .blocks)
    for (index, copy) in copies.enumerated() {
      let (weights, layer) = (copy.weights, copy.weights.layers[1])
      // Stripes are whole.
      let output = weights.output.rows % WeightFormat.stripeRows == 0 ? whole : rowwise
      #expect(weights.output.layout == output && weights.tokenEmbedding.layout == rowwise)
      #expect(layer.query.layout == whole && layer.attentionOutput.layout == whole)
      #expect(layer.gate?.layout == (index > 1 ? whole : rowwise) && layer.up.layout == (index > 2 ? whole : rowwise))
      #expect(layer.predictor?.fc1.layout == whole && layer.predictor?.fc2.layout == (index == 1 ? whole : rowwise))
      guard case .neurons(let down) = layer.down else { Issue.record("expected ffn_down_t"); return }
      #expect(down.layout == rowwise)
    }
    func rows(_ model: LanguageModel) -> [[Float]] {
      let weights = model.weights
      var matrices = [weights.tokenEmbedding, weights.output]
      for layer in weights.layers {
        matrices += [layer.query, layer.key, layer.value, layer.attentionOutput, layer.up]
        matrices += [layer.gate, layer.predictor?.fc1, layer.predictor?.fc2].compactMap { $0 }
        if case .neurons(let down) = layer.down { matrices.append(down) }
      }
      return matrices.flatMap { matrix in
        (0..<matrix.rows).map { row in
          var floats = [Float](repeating: 0, count: matrix.columns)
          Kernels.active.dequantize(matrix, row: row, into: &floats)
          return floats
        }
      }
    }
    let expected = rows(mapped)
    let norm = mapped.weights.outputNorm.gain
    for copy in copies {
      #expect(rows(copy) == expected)
      #expect(
        UnsafeBufferPointer(start: norm.values, count: 64).elementsEqual(
          UnsafeBufferPointer(start: copy.weights.outputNorm.gain.values, count: 64)))
    }
  }

  /// On a machine with several memory nodes, threads of each read their part of every matrix.
  @Test func weightsOfSeveralMemoryNodesAreTheSame() throws {
    var tiny = TinyModel(magic: .powerInfer, isTied: false, layers: 1)
    tiny.weightType = .q4_0
    // Of 1.2 MB, more than is read at a time: rows of a matrix go to different nodes.
    (tiny.hiddenSize, tiny.feedForwardSize) = (1024, 2048)
    let file = try GGUFFile(opening: tiny.write(to: folder.file("model.gguf")))
    let mask = Processors.mask
    let nodes = [MemoryNodes([mask]), MemoryNodes([mask, mask]), MemoryNodes([mask, [mask[0]], mask])]
    let copies = try nodes.map { try #require(try WeightCopy(of: file, reading: .whole, nodes: $0)) }
    for tensor in file.tensors {
      let bytes = try copies.map { try #require($0.address(of: tensor)) }
      for other in bytes.dropFirst() { #expect(memcmp(other, bytes[0], tensor.byteCount) == 0, "\(tensor.name)") }
    }
  }

  @Test func findsBothDownLayoutsAndPredictors() throws {
    let sparse = try open(TinyModel(magic: .powerInfer, isTied: false)).weights
    #expect(!sparse.isOutputTied)
    #expect(sparse.layers[1].predictor?.rank == 32)
    guard case .neurons(let down) = sparse.layers[0].down else { Issue.record("expected ffn_down_t"); return }
    #expect(down.rows == 96 && down.columns == 64)

    let dense = try open(TinyModel()).weights
    #expect(dense.isOutputTied && dense.layers[0].predictor == nil)
    guard case .rows(let rows) = dense.layers[0].down else { Issue.record("expected ffn_down"); return }
    #expect(rows.rows == 64 && rows.columns == 96)
  }

  @Test func namesWhatIsWrong() {
    #expect(
      message(tiny("general.architecture", .string("mamba")))
        == "The file holds a model of architecture \"mamba\"; this version runs llama, bamboo, qwen2, falcon, opt.")
    #expect(
      message(tiny("llama.block_count", .uint32(0)))
        == "Metadata key \"llama.block_count\" is 0, expected a whole number from 1 to 4096.")
    #expect(
      message(tiny("llama.block_count", .uint32(3))) == "Tensor \"blk.2.attn_norm.weight\" is missing from the file.")
    #expect(
      message(tiny("llama.block_count", .uint32(1)))
        == "Tensor \"blk.1.attn_k.weight\" is in the file, but the model's architecture has no place for it.")
    #expect(
      message(tiny("llama.attention.head_count", .uint32(7)))
        == "Metadata key \"llama.attention.head_count_kv\" is 2, expected a divisor of head_count (7).")
    #expect(
      message(tiny("llama.attention.layer_norm_rms_epsilon", .float32(.nan)))
        == "Metadata key \"llama.attention.layer_norm_rms_epsilon\" is nan, expected a number above 0.")
    #expect(
      message(tiny("llama.feed_forward_length", .uint32(64)))
        == "Tensor \"blk.0.ffn_gate.weight\" has shape [64, 96], expected [64, 64] (contiguous dimension first).")
    #expect(
      message(tiny("llama.expert_count", .uint32(8)))
        == "The model uses 8 experts per layer (a mixture of experts), which this version does not compute.")
  }

  /// The file format and the kernels each know the blocks they read; they must mean the same.
  @Test(arguments: WeightFormat.allCases)
  func formatsAgreeWithTheFilesTypes(format: WeightFormat) throws {
    let type = try #require(TensorType(rawValue: format.rawValue))
    #expect(type.blockElements == format.blockElements && type.blockBytes == format.blockBytes)
    #expect(type.name.lowercased() == "\(format)".lowercased())
  }
}

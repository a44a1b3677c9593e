import PowerInferGGUF
import PowerInferKernels
import PowerInferModel
import PowerInferTestKit
import Testing

/// What files of Bamboo, Falcon and OPT must hold, and the sentence for each thing that is missing or too much.
@Suite struct FamilyTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  func tiny(_ architecture: String, magic: Magic = .gguf) -> TinyModel {
    var tiny = TinyModel(magic: magic, isTied: architecture == "opt")
    tiny.architecture = architecture
    return tiny
  }

  func open(_ tiny: TinyModel) throws -> LanguageModel {
    try LanguageModel(opening: tiny.write(to: folder.file("model.gguf")))
  }

  /// The error of a model after changes to its keys and tensors.
  func message(
    _ tiny: TinyModel, without omitted: String? = nil, reshaping: (String, [Int])? = nil, adding: TensorLayout? = nil,
    setting: (String, MetadataValue)? = nil
  ) -> String? {
    var tiny = tiny
    if let (key, value) = setting { tiny.extraMetadata.set(key, value) }
    tiny.changeLayouts = { layouts in
      var layouts = layouts.filter { $0.name != omitted }
      if let (name, shape) = reshaping {
        layouts = layouts.map { $0.name == name ? TensorLayout(name: name, type: $0.type, shape: shape) : $0 }
      }
      return layouts + (adding.map { [$0] } ?? [])
    }
    do {
      _ = try open(tiny)
      return nil
    } catch {
      return "\(error)"
    }
  }

  // MARK: Switches

  @Test func bambooRectifiesBothSides() throws {
    for magic in [Magic.gguf, .powerInfer] {
      let c = try open(tiny("bamboo", magic: magic)).configuration
      #expect(c.architecture.gating == .gatedBoth && c.activation == .relu)
      #expect(c.architecture.predictorInput == .feedForwardInput && c.rotary.pairing == .neighbours)
    }
    #expect(
      message(tiny("bamboo"), setting: ("bamboo.hidden_activation", .string("silu")))
        == "Metadata key \"bamboo.hidden_activation\" is \"silu\", expected \"relu\".")
  }

  @Test func falconTakesItsActivationFromTheMagic() throws {
    let plain = try open(tiny("falcon")).configuration
    #expect(plain.activation == .gelu && plain.architecture.predictorInput == .layerInput)
    #expect(plain.rotary.pairing == .halves && plain.rotary.dimensions == 16 && plain.normEpsilon == 1e-5)
    #expect(try open(tiny("falcon", magic: .powerInfer)).configuration.activation == .relu)
    #expect(
      message(tiny("falcon"), setting: ("falcon.hidden_activation", .string("silu")))
        == "Metadata key \"falcon.hidden_activation\" is \"silu\", expected \"relu\" or \"gelu\".")
    #expect(
      message(tiny("falcon"), setting: ("falcon.attention.layer_norm_epsilon", .float32(-1)))
        == "Metadata key \"falcon.attention.layer_norm_epsilon\" is -1.0, expected a number of 0 or more.")
  }

  @Test func falconsFusedMatrixIsSeenAsThree() throws {
    var falcon = tiny("falcon")
    falcon.keyValueHeads = 1
    let model = try open(falcon)
    let layer = model.weights.layers[1]
    #expect(model.configuration.keyValueHeadCount == 1 && model.configuration.queriesPerKeyValueHead == 4)
    #expect(layer.query.rows == 64 && layer.key.rows == 16 && layer.value.rows == 16)
    let fused = try #require(model.file.tensor(named: "blk.1.attn_qkv.weight")?.bytes.baseAddress)
    #expect(layer.query.data == fused)
    #expect(layer.key.data == fused + 64 * 64 * 4 && layer.value.data == fused + (64 + 16) * 64 * 4)
  }

  @Test func falconsSecondNormIsTheAttentions() throws {
    var falcon = tiny("falcon")
    #expect(try open(falcon).weights.layers[0].feedForwardNorm == nil)
    falcon.hasSecondNorm = true
    let model = try open(falcon)
    func first(_ name: String) throws -> Float {
      try #require(model.file.tensor(named: name)).bytes.loadUnaligned(as: Float.self)
    }
    let layer = model.weights.layers[0]
    #expect(try layer.attentionNorm.gain.values[0] == first("blk.0.attn_norm_2.weight"))
    #expect(try layer.feedForwardNorm?.gain.values[0] == first("blk.0.attn_norm.weight"))
    #expect(try layer.feedForwardNorm?.bias?.values[0] == first("blk.0.attn_norm.bias"))
  }

  @Test func optCountsPositionsWithoutTheirOffset() throws {
    for magic in [Magic.gguf, .powerInfer] {
      let model = try open(tiny("opt", magic: magic))
      let c = model.configuration
      #expect(c.contextLength == 126 && c.learnedPositionCount == 128 && c.rotary.dimensions == 0)
      #expect(c.keyValueHeadCount == c.headCount && c.normEpsilon == 0 && c.activation == .relu)
      #expect(model.weights.positionEmbedding?.rows == 128 && model.weights.isOutputTied)
      #expect(model.weights.layers[0].gate == nil && model.weights.layers[0].downBias?.count == 64)
    }
    #expect(
      message(tiny("opt"), setting: ("opt.context_length", .uint32(2)))
        == "Metadata key \"opt.context_length\" is 2, expected a whole number from 3 to 1073741824.")
  }

  // MARK: Tensors

  @Test(arguments: [
    ("bamboo", "blk.1.ffn_gate.weight"), ("falcon", "blk.0.attn_norm.bias"), ("falcon", "output_norm.bias"),
    ("falcon", "blk.1.attn_qkv.weight"), ("opt", "position_embd.weight"), ("opt", "blk.0.attn_q.bias"),
    ("opt", "blk.1.ffn_up.bias"), ("opt", "blk.1.ffn_norm.weight"),
  ])
  func aMissingTensorIsNamed(architecture: String, name: String) {
    #expect(message(tiny(architecture), without: name) == "Tensor \"\(name)\" is missing from the file.")
  }

  @Test func theBiasOfADownProjectionFollowsItsName() {
    for (magic, name) in [(Magic.gguf, "blk.0.ffn_down.bias"), (.powerInfer, "blk.0.ffn_down_t.bias")] {
      #expect(message(tiny("opt", magic: magic), without: name) == "Tensor \"\(name)\" is missing from the file.")
    }
  }

  @Test(arguments: [
    ("falcon", "blk.0.attn_qkv.bias", [128]), ("falcon", "blk.0.ffn_gate.weight", [64, 96]),
    ("falcon", "position_embd.weight", [64, 128]), ("opt", "rope_freqs.weight", [8]),
    ("opt", "blk.1.attn_norm_2.weight", [64]), ("falcon", "blk.0.ffn_up.bias", [96]),
  ])
  func aTensorTooManyIsNamed(architecture: String, name: String, shape: [Int]) {
    #expect(
      message(tiny(architecture), adding: TensorLayout(name: name, type: .f32, shape: shape))
        == "Tensor \"\(name)\" is in the file, but the model's architecture has no place for it.")
  }

  @Test func aSecondNormNeedsItsBias() {
    var falcon = tiny("falcon")
    falcon.hasSecondNorm = true
    #expect(
      message(falcon, without: "blk.0.attn_norm_2.bias")
        == "Tensor \"blk.0.attn_norm_2.bias\" is missing from the file.")
  }

  @Test func shapesAreChecked() {
    var falcon = tiny("falcon")
    falcon.keyValueHeads = 1
    // Without the key every head has keys and values of its own.
    #expect(
      message(falcon, setting: ("falcon.attention.head_count_kv", .uint32(4)))
        == "Tensor \"blk.0.attn_qkv.weight\" has shape [64, 96], expected [64, 192] (contiguous dimension first).")
    #expect(
      message(tiny("opt"), reshaping: ("position_embd.weight", [64, 126]))
        == "Tensor \"position_embd.weight\" has shape [64, 126], expected [64, 128] (contiguous dimension first).")
    #expect(
      message(tiny("opt"), reshaping: ("blk.0.ffn_up.bias", [64]))
        == "Tensor \"blk.0.ffn_up.bias\" has shape [64], expected [96] (contiguous dimension first).")
  }

  @Test(arguments: ["llama", "bamboo", "falcon", "opt"])
  func ranksOfAPredictorMustAgree(architecture: String) throws {
    let sparse = tiny(architecture, magic: .powerInfer)
    #expect(
      message(sparse, reshaping: ("blk.1.fc2.weight", [24, 96]))
        == "Tensor \"blk.1.fc2.weight\" has shape [24, 96], expected [32, 96] (contiguous dimension first).")
    #expect(
      message(sparse, reshaping: ("blk.1.fc2.weight", [32, 95]))
        == "Tensor \"blk.1.fc2.weight\" has shape [32, 95], expected [32, 96] (contiguous dimension first).")
    for name in ["blk.0.fc1.weight", "blk.0.fc2.weight"] {
      #expect(message(sparse, without: name) == "Tensor \"\(name)\" is missing from the file.")
    }
    var other = sparse
    other.changeLayouts = { layouts in
      layouts.map { layout in
        switch layout.name {
        case "blk.1.fc1.weight": TensorLayout(name: layout.name, type: layout.type, shape: [64, 8])
        case "blk.1.fc2.weight": TensorLayout(name: layout.name, type: layout.type, shape: [8, 96])
        default: layout
        }
      }
    }
    #expect(try open(other).weights.layers.map { $0.predictor?.rank } == [32, 8])
    other.changeLayouts = { $0.filter { !$0.name.contains(".fc") } }
    #expect(try open(other).weights.layers.allSatisfy { $0.predictor == nil })
  }

  // MARK: Tokens

  @Test(arguments: [("falcon", "falcon"), ("opt", "gpt-2"), ("llama", nil)] as [(String, String?)])
  func filesOf2023LeaveThePreTokenizerToTheFamily(architecture: String, expected: String?) throws {
    var metadata = tiny(architecture).metadata
    #expect(try Vocabulary(metadata: metadata).preTokenizer == "smollm")
    metadata["tokenizer.ggml.pre"] = nil
    #expect(try Vocabulary(metadata: metadata).preTokenizer == expected)
  }

  /// The original prepends nothing for these vocabularies, whatever the file says; OPT was trained with a first token, and
  /// its converter writes so.
  @Test(arguments: ["falcon", "opt"])
  func textBeginsWithATokenOnlyIfTheFileSaysSo(architecture: String) throws {
    var metadata = tiny(architecture).metadata
    metadata["tokenizer.ggml.pre"] = nil
    metadata["tokenizer.ggml.add_bos_token"] = nil
    #expect(try Tokenizer(metadata: metadata).encode("hello").first != 1)
    metadata["tokenizer.ggml.add_bos_token"] = .bool(true)
    #expect(try Tokenizer(metadata: metadata).encode("hello").first == 1)
  }
}

import Foundation
import PowerInferCheckpoint
import PowerInferKernels
import PowerInferTestKit
import Testing

@testable import PowerInferToolkit

/// Folders that are no model, or half of one: one sentence each, before anything is written.
@Suite struct ConversionErrorTests {
  /// What is done to the files of a good model, and what is then said of them. `@` is the folder.
  struct Mistake: CustomTestStringConvertible, Sendable {
    var family = "relullama"
    var name: String
    var options = ConvertOptions()
    var sentence: String
    var make: Change = { _ in }
    /// Done when the files are there.
    var damage: @Sendable (TemporaryFolder) throws -> Void = { _ in }
    var testDescription: String { name }

    typealias Change = @Sendable (inout TinyCheckpoint) -> Void
  }

  private static func remove(_ name: String) -> @Sendable (TemporaryFolder) throws -> Void {
    { try FileManager.default.removeItem(atPath: $0.file(name)) }
  }

  private static func setting(_ old: String, _ new: String) -> Mistake.Change {
    { checkpoint in
      let changed = checkpoint.config.replacing(old, with: new)
      #expect(changed != checkpoint.config)
      checkpoint.config = changed
    }
  }

  static let folders: [Mistake] = [
    Mistake(
      name: "no configuration",
      sentence: "There is no config.json in \"@/model\"; expected the folder of a Hugging Face model.",
      damage: remove("model/config.json")),
    Mistake(
      name: "a configuration that is no JSON",
      sentence: "\"@/model/config.json\": The content is not JSON of the form expected.",
      damage: { try $0.write("model/config.json", "{") }),
    Mistake(
      name: "a configuration that is a list",
      sentence: "\"@/model/config.json\": The content is not JSON of the form expected.",
      damage: { try $0.write("model/config.json", "[1]") }),
    Mistake(
      name: "a configuration in UTF-16",
      sentence: "\"@/model/config.json\": The text is not valid UTF-8, which was expected.",
      damage: { try $0.write("model/config.json", [0xFF, 0xFE, 0x7B, 0, 0x7D, 0]) }),
    Mistake(
      name: "no weights",
      sentence: "There are no weights in \"@/model\": neither model.safetensors nor pytorch_model.bin, whole or in "
        + "parts.",
      damage: remove("model/pytorch_model.bin")),
    Mistake(
      family: "bamboo", name: "a missing part",
      sentence: "A part of the model is missing: there is no file \"@/model/pytorch_model-00002-of-00002.bin\", which "
        + "\"@/model/pytorch_model.bin.index.json\" names.",
      damage: remove("model/pytorch_model-00002-of-00002.bin")),
    Mistake(
      name: "no tokenizer",
      sentence: "There is no tokenizer in \"@/model\": neither tokenizer.json nor tokenizer.model nor vocab.json.",
      damage: remove("model/tokenizer.model")),
    Mistake(
      name: "an unknown type",
      sentence: "Models of type \"mamba\" cannot be converted; expected one of RefinedWeb, RefinedWebModel, bamboo, "
        + "falcon, llama, mistral, opt, qwen2, sparsellama.",
      make: setting(#""model_type": "llama""#, #""model_type": "mamba""#)),
    Mistake(
      name: "no type",
      sentence: "\"@/model/config.json\" has no \"model_type\".", make: setting("model_type", "other_type")),
    Mistake(
      name: "a missing size", sentence: "\"@/model/config.json\" has no \"intermediate_size\".",
      make: setting("intermediate_size", "other_size")),
    Mistake(
      name: "a size that is none",
      sentence: "The \"hidden_size\" in \"@/model/config.json\" is not a whole number from 1 to 1073741824, which "
        + "was expected.",
      make: setting(#""hidden_size": 64"#, #""hidden_size": "64""#)),
    Mistake(
      name: "heads that share no heads",
      sentence: "The \"num_key_value_heads\" in \"@/model/config.json\" is not a divisor of num_attention_heads (4), "
        + "which was expected.", make: setting(#""num_key_value_heads": 2"#, #""num_key_value_heads": 3"#)),
    Mistake(
      name: "an unknown activation",
      sentence: "The model uses the activation \"mish\", which this version does not compute.",
      make: setting(#""hidden_act": "relu""#, #""hidden_act": "mish""#)),
    Mistake(
      name: "unknown rotary scaling",
      sentence: "The model uses the rotary setting \"alpha\", which this version does not compute.",
      make: setting(#""hidden_size""#, #""rope_scaling": {"type": "dynamic", "alpha": 1000}, "hidden_size""#)),
    Mistake(
      name: "a kind of rotary scaling",
      sentence: "The model uses rotary scaling of type \"longrope\", which this version does not compute.",
      make: setting(#""hidden_size""#, #""rope_scaling": {"type": "longrope"}, "hidden_size""#)),
    Mistake(
      family: "falcon40b", name: "rotary scaling of a Falcon",
      sentence: "The model uses rotary scaling of type \"longrope\", which this version does not compute.",
      make: setting(#""hidden_size""#, #""rope_scaling": {"type": "longrope"}, "hidden_size""#)),
    Mistake(
      name: "rotary scaling without a factor",
      sentence: "The \"rope_scaling.factor\" in \"@/model/config.json\" is not a number above 0, which was expected.",
      make: setting(#""hidden_size""#, #""rope_scaling": {"type": "linear"}, "hidden_size""#)),
    Mistake(
      name: "quantised weights",
      sentence: "The model uses weights that are quantised already (quantization_config), which this version does "
        + "not compute.",
      make: setting(#""hidden_size""#, #""quantization_config": {"bits": 4}, "hidden_size""#)),
    Mistake(
      family: "falcon40b", name: "positions by ALiBi",
      sentence: "The model uses positions by ALiBi (alibi), which this version does not compute.",
      make: setting(#""alibi": false"#, #""alibi": true"#)),
    Mistake(
      family: "opt", name: "norms after the blocks",
      sentence: "The model uses norms after the blocks (do_layer_norm_before), which this version does not compute.",
      make: setting(#""do_layer_norm_before": true"#, #""do_layer_norm_before": false"#)),
  ]

  static let weights: [Mistake] = [
    Mistake(
      name: "a missing tensor",
      sentence: "The tensor \"model.layers.1.mlp.up_proj.weight\" is missing from the weights.",
      make: { checkpoint in checkpoint.tensors["model.layers.1.mlp.up_proj.weight"] = nil }),
    Mistake(
      name: "a tensor too many",
      sentence: "The tensor \"model.layers.0.mlp.router.weight\" is among the weights, but models of this type have "
        + "no place for it.", make: { checkpoint in checkpoint.tensors["model.layers.0.mlp.router.weight"] = [2, 64] }),
    Mistake(
      name: "a layer too many",
      sentence: "The tensor \"model.layers.2.input_layernorm.weight\" is among the weights, but models of this type "
        + "have no place for it.",
      make: { checkpoint in checkpoint.tensors["model.layers.2.input_layernorm.weight"] = [64] }),
    Mistake(
      name: "a tensor of another shape",
      sentence: "The tensor \"model.layers.0.self_attn.k_proj.weight\" has the shape [64, 64], expected [32, 64].",
      make: { checkpoint in checkpoint.tensors["model.layers.0.self_attn.k_proj.weight"] = [64, 64] }),
    Mistake(
      name: "more embeddings than the configuration says",
      sentence: "The tensor \"model.embed_tokens.weight\" has the shape [361, 64], expected [360, 64].",
      make: { checkpoint in checkpoint.tensors["model.embed_tokens.weight"] = [361, 64] }),
    Mistake(
      family: "llama2", name: "whole numbers",
      sentence: "The tensor \"model.norm.weight\" is stored as I16, where floating-point numbers were expected.",
      damage: { folder in
        var bytes = try folder.read("model/model.safetensors")
        let name = Array(#""model.norm.weight":{"dtype":""#.utf8)
        let start = try #require(bytes.indices.first { bytes[$0...].starts(with: name) })
        bytes[start + name.count] = UInt8(ascii: "I")
        try folder.write("model/model.safetensors", bytes)
      }),
    Mistake(
      family: "llama2", name: "a cut file",
      sentence: "\"@/model/model.safetensors\": The tensor \"model.norm.weight\" is said to lie at bytes 215552 to "
        + "215680, where 0 to 215679 are there.",
      damage: { try $0.write("model/model.safetensors", Array(try $0.read("model/model.safetensors").dropLast())) }),
  ]

  static let predictors: [Mistake] = [
    Mistake(
      name: "no folder of predictors",
      sentence: "\"@/predictors\" is not a folder; expected one of predictors: model_0.pt, model_1.pt, …",
      damage: remove("predictors")),
    Mistake(
      name: "a missing predictor",
      sentence: "There is no predictor \"@/predictors/model_1.pt\"; the model has 2 layers, each of which needs one.",
      damage: remove("predictors/model_1.pt")),
    Mistake(
      name: "a predictor too many",
      sentence: "There is a predictor \"@/predictors/model_2.pt\", but the model has only 2 layers: these are "
        + "another model's.",
      damage: {
        try FileManager.default.copyItem(
          atPath: $0.file("predictors/model_0.pt"), toPath: $0.file("predictors/model_2.pt"))
      }),
    Mistake(
      name: "a predictor for another width",
      sentence: "\"@/predictors/model_0.pt\": The tensor \"fc1.weight\" has the shape [32, 128], expected [rank, 64].",
      make: { checkpoint in checkpoint.predictors?["0.fc1.weight"] = [32, 128] }),
    Mistake(
      name: "a predictor for other neurons",
      sentence: "\"@/predictors/model_1.pt\": The tensor \"fc2.weight\" has the shape [128, 48], expected [96, 48].",
      make: { checkpoint in checkpoint.predictors?["1.fc2.weight"] = [128, 48] }),
    Mistake(
      name: "a file that is no predictor",
      sentence: "\"@/predictors/model_0.pt\" holds \"weight\", where \"fc1.weight\" and \"fc2.weight\" were expected.",
      damage: {
        try $0.write(
          "predictors/model_0.pt", StoredTensor.torch([.init(name: "weight", type: .f16, shape: [1], bytes: [0, 0])]))
      }),
    Mistake(
      name: "a threshold that is none",
      sentence: "The \"sparse_threshold\" in \"@/predictors/config.json\" is not a number, which was expected.",
      damage: { try $0.write("predictors/config.json", #"{"sparse_threshold": "high"}"#) }),
    Mistake(
      name: "neurons that are never silent",
      sentence: "A PowerInfer file is for neurons that are often silent (ReLU), but the model's activation is "
        + "\"silu\"; --activation relu says so if the configuration is wrong.",
      make: setting(#""hidden_act": "relu""#, #""hidden_act": "silu""#)),
  ]

  static let tokenizers: [Mistake] = [
    Mistake(
      name: "a tokenizer that is none",
      sentence: "\"@/model/tokenizer.model\" is no SentencePiece model, or it is damaged.",
      damage: { try $0.write("model/tokenizer.model", "IQ== 0\nIg== 1\n") }),
    Mistake(
      family: "mistral", name: "a tokenizer of another kind",
      sentence: "\"@/model/tokenizer.json\" describes a tokenizer of the kind \"WordPiece\"; expected byte-level BPE "
        + "or SentencePiece's BPE.",
      damage: { try $0.write("model/tokenizer.json", #"{"model": {"type": "WordPiece", "vocab": {"a": 0}}}"#) }),
    Mistake(
      family: "mistral", name: "a unigram model",
      sentence: "\"@/model/tokenizer.json\" describes a tokenizer of the kind \"Unigram\"; expected byte-level BPE or "
        + "SentencePiece's BPE.",
      damage: { try $0.write("model/tokenizer.json", #"{"model": {"type": "Unigram", "vocab": [["a", -1.5]]}}"#) }),
    Mistake(
      family: "qwen2", name: "words cut in a way of their own",
      sentence: "How \"@/model/tokenizer.json\" cuts a text into words is not known; --pre-tokenizer names what it "
        + "does: one of @names.",
      damage: { folder in
        let text = String(decoding: try folder.read("model/tokenizer.json"), as: UTF8.self)
        try folder.write("model/tokenizer.json", text.replacing("(?i:", with: "(?:"))
      }),
    Mistake(
      family: "qwen2", name: "more tokens than embeddings",
      sentence: "\"@/model/tokenizer.json\" numbers a token 299, but the model has only 299 tokens.",
      make: { checkpoint in
        checkpoint.config = checkpoint.config.replacing(#""vocab_size": 312"#, with: #""vocab_size": 299"#)
        checkpoint.tensors["model.embed_tokens.weight"] = [299, 64]
      }),
    Mistake(
      family: "qwen2", name: "two tokens of one number",
      sentence: "\"@/model/tokenizer.json\" has two tokens of the number 0.",
      damage: { folder in
        let text = String(decoding: try folder.read("model/tokenizer.json"), as: UTF8.self)
        try folder.write("model/tokenizer.json", text.replacing(#""vocab":{"#, with: #""vocab":{"twice":0,"#))
      }),
    Mistake(
      name: "an end that is no token",
      sentence: "\"@/model/tokenizer_config.json\" names the token \"<end>\", which the vocabulary does not have.",
      make: { $0.config = $0.config.replacing(#""eos_token_id": 2"#, with: #""eos_token_id": null"#) },
      damage: { try $0.write("model/tokenizer_config.json", #"{"eos_token": "<end>"}"#) }),
    Mistake(
      family: "opt", name: "no merges",
      sentence: "There is no file \"@/model/merges.txt\".", damage: remove("model/merges.txt")),
    Mistake(
      family: "opt", name: "empty merges",
      sentence: "The byte-pair vocabulary has no merges; expected the list tokenizer.ggml.merges.",
      damage: { try $0.write("model/merges.txt", "#version: 0.2\n") }),
  ]

  @Test(arguments: folders + weights + predictors + tokenizers) func aMistakeIsOneSentence(mistake: Mistake) throws {
    let folder = try TemporaryFolder()
    var checkpoint = try TinyCheckpoint.named(mistake.family)
    mistake.make(&checkpoint)
    let path = try checkpoint.write(to: folder)
    try mistake.damage(folder)
    let hasPredictors = checkpoint.predictors != nil
    let error = #expect(throws: (any Error).self) {
      try ConversionPlan(path, predictors: hasPredictors ? folder.file("predictors") : nil, options: mistake.options)
    }
    let names = "a.x-4.0"
    let expected = mistake.sentence.replacing("@names.", with: names).replacing("@", with: folder.path)
    let found = "\(error.map { "\($0)" } ?? "")"
    if mistake.sentence.hasSuffix("@names.") {
      #expect(found.hasPrefix(expected))
    } else {
      #expect(found == expected)
    }
  }

  @Test func aFileIsNoFolder() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("model.gguf", "x")
    for name in [path, folder.file("none")] {
      #expect(throws: ConvertError.notFolder(name)) { try ConversionPlan(name) }
    }
    #expect(
      ConvertError.notFolder("m").description == "\"m\" is not a folder; expected the folder of a Hugging Face model.")
  }

  /// A number that cannot be stored is found while the weights are read; nothing stays behind.
  @Test(arguments: [
    (UInt16(0x7F80), "holds an infinite value or one that is not a number in row 3; the input is damaged."),
    (0x7FC0, "holds an infinite value or one that is not a number in row 3; the input is damaged."),
    (0x4B00, "holds a value in row 3 that is too large for F16."),
  ]) func aDamagedWeightIsFound(bits: UInt16, sentence: String) throws {
    let folder = try TemporaryFolder()
    let path = try TinyCheckpoint.named("llama3").write(to: folder)
    // The embeddings are the first tensor of the first part.
    let file = "model/model-00001-of-00002.safetensors"
    var bytes = try folder.read(file)
    let header = 8 + Int(bytes[0]) + Int(bytes[1]) << 8
    let place = header + (3 * 64 + 5) * 2
    (bytes[place], bytes[place + 1]) = (UInt8(bits & 0xFF), UInt8(bits >> 8))
    try folder.write(file, bytes)
    let converter = Converter(try ConversionPlan(path), team: ThreadTeam(workers: 2))
    let error = #expect(throws: ConvertError.self) { try converter.write(to: folder.file("out.gguf")) }
    #expect(error?.description == "The tensor \"token_embd.weight\" \(sentence)")
    #expect(try folder.names() == ["model"])
  }

  @Test func whatIsReadIsNotWrittenOver() throws {
    let folder = try TemporaryFolder()
    let path = try TinyCheckpoint.named("relullama").write(to: folder)
    let plan = try ConversionPlan(path, predictors: folder.file("predictors"))
    let converter = Converter(plan, team: ThreadTeam(workers: 1))
    for name in ["model/pytorch_model.bin", "predictors/model_1.pt"] {
      let error = #expect(throws: ConvertError.self) { try converter.write(to: folder.file(name)) }
      #expect(error?.description == "\"\(folder.file(name))\" is being read; the result needs another name.")
    }
    let error = #expect(throws: ConvertError.self) { try converter.write(to: folder.file("no/out.gguf")) }
    #expect(
      error?.description
        == "\"\(folder.file("no/out.gguf"))\" cannot be created: there is no folder \"\(folder.file("no"))\".")
  }

  #if os(Linux)
    /// The device that is always full, in the place of the file that grows.
    @Test func aFullDiskIsSaid() throws {
      let folder = try TemporaryFolder()
      let path = try TinyCheckpoint.named("llama2").write(to: folder)
      let part = folder.file(".out.gguf.part")
      try FileManager.default.createSymbolicLink(atPath: part, withDestinationPath: "/dev/full")
      let converter = Converter(try ConversionPlan(path), team: ThreadTeam(workers: 1))
      let error = #expect(throws: ConvertError.self) { try converter.write(to: folder.file("out.gguf")) }
      #expect(
        error?.description
          == "The disk is full: \"\(folder.file("out.gguf"))\" could not be written; what is done is kept in "
          + "\"\(part)\", and the same command goes on from there.")
      #expect(try folder.names() == [".out.gguf.part", "model"])
    }
  #endif
}

import Foundation
import PowerInferGGUF
import PowerInferTestKit
import Testing

/// `powerinfer convert`, and PowerInfer's folders of counts, as a person at a shell has them.
@Suite(.serialized) struct ConvertCommandTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    try HuggingFaceFolder.write(to: folder)
  }

  /// Runs it; `%name` is a file of this test's folder.
  private func run(_ arguments: String) async throws -> Executable.Outcome {
    try await Executable.run(
      arguments.split(separator: " ").map { String($0).replacing("%", with: folder.path + "/") })
  }

  @Test func aFolderBecomesAModelThatRuns() async throws {
    let outcome = try await run("convert %model -o %out.gguf")
    #expect(outcome.status == 0 && outcome.error == "", "\(outcome.error)")
    let lines = outcome.output.split(separator: "\n").map(String.init)
    #expect(lines.count == 3)
    #expect(lines[0].hasPrefix("\(folder.file("model")): llama, ") && lines[0].hasSuffix(" of weights, 259 tokens"))
    #expect(lines[1].hasPrefix("\(folder.file("out.gguf")): GGUF, ") && lines[1].hasSuffix(" bits per weight"))
    #expect(lines[2] == "8 tensors F16, 3 tensors F32")
    #expect(try folder.names() == ["model", "out.gguf"])
    let answer = try await run("run -m %out.gguf --raw -q -n 4 --ignore-eos hello")
    #expect(answer.status == 0 && answer.error == "")
  }

  @Test func theReportIsJSON() async throws {
    let outcome = try await run("convert %model -o %out.gguf --type q8_0 --powerinfer --name mine --json")
    #expect(outcome.status == 0 && outcome.error == "", "\(outcome.error)")
    let report = try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    #expect(report["architecture"] as? String == "llama")
    #expect(report["isPowerInfer"] as? Bool == true)
    #expect((report["tensors"] as? [Any])?.count == 11)
    #expect((report["notes"] as? [String])?.count == 1)
    let file = try GGUFFile(opening: folder.file("out.gguf"))
    #expect(file.magic == .powerInfer)
    #expect(try file.metadata.string("general.name") == "mine")
    #expect(file.tensor(named: "blk.0.ffn_down_t.weight")?.type == .q8_0)
  }

  @Test(arguments: [
    ("convert %none -o %out.gguf", "\"%none\" is not a folder; expected the folder of a Hugging Face model."),
    ("convert % -o %out.gguf", "There is no config.json in \"%\"; expected the folder of a Hugging Face model."),
    (
      "convert %model %none -o %out.gguf",
      "\"%none\" is not a folder; expected one of predictors: model_0.pt, model_1.pt, …"
    ),
    (
      "convert %model %model -o %out.gguf",
      "There is no predictor \"%model/model_0.pt\"; the model has 1 layers, each of which needs one."
    ),
    ("convert %model -o %no/out.gguf", "\"%no/out.gguf\" cannot be created: there is no folder \"%no\"."),
    ("convert %model -o %model", "\"%model\" is a folder, where a file was expected."),
    (
      "convert %model -o %model/model.safetensors",
      "\"%model/model.safetensors\" is being read; the result needs another name."
    ),
    (
      "convert %model -o %out.gguf --activation mish",
      "The model uses the activation \"mish\", which this version does not compute."
    ),
    (
      "convert %model -o %out.gguf --activation silu --powerinfer",
      "A PowerInfer file is for neurons that are often silent (ReLU), but the model's activation is \"silu\"; "
        + "--activation relu says so if the configuration is wrong."
    ),
  ]) func aFailureIsOneSentence(arguments: String, sentence: String) async throws {
    let outcome = try await run(arguments)
    #expect(outcome.status == 1 && outcome.output == "")
    // The folder itself has no slash at its end in what is said of it, nor where it was named.
    let expected = sentence.replacing("\"%\"", with: "\"\(folder.path)/\"").replacing("%", with: folder.path + "/")
    #expect(outcome.error == "Error: \(expected)\n")
    #expect(try folder.names() == ["model"])
  }

  @Test func aTypeThatCannotBeWrittenIsAMistake() async throws {
    let outcome = try await run("convert %model -o %out.gguf --type q3_K")
    #expect(outcome.status == 64)
    #expect(outcome.error.hasPrefix("Error: There is no type \"q3_K\" to write; expected one of f32, "))
    #expect(try await run("convert %model").status == 64)
  }

  /// Ended without warning, again and again, at whatever point: the same bytes in the end, nothing under the name before.
  @Test func aKilledConversionGoesOn() async throws {
    try HuggingFaceFolder.write(to: folder, named: "large", embeddings: 200_000)
    #expect(try await run("convert %large -o %whole.gguf --type q5_K -t 2").status == 0)
    let expected = try folder.read("whole.gguf")
    for delay in [0.0, 0.03, 0.06, 0.1, 0.2, 0.4] {
      let process = Process()
      process.executableURL = Executable.url
      process.arguments = ["convert", folder.file("large"), "-o", folder.file("out.gguf"), "--type", "q5_K", "-t", "2"]
      process.standardOutput = FileHandle.nullDevice
      process.standardError = FileHandle.nullDevice
      try process.run()
      try await Task.sleep(for: .seconds(delay))
      let isThere = try folder.names().contains("out.gguf")
      kill(process.processIdentifier, SIGKILL)
      process.waitUntilExit()
      if isThere || process.terminationReason == .exit { #expect(try folder.read("out.gguf") == expected) }
    }
    #expect(try await run("convert %large -o %out.gguf --type q5_K -t 1").status == 0)
    #expect(try folder.read("out.gguf") == expected)
    #expect(try folder.names() == ["large", "model", "out.gguf", "whole.gguf"])
  }

  // MARK: Folders of counts

  @Test func countsGoToPowerInferAndBack() async throws {
    #expect(try await run("convert %model -o %model.gguf --powerinfer").status == 0)
    try folder.write("text.txt", try ExampleFiles.shared.get().folder.read("text.txt"))
    let outcome = try await run("profile %model.gguf -f %text.txt -c 16 --torch-dir %activation")
    #expect(outcome.status == 0)
    #expect(outcome.error.hasSuffix("The counts were saved in \(folder.file("activation")).\n"), "\(outcome.error)")
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.file("activation")) == ["activation_0.pt"])
    let options = "--vram-budget 300KiB -c 16 -b 16 --scratch 1KiB -q"
    // The same neurons, whoever tells how often they fire.
    #expect(
      try await run("place %model.gguf \(options) --neuron-profile %activation -o %a.gpuidx").status == 0)
    #expect(try await run("place %model.gguf \(options) -o %b.gpuidx").status == 0)
    #expect(try folder.read("a.gpuidx") == folder.read("b.gpuidx"))
    try folder.write("activation/activation_1.pt", try folder.read("activation/activation_0.pt"))
    let other = try await run("place %model.gguf \(options) --neuron-profile %activation")
    #expect(other.status == 1)
    #expect(
      other.error
        == "Error: There is a file \"\(folder.file("activation/activation_1.pt"))\", but the model has only 1 layers: these "
        + "counts are another model's.\n")
  }
}

/// A Llama of one layer with random weights, as Hugging Face's library saves it.
enum HuggingFaceFolder {
  /// - Parameter embeddings: rows of the embeddings, of which 259 have tokens.
  static func write(to folder: TemporaryFolder, named name: String = "model", embeddings: Int = 259) throws {
    try FileManager.default.createDirectory(atPath: folder.file(name), withIntermediateDirectories: false)
    try folder.write(
      name + "/config.json",
      """
      {"model_type": "llama", "hidden_act": "relu", "hidden_size": 64, "intermediate_size": 512, "num_hidden_layers": 1,
       "num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": \(embeddings), "max_position_embeddings": 64,
       "rms_norm_eps": 1e-5, "tie_word_embeddings": true}
      """)
    let vocabulary = TinyVocabulary.bytePairs(preTokenizer: "gpt-2")
    let entries = try vocabulary.tokens.prefix(259).enumerated().map { id, token in
      String(decoding: try JSONEncoder().encode([token: id]), as: UTF8.self).dropFirst().dropLast()
    }
    try folder.write(
      name + "/tokenizer.json",
      """
      {"added_tokens": [{"id": 0, "content": "<|endoftext|>", "special": true}],
       "pre_tokenizer": {"type": "ByteLevel", "use_regex": true},
       "model": {"type": "BPE", "vocab": {\(entries.joined(separator: ","))}, "merges": [["h", "e"]]}}
      """)
    let layer = "model.layers.0."
    let shapes: [(String, [Int])] = [
      ("model.embed_tokens.weight", [embeddings, 64]), ("model.norm.weight", [64]),
      (layer + "input_layernorm.weight", [64]), (layer + "post_attention_layernorm.weight", [64]),
      (layer + "self_attn.q_proj.weight", [64, 64]), (layer + "self_attn.k_proj.weight", [32, 64]),
      (layer + "self_attn.v_proj.weight", [32, 64]), (layer + "self_attn.o_proj.weight", [64, 64]),
      (layer + "mlp.gate_proj.weight", [512, 64]), (layer + "mlp.up_proj.weight", [512, 64]),
      (layer + "mlp.down_proj.weight", [64, 512]),
    ]
    var random = SeededGenerator(seed: 5)
    var (header, data) = ([String](), [UInt8]())
    for (name, shape) in shapes {
      let start = data.count
      for _ in 0..<shape.reduce(1, *) {
        let half = HalfPrecision.bits(shape.count == 1 ? 1 : random.float() * 0.2)
        data.append(UInt8(truncatingIfNeeded: half))
        data.append(UInt8(half >> 8))
      }
      header.append("\"\(name)\":{\"dtype\":\"F16\",\"shape\":\(shape),\"data_offsets\":[\(start),\(data.count)]}")
    }
    let text = Array("{\(header.joined(separator: ","))}".utf8)
    let length = (0..<8).map { UInt8(truncatingIfNeeded: text.count >> (8 * $0)) }
    try folder.write(name + "/model.safetensors", length + text + data)
  }
}

import Crypto
import Foundation
import PowerInfer
import PowerInferGGUF
import PowerInferKernels
import PowerInferModel
import PowerInferPlatform
import PowerInferSparsity
import PowerInferTestKit
import Testing

@testable import PowerInferToolkit

/// Conversions against independent implementations: the original PowerInfer's converters and Hugging Face's library.
@Suite struct ConversionTests {
  static let families = [
    "llama2", "relullama", "bamboo", "llama3", "mistral", "qwen2", "falcon7b", "falcon40b", "opt",
    "yarn", "yarn-mscale", "dynamic", "biased",
  ]

  /// Tensor by tensor, the bytes that the original's converter writes.
  /// A matrix saved column by column is the same matrix.
  @Test(arguments: ["relullama", "bamboo", "falcon40b", "opt"], [StoredTensor.Strides.rows, .columns])
  func equalsTheOriginals(name: String, strides: StoredTensor.Strides) throws {
    let checkpoint = try TinyCheckpoint.named(name)
    let original = try #require(checkpoint.original)
    let file = try convert(checkpoint, predictors: true, strides: strides).file
    #expect(file.magic == .powerInfer)
    #expect(Set(file.tensors.map(\.name)) == Set(original.keys))
    for tensor in file.tensors {
      let expected = try #require(original[tensor.name])
      #expect(tensor.type.name == expected.type, "\(tensor.name)")
      #expect(tensor.shape == expected.shape, "\(tensor.name)")
      let hash = hexadecimal(SHA256.hash(data: Array(tensor.bytes)))
      #expect(hash == expected.sha256, "\(tensor.name)")
    }
    // NaN where the file has none.
    #expect(
      try file.metadata.float("powerinfer.sparse_threshold") ?? .nan == checkpoint.threshold ?? .nan || name == "bamboo"
    )
  }

  /// The numbers that the library computes in float64; rounding keys and values to F16 was measured to make 0.003.
  @Test(arguments: families) func computesWhatTheLibraryComputes(name: String) throws {
    let checkpoint = try TinyCheckpoint.named(name)
    guard let expected = checkpoint.logits else {
      #expect(name == "bamboo")
      return
    }
    let (file, folder) = try convert(checkpoint, options: ConvertOptions(type: .f32))
    let session = try session(file)
    let logits = try session.evaluate(checkpoint.tokens).map { Double($0) }
    #expect(logits.count == expected.count)
    let error = zip(logits, expected).map { abs($0 - $1) }.max() ?? .infinity
    #expect(error < 0.01, "\(error)")
    withExtendedLifetime(folder) {}
  }

  /// With a row per neuron or a column, the model is the same.
  @Test(arguments: ["relullama", "bamboo", "falcon40b", "opt"]) func bothLayoutsAreTheSameModel(name: String) throws {
    let checkpoint = try TinyCheckpoint.named(name)
    let (plain, first) = try convert(checkpoint, options: ConvertOptions(type: .f32))
    let (sparse, second) = try convert(checkpoint, options: ConvertOptions(type: .f32, isPowerInfer: true))
    #expect(plain.magic == .gguf)
    #expect(sparse.magic == .powerInfer)
    for layer in 0..<2 {
      let down = try #require(plain.tensor(named: "blk.\(layer).ffn_down.weight"))
      let turned = try #require(sparse.tensor(named: "blk.\(layer).ffn_down_t.weight"))
      #expect(down.shape == turned.shape.reversed())
      let (a, b) = (floats(down), floats(turned))
      for row in 0..<down.shape[1] {
        for column in 0..<down.shape[0] {
          #expect(a[row * down.shape[0] + column] == b[column * down.shape[1] + row])
        }
      }
    }
    var results: [[Float]] = []
    for file in [plain, sparse] {
      let session = try session(file)
      results.append(Array(try session.evaluate(checkpoint.tokens)))
    }
    let error = zip(results[0], results[1]).map { abs($0 - $1) }.max() ?? .infinity
    #expect(error < 1e-3)
    withExtendedLifetime((first, second)) {}
  }

  /// A plain file says that its neurons are ReLUs where its architecture would not.
  @Test func theActivationIsKept() throws {
    #expect(try convert(.named("relullama")).file.metadata.string("llama.hidden_activation") == "relu")
    #expect(try convert(.named("llama2")).file.metadata.string("llama.hidden_activation") == nil)
    #expect(try convert(.named("falcon40b")).file.metadata.string("falcon.hidden_activation") == "relu")
    #expect(try convert(.named("opt")).file.metadata.string("opt.hidden_activation") == nil)
    let options = ConvertOptions(activation: "relu")
    #expect(try convert(.named("llama2"), options: options).file.metadata.string("llama.hidden_activation") == "relu")
  }

  @Test func llama3sFrequenciesAreDivided() throws {
    let file = try convert(.named("llama3")).file
    let divisors = floats(try #require(file.tensor(named: "rope_freqs.weight")))
    #expect(divisors.count == 16)
    #expect(divisors.first == 1)
    #expect(divisors.last == 8)
    #expect(divisors == divisors.sorted())
    #expect(try file.metadata.integer("llama.attention.key_length") == 32)
    #expect(file.tensor(named: "output.weight") == nil)
  }

  @Test func theHistoryTellsOfIt() throws {
    let file = try convert(.named("relullama"), predictors: true).file
    let steps = History.steps(of: file.metadata)
    #expect(steps.count == 1)
    let config = try TinyCheckpoint.named("relullama").config
    #expect(
      steps.first
        == "convert F16, config.json sha256 \(hexadecimal(SHA256.hash(data: Array(config.utf8)))), with predictors")
  }

  @Test(arguments: [TensorType.q8_0, .q4_0, .q4_K, .bf16]) func everyTypeThatCanBeWritten(type: TensorType) throws {
    let (file, folder) = try convert(.named("relullama"), predictors: true, options: ConvertOptions(type: type))
    let types = Set(file.tensors.filter { $0.shape.count == 2 }.map(\.type))
    // Rows of 48 suit no block, rows of 64 and 32 none of 256.
    switch type {
    case .q8_0: #expect(types == [.q8_0, .f16])
    case .q4_0: #expect(types == [.q4_0, .q8_0, .f16])
    case .q4_K: #expect(types == [.q5_0, .q8_0, .f16])
    default: #expect(types == [.bf16])
    }
    let session = try Engine(model: LanguageModel(file: file), options: EngineOptions(threads: 1)).makeSequence()
    #expect(try session.evaluate([1, 2, 3]).allSatisfy { $0.isFinite })
    withExtendedLifetime(folder) {}
  }

  // MARK: The same bytes

  @Test func anyThreadsAndPiecesGiveTheSameBytes() throws {
    let folder = try TemporaryFolder()
    let path = try TinyCheckpoint.named("relullama").write(to: folder)
    let plan = try ConversionPlan(path, predictors: folder.file("predictors"), options: ConvertOptions(type: .q8_0))
    var results: [[UInt8]] = []
    for (threads, pieceBytes) in [(1, 32 << 20), (3, 32 << 20), (2, 1000), (2, 1)] {
      var converter = Converter(plan, team: ThreadTeam(workers: threads))
      converter.pieceBytes = pieceBytes
      _ = try converter.write(to: folder.file("out.gguf"))
      results.append(try folder.read("out.gguf"))
    }
    #expect(Set(results).count == 1)
    #expect(try folder.names() == ["model", "out.gguf", "predictors"])
  }

  /// Stopped at any point and started again, with or without the last moments' bytes, it gives the same bytes.
  @Test func anInterruptedConversionGoesOn() throws {
    let folder = try TemporaryFolder()
    let path = try TinyCheckpoint.named("falcon40b").write(to: folder)
    let plan = try ConversionPlan(path, predictors: folder.file("predictors"))
    func converter() -> Converter {
      var converter = Converter(plan, team: ThreadTeam(workers: 2))
      converter.segmentBytes = 1
      converter.pieceBytes = 4096
      return converter
    }
    let whole = try converter().write(to: folder.file("whole.gguf"))
    let expected = try folder.read("whole.gguf")
    #expect(whole.resumedBytes == 0)
    var resumed = 0
    for stop in stride(from: 0, to: 110, by: 7) {
      var calls = 0
      let error = #expect(throws: ConvertError.self) {
        try converter().write(
          to: folder.file("out.gguf"),
          isCancelled: {
            calls += 1
            return calls > stop
          })
      }
      #expect(error == .cancelled(kept: folder.file(".out.gguf.part")))
      #expect(try !folder.names().contains("out.gguf"))
      if stop % 2 == 1 {
        // As after a power cut: more was written than was noted, and it is wrong.
        try folder.write(".out.gguf.part", try folder.read(".out.gguf.part") + [1, 2, 3])
      }
      let report = try converter().write(to: folder.file("out.gguf"))
      resumed = max(resumed, report.resumedBytes)
      #expect(try folder.read("out.gguf") == expected)
      #expect(try folder.names() == ["model", "out.gguf", "predictors", "whole.gguf"])
      try FileManager.default.removeItem(atPath: folder.file("out.gguf"))
    }
    #expect(resumed > expected.count / 2)
  }

  /// What lies there is looked at, not believed.
  @Test func damagedRemainsAreNotUsed() throws {
    let folder = try TemporaryFolder()
    let path = try TinyCheckpoint.named("llama2").write(to: folder)
    var converter = Converter(try ConversionPlan(path), team: ThreadTeam(workers: 2))
    converter.segmentBytes = 1
    func interrupt() {
      var calls = 0
      _ = try? converter.write(
        to: folder.file("out.gguf"),
        isCancelled: {
          calls += 1
          return calls > 10
        })
    }
    _ = try converter.write(to: folder.file("whole.gguf"))
    let expected = try folder.read("whole.gguf")
    for damage in 0..<6 {
      interrupt()
      var bytes = try folder.read(".out.gguf.part")
      switch damage {
      case 0: bytes[20] ^= 1
      case 1: bytes[bytes.count / 2] ^= 1
      case 2: bytes.removeLast(bytes.count / 2)
      case 3: try folder.write(".out.gguf.part.json", "{")
      case 4:
        let record = String(decoding: try folder.read(".out.gguf.part.json"), as: UTF8.self)
        try folder.write(".out.gguf.part.json", record.replacing("\"tensors\":1}", with: "\"tensors\":999999}"))
      default:
        try folder.write(".out.gguf.part.json", #"{"plan":"x","segments":[{"tensors":-1,"bytes":-5,"sha256":""}]}"#)
      }
      try folder.write(".out.gguf.part", bytes)
      let report = try converter.write(to: folder.file("out.gguf"))
      #expect(try folder.read("out.gguf") == expected)
      #expect(damage == 1 || damage == 2 ? report.resumedBytes > 0 : report.resumedBytes == 0)
    }
    // Of another conversion.
    interrupt()
    let other = Converter(
      try ConversionPlan(path, options: ConvertOptions(type: .bf16)), team: ThreadTeam(workers: 2))
    #expect(try other.write(to: folder.file("out.gguf")).resumedBytes == 0)
    // Of weights that were replaced in between.
    interrupt()
    try FileManager.default.setAttributes(
      [.modificationDate: Date(timeIntervalSince1970: 1)], ofItemAtPath: path + "/model.safetensors")
    #expect(try converter.write(to: folder.file("out.gguf")).resumedBytes == 0)
    #expect(try folder.read("out.gguf") == expected)
  }

  @Test func nobodyElseWritesTheSameFile() throws {
    let folder = try TemporaryFolder()
    let path = try TinyCheckpoint.named("llama2").write(to: folder)
    let converter = Converter(try ConversionPlan(path), team: ThreadTeam(workers: 1))
    let other = try ResumableFile(folder.file("out.gguf"))
    #expect(
      throws: ConvertError.file(
        .other(action: .write, path: folder.file("out.gguf"), reason: "another process is writing it"))
    ) { try converter.write(to: folder.file("out.gguf")) }
    other.discard()
    _ = try converter.write(to: folder.file("out.gguf"))
  }

  // MARK: Support

  private func convert(
    _ checkpoint: TinyCheckpoint, predictors: Bool = false, options: ConvertOptions = ConvertOptions(),
    strides: StoredTensor.Strides = .rows
  ) throws -> (file: GGUFFile, folder: TemporaryFolder) {
    let folder = try TemporaryFolder()
    let path = try checkpoint.write(to: folder, strides: strides)
    let plan = try ConversionPlan(path, predictors: predictors ? folder.file("predictors") : nil, options: options)
    _ = try Converter(plan, team: ThreadTeam(workers: 2)).write(to: folder.file("out.gguf"))
    return (try GGUFFile(opening: folder.file("out.gguf")), folder)
  }

  /// One that computes all neurons.
  private func session(_ file: GGUFFile) throws -> TokenSequence {
    var options = EngineOptions(threads: 2)
    options.sparsity = SparsityOptions(mode: .dense)
    return try Engine(model: LanguageModel(file: file), options: options).makeSequence()
  }

  private func floats(_ tensor: Tensor) -> [Float] {
    (0..<tensor.elementCount).map { tensor.bytes.loadUnaligned(fromByteOffset: $0 * 4, as: Float.self) }
  }
}

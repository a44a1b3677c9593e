import PowerInferGGUF
import PowerInferKernels
import PowerInferTestKit
import Testing

@testable import PowerInferToolkit

@Suite struct QuantizerTests {
  private let folder: TemporaryFolder
  private let team = ThreadTeam(workers: 2)

  init() throws { folder = try TemporaryFolder() }

  /// Writes a file of the given tensors.
  private func write(
    _ name: String, magic: Magic = .gguf, _ tensors: [(TensorLayout, [UInt8])], metadata: Metadata = Metadata()
  ) throws -> GGUFFile {
    let writer = try GGUFWriter(folder.file(name), magic: magic, metadata: metadata, tensors: tensors.map(\.0))
    for (_, bytes) in tensors { try writer.append(bytes) }
    try writer.finish()
    return try GGUFFile(opening: folder.file(name))
  }

  private func floats(_ name: String, _ shape: [Int], _ values: [Float]) -> (TensorLayout, [UInt8]) {
    let layout = TensorLayout(name: name, type: .f32, shape: shape)
    return (layout, TinyModel.Weight(layout, floats: values).bytes)
  }

  private func zeros(_ name: String, _ shape: [Int], _ type: TensorType = .f32) throws -> (TensorLayout, [UInt8]) {
    let layout = TensorLayout(name: name, type: type, shape: shape)
    return (layout, [UInt8](repeating: 0, count: try layout.byteCount()))
  }

  private func convert(_ file: GGUFFile, _ options: QuantizeOptions, to name: String = "out") throws -> GGUFFile {
    _ = try Quantizer(file, options: options, team: team).write(to: folder.file(name))
    return try GGUFFile(opening: folder.file(name))
  }

  /// Two rows of 64 elements, and their bytes as the Python package gguf 0.19 (`gguf.quants.quantize`) makes them.
  @Test(arguments: [
    (
      TensorType.q4_0,
      "e033907e4b29f6d4b18f6d3a18f5c3a07e5cd4b34e7092c5e71a3c5f81a3d6f82b4d6f92c4b32b4e7092c5e71a3c5f81a3d6f82b4d6f"
        + "b4b3f92b4e7092c5e71a3c6f81a3d6f82b4d"
    ),
    (
      .q4_1,
      "1134e0bf907d4b28f6d4a18f6c3a18e5c3907e5b15347cbfb28f6d4a18e6c3a17e5c3907e5b2907d15348cbfd4b28f6d4a18e6c3a17e"
        + "5c3907e5b29015349cbf07d4b28f6d4a18e6c3a17e5c3907e5b2"
    ),
    (
      .q5_0,
      "e02f8ec3f13820eb9641fda8530ec9742fdb8631eca7d4afe1781c8f9be0358acf1468bd02579ce1368adf24c4afc3f1381e479ce035"
        + "8adf1469be0257acf1368bdfb4af87e3713cf2479ce0358adf1469be0257acf1368b"
    ),
    (
      .q5_1,
      "df2fe0bf8ec7f13820eb9641fda8530ec97420db8631eca7e72f7cbf1e87e370641fda8530ec9742fdb8631fca7520dbe72f8cbf3c0e"
        + "c7e1b9641fda8530ec9742fdb8631fca7520e72f9cbf781c8ec30eb9641fda8530ec9742fdb8631fca75"
    ),
  ])
  func makesTheReferencesBytes(type: TensorType, expected: String) throws {
    let values = (0..<128).map { Float($0 * 7919 % 1009 - 504) / 256 }
    let file = try write("in", [floats("a.weight", [64, 2], values)])
    let tensor = try convert(file, QuantizeOptions(type: type)).requireTensor("a.weight")
    #expect(tensor.type == type && tensor.shape == [64, 2])
    let bytes = withExtendedLifetime(tensor) { Array(tensor.bytes) }
    #expect(bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() == expected)
  }

  @Test func carriesEverythingElseOver() throws {
    var model = TinyModel(magic: .powerInfer, isTied: false)
    model.extraMetadata.set("general.file_type", .uint32(0))
    model.extraMetadata.set("custom.bytes", .array(MetadataArray(stringBytes: [[0xFF], [0x80, 0]])))
    let input = try GGUFFile(opening: model.write(to: folder.file("in")))
    let output = try convert(input, QuantizeOptions(type: .q4_0))
    #expect(output.magic == .powerInfer)
    var expected = input.metadata
    expected.set("general.file_type", .uint32(2))
    expected.set("general.quantization_version", .uint32(2))
    #expect(output.metadata == expected)
    #expect(output.metadata.keys == expected.keys)
    #expect(output.tensors.map(\.name) == input.tensors.map(\.name))
    #expect(output.tensors.map(\.shape) == input.tensors.map(\.shape))
    withExtendedLifetime((input, output)) {
      for (before, after) in zip(input.tensors, output.tensors) where before.shape.count == 1 {
        #expect(after.type == .f32 && after.bytes.elementsEqual(before.bytes), "\(after.name)")
      }
    }
    for name in ["attn_q", "ffn_gate", "ffn_down_t", "fc1", "fc2"] {
      #expect(try output.requireTensor("blk.1.\(name).weight").type == .q4_0, "\(name)")
    }
  }

  @Test(arguments: [
    (TensorType.f32, UInt32(0)), (.f16, 1), (.q4_0, 2), (.q4_1, 3), (.q8_0, 7), (.q5_0, 8), (.q5_1, 9), (.bf16, 32),
  ])
  func namesTheFileType(type: TensorType, number: UInt32) throws {
    // Numbers of LlamaFileType in the Python package gguf 0.19.
    let file = try write("in", [zeros("a.weight", [32, 2])])
    #expect(try convert(file, QuantizeOptions(type: type)).metadata["general.file_type"] == .uint32(number))
  }

  @Test func choosesTypesByRole() throws {
    func types(_ options: QuantizeOptions, isTied: Bool) throws -> [String: TensorType] {
      var tensors = [
        try zeros("token_embd.weight", [32, 4]), try zeros("blk.0.attn_v.weight", [32, 2]),
        try zeros("blk.0.attn_v.bias", [32]), try zeros("blk.0.attn_norm.weight", [32], .f16),
        try zeros("blk.0.ffn_gate_inp.weight", [32, 2]), try zeros("blk.0.ffn_up_exps.weight", [32, 2, 2]),
        try zeros("blk.0.table", [32, 2]), try zeros("blk.0.ids", [32], .i32),
      ]
      if !isTied { tensors.append(try zeros("output.weight", [32, 4])) }
      let output = try convert(write("in", tensors), options)
      return Dictionary(uniqueKeysWithValues: output.tensors.map { ($0.name, $0.type) })
    }
    #expect(
      try types(QuantizeOptions(type: .q4_0), isTied: true) == [
        "token_embd.weight": .q8_0, "blk.0.attn_v.weight": .q4_0, "blk.0.attn_v.bias": .f32,
        "blk.0.attn_norm.weight": .f32, "blk.0.ffn_gate_inp.weight": .f32, "blk.0.ffn_up_exps.weight": .q4_0,
        "blk.0.table": .f32, "blk.0.ids": .i32,
      ])
    let untied = try types(QuantizeOptions(type: .q5_1), isTied: false)
    #expect(untied["token_embd.weight"] == .q5_1 && untied["output.weight"] == .q8_0)
    let pure = try types(QuantizeOptions(type: .q4_1, isPure: true), isTied: false)
    #expect(pure["token_embd.weight"] == .q4_1 && pure["output.weight"] == .q4_1)
    #expect(try types(QuantizeOptions(type: .q4_0, outputType: .f16), isTied: true)["token_embd.weight"] == .f16)
    #expect(try types(QuantizeOptions(type: .f16), isTied: false)["output.weight"] == .f16)
    let excepted = try types(
      QuantizeOptions(
        type: .q4_0, outputType: .f16,
        overrides: [TensorTypeOverride("^output=Q5_0"), TensorTypeOverride(#"blk\.\d+\.attn=bf16"#), .init("v=f32")]),
      isTied: false)
    #expect(excepted["output.weight"] == .q5_0 && excepted["blk.0.attn_v.weight"] == .bf16)
    #expect(excepted["token_embd.weight"] == .q4_0)
  }

  /// Positions, fused queries and predictors are weights like others; norms and biases stay F32.
  @Test(arguments: ["falcon", "opt"])
  func everyMatrixOfAFamilyIsConverted(architecture: String) throws {
    var model = TinyModel(magic: .powerInfer, weightType: .f16, isTied: architecture == "opt")
    model.architecture = architecture
    let input = try GGUFFile(opening: model.write(to: folder.file("in")))
    let output = try convert(input, QuantizeOptions(type: .q4_0))
    #expect(output.magic == .powerInfer && output.tensors.map(\.shape) == input.tensors.map(\.shape))
    for tensor in output.tensors {
      let isOutput = tensor.name == (architecture == "opt" ? "token_embd.weight" : "output.weight")
      let expected = tensor.shape.count == 1 ? TensorType.f32 : isOutput ? .q8_0 : .q4_0
      #expect(tensor.type == expected, "\(tensor.name)")
    }
  }

  @Test func rowsThatFitNoBlockBecomeF16() throws {
    let file = try write(
      "in",
      [
        zeros("a.weight", [48, 2]), zeros("b.weight", [32, 2]), zeros("c.weight", [16, 2]), zeros("d.weight", [8, 2]),
      ])
    let quantizer = try Quantizer(file, options: QuantizeOptions(type: .q4_0), team: team)
    #expect(quantizer.plan.items.map(\.layout.type) == [.f16, .q4_0, .f16, .f16])
    #expect(
      quantizer.plan.notes == [
        "\"a.weight\" and 2 other tensors become F16: rows of 48 elements cannot be Q4_0, which needs a multiple of 32."
      ])
    let values = (0..<96).map { Float($0) / 64 }
    let odd = try convert(write("odd", [floats("a.weight", [48, 2], values)]), QuantizeOptions(type: .q8_0))
    let half = TinyModel.Weight(TensorLayout(name: "a.weight", type: .f16, shape: [48, 2]), floats: values)
    #expect(try withExtendedLifetime(odd) { try Array(odd.requireTensor("a.weight").bytes) } == half.bytes)
  }

  @Test func saysWhatAUserWouldNotExpect() throws {
    let sparse = try GGUFFile(opening: TinyModel(magic: .powerInfer, weightType: .q8_0).write(to: folder.file("in")))
    #expect(
      try QuantizePlan(sparse, options: QuantizeOptions(type: .q5_0)).notes == [
        "The input is quantised already (Q8_0); from F16 or F32 the result would be a little better.",
        "The original PowerInfer computes ffn_down_t only in F16 and Q4_0; it would load this file with Q5_0 and answer "
          + "nonsense. This package reads all of them.",
      ])
    let dense = try GGUFFile(opening: TinyModel(weightType: .f16).write(to: folder.file("dense")))
    #expect(try QuantizePlan(dense, options: QuantizeOptions(type: .q4_0)).notes == [])
  }

  @Test func givesTheSameBytesForAnyThreadsAndPieces() throws {
    let model = TinyModel(magic: .powerInfer, weightType: .f16, isTied: false, seed: 3)
    let input = try GGUFFile(opening: model.write(to: folder.file("in")))
    var results: [[UInt8]] = []
    for (threads, piece) in [(1, 8 << 20), (2, 8 << 20), (3, 100), (2, 1), (5, 4096)] {
      var quantizer = try Quantizer(input, options: QuantizeOptions(type: .q4_1), team: ThreadTeam(workers: threads))
      quantizer.pieceBytes = piece
      var last = (done: 0, total: 0)
      let report = try quantizer.write(to: folder.file("out"), progress: { last = ($0, $1) })
      #expect(last.done == last.total && last.total == input.tensors.reduce(0) { $0 + $1.byteCount })
      let bytes = try folder.read("out")
      #expect(report.outputBytes == bytes.count && report.inputBytes == input.byteCount)
      results.append(bytes)
    }
    #expect(results.allSatisfy { $0 == results[0] })
  }

  /// They would be another model's.
  @Test func leavesOutWhatWasMeasuredOfPredictors() throws {
    var metadata = Metadata()
    metadata.set("powerinfer.predictor.perplexity", .float32(12))
    metadata.set("powerinfer.sparse_threshold", .float32(0))
    let file = try write("in", [floats("a.weight", [32, 2], [Float](repeating: 1, count: 64))], metadata: metadata)
    let plain = try convert(file, QuantizeOptions(type: .f32), to: "same").metadata
    #expect(plain["powerinfer.predictor.perplexity"] != nil)
    let smaller = try convert(file, QuantizeOptions(type: .q8_0)).metadata
    #expect(smaller["powerinfer.predictor.perplexity"] == nil && smaller["powerinfer.sparse_threshold"] != nil)
  }

  @Test func joinsSplitFiles() throws {
    func part(_ number: Int, _ tensor: String) throws {
      // The writer leaves the keys of split files out, so they are put in under names of the same length.
      var metadata = Metadata()
      metadata.set("xplit.no", .uint16(UInt16(number)))
      metadata.set("xplit.count", .uint16(2))
      let layout = try zeros(tensor, [32, 2])
      _ = try write("part", [layout], metadata: metadata)
      var bytes = try folder.read("part")
      for index in bytes.indices where bytes[index...].starts(with: Array("xplit.".utf8)) {
        bytes[index] = UInt8(ascii: "s")
      }
      try folder.write("m-0000\(number + 1)-of-00002.gguf", bytes)
    }
    try part(0, "a.weight")
    try part(1, "b.weight")
    let input = try GGUFFile(opening: folder.file("m-00002-of-00002.gguf"))
    let output = try convert(input, QuantizeOptions(type: .q8_0))
    #expect(output.tensors.map(\.name) == ["a.weight", "b.weight"])
    #expect(output.metadata["split.count"] == nil && output.paths.count == 1)
  }
}

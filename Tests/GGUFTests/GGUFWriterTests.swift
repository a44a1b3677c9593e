import PowerInferGGUF
import PowerInferTestKit
import Testing

@Suite struct GGUFWriterTests {
  @Test(arguments: Magic.allCases)
  func writesTheBytesOfTheFormat(magic: Magic) throws {
    let folder = try TemporaryFolder()
    var metadata = Metadata()
    metadata.set("general.architecture", .string("llama"))
    metadata.set("n", .uint32(7))
    let layouts = [
      TensorLayout(name: "a", type: .f32, shape: [2]), TensorLayout(name: "b.weight", type: .q8_0, shape: [32, 2]),
    ]
    let writer = try GGUFWriter(folder.file("m.gguf"), magic: magic, metadata: metadata, tensors: layouts)
    try writer.append([1, 2, 3, 4, 5])
    try writer.append([6, 7, 8])
    try writer.append([UInt8](repeating: 9, count: 68))
    #expect(try folder.names().allSatisfy { $0 != "m.gguf" })
    try writer.finish()
    #expect(try folder.names() == ["m.gguf"])

    // The same file, encoded by the tests' own hand.
    var raw = RawFile(magic: magic.rawValue, tensors: 2, pairs: 2)
    raw.pair("general.architecture", "llama")
    raw.pair("n", 7)
    raw.tensor("a", [2])
    raw.tensor("b.weight", [32, 2], type: 8, offset: 32)
    raw.data([1, 2, 3, 4, 5, 6, 7, 8])
    raw.data([UInt8](repeating: 9, count: 68))
    raw.data([])
    #expect(try folder.read("m.gguf") == raw.bytes)
    #expect(writer.byteCount == raw.bytes.count)
  }

  @Test func everyMetadataTypeSurvives() throws {
    var metadata = Metadata()
    let values: [MetadataValue] = [
      .uint8(.max), .int8(.min), .uint16(.max), .int16(.min), .uint32(.max), .int32(.min), .float32(.pi), .bool(true),
      .bool(false), .string("ä\0b"), .uint64(.max), .int64(.min), .float64(-0.1), .array(MetadataArray([UInt8(3)])),
      .array(MetadataArray([Int8(-3)])), .array(MetadataArray([UInt16(3)])), .array(MetadataArray([Int16(-3)])),
      .array(MetadataArray([UInt32(3)])), .array(MetadataArray([Int32(-3)])), .array(MetadataArray([UInt64(3)])),
      .array(MetadataArray([Int64(-3)])), .array(MetadataArray([Float(3)])), .array(MetadataArray([Double(3)])),
      .array(MetadataArray([true, false])), .array(MetadataArray(["a", ""])), .array(MetadataArray([String]())),
      .array(MetadataArray(stringBytes: [[0xFF, 0], []])),
    ]
    for (index, value) in values.enumerated() { metadata.set("key\(index)", value) }
    let folder = try TemporaryFolder()
    try GGUFWriter(folder.file("m"), metadata: metadata, tensors: []).finish()
    let read = try GGUFFile(opening: folder.file("m")).metadata
    #expect(read == metadata)
    #expect(read.keys == metadata.keys)
    // A second trip, from mapped arrays.
    try GGUFWriter(folder.file("n"), metadata: read, tensors: []).finish()
    #expect(try folder.read("n") == folder.read("m"))
  }

  @Test func leavesOutWhatWouldNoLongerBeTrue() throws {
    var metadata = Metadata()
    metadata.set("general.alignment", .uint32(64))
    metadata.set("split.no", .uint16(0))
    metadata.set("split.count", .uint16(2))
    metadata.set("split.tensors.count", .int32(2))
    metadata.set("kept", .bool(true))
    let folder = try TemporaryFolder()
    try GGUFWriter(folder.file("m"), metadata: metadata, tensors: []).finish()
    #expect(try GGUFFile(opening: folder.file("m")).metadata.keys == ["kept"])
  }

  @Test func writesIndexFilesWithTheirIDs() throws {
    var metadata = Metadata()
    metadata.set("general.architecture", .string("generic.gpu_index"))
    let layouts = [
      TensorLayout(name: "blk.0.gpu_idx", type: .i32, shape: [2]),
      TensorLayout(name: "blk.0.gpu_bucket", type: .i32, shape: [0]),
    ]
    let folder = try TemporaryFolder()
    let writer = try GGUFWriter(folder.file("m"), magic: .powerInfer, metadata: metadata, tensors: layouts)
    try writer.append([1, 0, 0, 0, 0, 0, 0, 0])
    try writer.finish()
    var raw = RawFile(magic: "PWRI", tensors: 2, pairs: 1)
    raw.pair("general.architecture", "generic.gpu_index")
    raw.tensor("blk.0.gpu_idx", [2], type: 18)
    raw.tensor("blk.0.gpu_bucket", [0], type: 18, offset: 32)
    raw.data([1, 0, 0, 0, 0, 0, 0, 0])
    raw.data([])
    #expect(try folder.read("m") == raw.bytes)
    #expect(try GGUFFile(opening: folder.file("m")).tensors.map(\.layout) == layouts)
  }

  @Test func refusesTooMuchAndTooLittle() throws {
    let folder = try TemporaryFolder()
    let layouts = [TensorLayout(name: "t", type: .f32, shape: [2])]
    do {
      let writer = try GGUFWriter(folder.file("m"), metadata: Metadata(), tensors: layouts)
      #expect(
        sentence { try writer.append([UInt8](repeating: 0, count: 9)) }
          == "More than the 8 bytes of the tensor \"t\" were written.")
      try writer.append([1])
      #expect(sentence { try writer.finish() } == "Of the 8 bytes of the tensor \"t\" only 1 were written.")
      try writer.append([UInt8](repeating: 0, count: 7))
      #expect(sentence { try writer.append([1]) } == "More data was written than the tensors take.")
    }
    #expect(try folder.names() == [])
  }

  @Test func refusesImpossibleTensors() throws {
    let folder = try TemporaryFolder()
    func complaint(_ layouts: [TensorLayout]) -> String {
      sentence { _ = try GGUFWriter(folder.file("m"), metadata: Metadata(), tensors: layouts) }
    }
    #expect(
      complaint([TensorLayout(name: "t", type: .q4_0, shape: [33])])
        == "The tensor \"t\" has rows of 33 elements, where Q4_0 needs a multiple of 32.")
    #expect(
      complaint([TensorLayout(name: "t", type: .f32, shape: [-1])])
        == "The tensor \"t\" has more elements than can be counted.")
    #expect(
      complaint([TensorLayout(name: "t", type: .f32, shape: [])])
        == "The tensor \"t\" has 0 dimensions, where 1 to 4 were expected.")
    let one = TensorLayout(name: "t", type: .f32, shape: [1])
    #expect(complaint([one, one]) == "The tensor \"t\" appears twice.")
    #expect(try folder.names() == [])
    #expect(
      sentence { _ = try GGUFWriter(folder.file("no/m"), metadata: Metadata(), tensors: []) }
        == "\"\(folder.file("no/m"))\" cannot be created: there is no folder \"\(folder.file("no"))\".")
  }

  @Test(arguments: [TensorType.f32, .f16, .bf16, .q4_0, .q4_1, .q5_0, .q5_1, .q8_0])
  func tinyModelsAreValidFiles(type: TensorType) throws {
    let folder = try TemporaryFolder()
    for magic in Magic.allCases {
      let model = TinyModel(magic: magic, weightType: type, isTied: magic == .gguf, seed: 7)
      let file = try GGUFFile(opening: model.write(to: folder.file("m.gguf")))
      #expect(file.magic == magic)
      #expect(file.metadata == model.metadata)
      let weights = model.weights
      #expect(file.tensors.map(\.layout) == weights.map(\.layout))
      #expect(withExtendedLifetime(file) { zip(file.tensors, weights).allSatisfy { $0.bytes.elementsEqual($1.bytes) } })
      #expect((file.tensor(named: "output.weight") == nil) == (magic == .gguf))
      #expect((file.tensor(named: "blk.1.ffn_down_t.weight") == nil) == (magic == .gguf))
    }
  }
}

import PowerInferGGUF
import PowerInferTestKit
import Testing

@Suite struct GGUFFileTests {
  @Test(arguments: [("GGUF", Magic.gguf), ("PWRI", .powerInfer)], [UInt32(2), 3])
  func readsBothMagicsAndVersions(magic: (text: String, expected: Magic), version: UInt32) throws {
    var raw = RawFile(magic: magic.text, version: version, tensors: 1, pairs: 1)
    raw.pair("general.architecture", "llama")
    raw.tensor("a", [2, 3])
    raw.data((0..<24).map { $0 })
    let file = try raw.open()
    #expect(file.magic == magic.expected)
    #expect(file.version == version)
    #expect(file.alignment == 32)
    #expect(file.byteCount == raw.bytes.count)
    #expect(try file.metadata.string("general.architecture") == "llama")
    let tensor = try #require(file.tensor(named: "a"))
    #expect(tensor.shape == [2, 3])
    #expect(tensor.type == .f32)
    #expect(tensor.columns == 2 && tensor.rows == 3 && tensor.elementCount == 6)
    #expect(try content(file, "a") == (0..<24).map { $0 })
  }

  @Test func readsEveryMetadataType() throws {
    var raw = RawFile(pairs: 13)
    raw.key("u8", type: 0)
    raw.number(UInt8(200))
    raw.key("i8", type: 1)
    raw.number(Int8(-3))
    raw.key("u16", type: 2)
    raw.number(UInt16(60_000))
    raw.key("i16", type: 3)
    raw.number(Int16(-300))
    raw.key("u32", type: 4)
    raw.number(UInt32(4_000_000_000))
    raw.key("i32", type: 5)
    raw.number(Int32(-70_000))
    raw.key("f32", type: 6)
    raw.number(Float(1.5).bitPattern)
    raw.key("bool", type: 7)
    raw.number(UInt8(1))
    raw.key("string", type: 8)
    raw.string("grüße 🌞")
    raw.key("array", type: 9)
    raw.number(UInt32(3))
    raw.number(UInt64(2))
    raw.number(Int16(-1))
    raw.number(Int16(7))
    raw.key("u64", type: 10)
    raw.number(UInt64.max)
    raw.key("i64", type: 11)
    raw.number(Int64.min)
    raw.key("f64", type: 12)
    raw.number(Double(-2.25).bitPattern)
    let metadata = try raw.open().metadata

    #expect(
      metadata.keys == [
        "u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "string", "array", "u64", "i64", "f64",
      ])
    #expect(metadata["u8"] == .uint8(200))
    #expect(metadata["i8"] == .int8(-3))
    #expect(metadata["u16"] == .uint16(60_000))
    #expect(metadata["i16"] == .int16(-300))
    #expect(metadata["u32"] == .uint32(4_000_000_000))
    #expect(metadata["i32"] == .int32(-70_000))
    #expect(metadata["f32"] == .float32(1.5))
    #expect(metadata["bool"] == .bool(true))
    #expect(metadata["string"] == .string("grüße 🌞"))
    #expect(try metadata.integers("array") == [-1, 7])
    #expect(metadata["u64"] == .uint64(.max))
    #expect(metadata["i64"] == .int64(.min))
    #expect(metadata["f64"] == .float64(-2.25))
    #expect(try metadata.integer("i8") == -3)
    #expect(try metadata.float("u32") == 4e9)
    #expect(try metadata.bool("bool") == true)
    #expect(try metadata.integer("absent") == nil)
  }

  @Test func decodesArraysOfEveryElementType() throws {
    func open(_ type: UInt32, _ count: UInt64, _ fill: (inout RawFile) -> Void) throws -> MetadataArray {
      var raw = RawFile(pairs: 2)
      raw.key("k", type: 9)
      raw.number(type)
      raw.number(count)
      fill(&raw)
      raw.pair("after", 5)
      let metadata = try raw.open().metadata
      // The key behind the array is found only when the array's end is.
      #expect(try metadata.integer("after") == 5)
      return try metadata.requireArray("k")
    }
    #expect(try open(0, 2) { $0.bytes += [1, 255] }.integers == [1, 255])
    #expect(try open(1, 2) { $0.bytes += [1, 255] }.integers == [1, -1])
    #expect(try open(2, 1) { $0.number(UInt16.max) }.integers == [65_535])
    #expect(try open(4, 1) { $0.number(UInt32.max) }.integers == [4_294_967_295])
    #expect(try open(5, 1) { $0.number(Int32.min) }.integers == [-2_147_483_648])
    #expect(try open(6, 1) { $0.number(Float(0.1).bitPattern) }.floats == [0.1])
    #expect(try open(6, 1) { $0.number(Float(0.1).bitPattern) }.integers == nil)
    #expect(try open(7, 3) { $0.bytes += [0, 1, 2] }.bools == [false, true, true])
    #expect(try open(10, 1) { $0.number(UInt64.max) }.integers == nil)
    #expect(try open(10, 1) { $0.number(UInt64.max) }.doubles == [0x1p64])
    #expect(try open(11, 1) { $0.number(Int64.min) }.integers == [Int.min])
    #expect(try open(12, 1) { $0.number(Double.pi.bitPattern) }.doubles == [Double.pi])
    #expect(try open(8, 0) { _ in }.strings == [])
    let texts = try open(8, 3) { raw in for text in ["", "b", "ccc"] { raw.string(text) } }
    #expect(texts.strings == ["", "b", "ccc"])
    #expect(texts.values(first: 2) == [.string(""), .string("b")])
    #expect(texts.integers == nil && texts.bools == nil && texts.floats == nil)
    #expect(
      try open(3, 3) { raw in for value in [Int16(5), -6, 7] { raw.number(value) } }.values(first: 9)
        == [.int16(5), .int16(-6), .int16(7)])
  }

  @Test func invalidUTF8Survives() throws {
    var raw = RawFile(pairs: 2)
    raw.key("tokens", type: 9)
    raw.number(UInt32(8))
    raw.number(UInt64(2))
    raw.number(UInt64(2))
    raw.bytes += [0xE2, 0x96]
    raw.string("ok")
    raw.key("text", type: 8)
    raw.number(UInt64(1))
    raw.bytes.append(0xFF)
    let metadata = try raw.open().metadata
    let tokens = try metadata.requireArray("tokens")
    #expect(tokens.stringBytes == [[0xE2, 0x96], [0x6F, 0x6B]])
    #expect(tokens.strings == ["\u{FFFD}", "ok"])
    #expect(try metadata.string("text") == "\u{FFFD}")
  }

  @Test func findsTensorsInAnyOrder() throws {
    var raw = RawFile(tensors: 3)
    raw.tensor("second", [1], offset: 32)
    raw.tensor("third", [4, 2], type: 1, offset: 64)
    raw.tensor("first", [3], offset: 0)
    raw.data([UInt8](repeating: 1, count: 32) + [UInt8](repeating: 2, count: 32) + [UInt8](repeating: 3, count: 16))
    let file = try raw.open()
    #expect(file.tensors.map(\.name) == ["second", "third", "first"])
    #expect(try content(file, "first") == [UInt8](repeating: 1, count: 12))
    #expect(try content(file, "second") == [2, 2, 2, 2])
    #expect(try content(file, "third") == [UInt8](repeating: 3, count: 16))
    #expect(sentence { _ = try file.requireTensor("fourth") } == "The tensor \"fourth\" is missing.")
  }

  @Test(arguments: [8, 16, 64, 4096])
  func honoursAlignment(alignment: UInt32) throws {
    var raw = RawFile(tensors: 2, pairs: 1)
    raw.pair("general.alignment", alignment)
    raw.tensor("a", [4], type: 24)
    raw.tensor("b", [1], type: 24, offset: UInt64(alignment))
    raw.data([1, 2, 3, 4], alignment: Int(alignment))
    raw.bytes += [UInt8](repeating: 0, count: Int(alignment) - 4) + [9]
    let file = try raw.open()
    #expect(file.alignment == Int(alignment))
    #expect(try content(file, "a") == [1, 2, 3, 4])
    #expect(try content(file, "b") == [9])
  }

  @Test func readsPowerInferIndexFiles() throws {
    // Integer ids of 2023 and an empty bucket: spec section 2.1.
    var raw = RawFile(magic: "PWRI", tensors: 2, pairs: 3)
    raw.pair("general.architecture", "generic.gpu_index")
    raw.pair("generic.gpu_index.block_count", 1)
    raw.key("split.vram_capacity", type: 10)
    raw.number(UInt64(1) << 33)
    raw.tensor("blk.0.gpu_idx", [4], type: 18)
    raw.tensor("blk.0.gpu_bucket", [0], type: 18, offset: 32)
    raw.data([UInt8](repeating: 0, count: 32))
    let file = try raw.open()
    #expect(file.tensors.map(\.type) == [.i32, .i32])
    #expect(file.tensors.map(\.byteCount) == [16, 0])
  }

  @Test func typesHaveTheFormatsSizes() {
    // From GGML_QUANT_SIZES of the Python package gguf 0.19.
    let expected: [(TensorType, UInt32, Int, Int)] = [
      (.f32, 0, 1, 4), (.f16, 1, 1, 2), (.q4_0, 2, 32, 18), (.q4_1, 3, 32, 20), (.q5_0, 6, 32, 22),
      (.q5_1, 7, 32, 24), (.q8_0, 8, 32, 34), (.q8_1, 9, 32, 40), (.q2_K, 10, 256, 84), (.q3_K, 11, 256, 110),
      (.q4_K, 12, 256, 144), (.q5_K, 13, 256, 176), (.q6_K, 14, 256, 210), (.q8_K, 15, 256, 292),
      (.iq2_XXS, 16, 256, 66), (.iq2_XS, 17, 256, 74), (.iq3_XXS, 18, 256, 98), (.iq1_S, 19, 256, 50),
      (.iq4_NL, 20, 32, 18), (.iq3_S, 21, 256, 110), (.iq2_S, 22, 256, 82), (.iq4_XS, 23, 256, 136),
      (.i8, 24, 1, 1), (.i16, 25, 1, 2), (.i32, 26, 1, 4), (.i64, 27, 1, 8), (.f64, 28, 1, 8),
      (.iq1_M, 29, 256, 56), (.bf16, 30, 1, 2), (.tq1_0, 34, 256, 54), (.tq2_0, 35, 256, 66),
      (.mxfp4, 39, 32, 17), (.nvfp4, 40, 64, 36), (.q1_0, 41, 128, 18),
    ]
    #expect(expected.map(\.0) == TensorType.allCases)
    for (type, id, elements, bytes) in expected {
      #expect(type.rawValue == id && type.blockElements == elements && type.blockBytes == bytes, "\(type.name)")
      #expect(TensorType(name: type.name.lowercased()) == type)
    }
    #expect(TensorType(name: "q9_9") == nil)
    #expect(TensorType.q4_0.byteCount(elements: 64) == 36)
    #expect(TensorType.q4_0.byteCount(elements: 65) == nil)
    #expect(TensorType.f64.byteCount(elements: .max) == nil)
  }
}

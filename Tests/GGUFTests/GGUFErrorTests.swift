import PowerInferGGUF
import PowerInferTestKit
import Testing

/// One file per way to be broken, and the sentence it gets.
@Suite struct GGUFErrorTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let sentence: String
    let file: RawFile

    init(_ name: String, _ sentence: String, _ file: RawFile, _ fill: (inout RawFile) -> Void = { _ in }) {
      testDescription = name
      self.sentence = sentence
      var filled = file
      fill(&filled)
      self.file = filled
    }
  }

  @Test(arguments: header + metadata + tensors)
  func saysWhatIsWrong(broken: Case) {
    #expect(broken.file.complaint == broken.sentence)
  }

  static let header: [Case] = [
    Case("empty", "The file is empty, where a GGUF file was expected.", RawFile()) { $0.bytes = [] },
    Case(
      "three bytes",
      "This is not a GGUF file: it starts with the bytes 47 47 55, where 47 47 55 46 (\"GGUF\") or 50 57 52 49 (\"PWRI\") "
        + "was expected.", RawFile()
    ) { $0.bytes = Array("GGU".utf8) },
    Case(
      "executable",
      "This is not a GGUF file: it starts with the bytes 7f 45 4c 46, where 47 47 55 46 (\"GGUF\") or 50 57 52 49 "
        + "(\"PWRI\") was expected.", RawFile(magic: "\u{7f}ELF")),
    Case(
      "older format",
      "This is a file of the older format GGJT, from before GGUF; it has to be converted from the original model again.",
      RawFile(magic: "tjgg")),
    Case(
      "big-endian", "This GGUF file is big-endian; only little-endian files can be read.",
      RawFile(version: UInt32(3).byteSwapped)),
    Case("version 0", "This is a GGUF file of version 0; only versions 2 and 3 can be read.", RawFile(version: 0)),
    Case("version 1", "This is a GGUF file of version 1; only versions 2 and 3 can be read.", RawFile(version: 1)),
    Case("version 4", "This is a GGUF file of version 4; only versions 2 and 3 can be read.", RawFile(version: 4)),
    Case(
      "header cut", "The file ends too early: the number of tensors at offset 8 takes 8 bytes, but 3 are left.",
      RawFile()
    ) { $0.bytes.removeLast(13) },
    Case(
      "absurd tensor count",
      "The file announces 18446744073709551615 tensors, more than the 0 bytes that follow can hold.",
      RawFile(tensors: .max)),
    Case(
      "absurd key count",
      "The file announces 9223372036854775808 metadata keys, more than the 0 bytes that follow can hold.",
      RawFile(pairs: 1 << 63)),
  ]

  static let metadata: [Case] = [
    Case(
      "key past the end",
      "The file ends too early: the metadata key number 0 at offset 32 takes 18446744073709551615 bytes, but 16 are left.",
      RawFile(pairs: 1)
    ) {
      $0.number(UInt64.max)
      $0.bytes += [UInt8](repeating: 0, count: 16)
    },
    Case("long key", "The metadata key number 0 is 70000 bytes long; at most 65535 are allowed.", RawFile(pairs: 1)) {
      $0.pair(String(repeating: "k", count: 70_000), 1)
    },
    Case("invalid key", "The metadata key number 0 is not valid UTF-8.", RawFile(pairs: 1)) {
      $0.number(UInt64(2))
      $0.bytes += [0xC3, 0x28]
      $0.number(UInt32(4))
      $0.number(UInt32(4))
    },
    Case("key twice", "The metadata key \"a\" appears twice.", RawFile(pairs: 2)) {
      $0.pair("a", 1)
      $0.pair("a", 2)
    },
    Case(
      "unknown value type", "The metadata key \"a\" has the unknown value type 13; types 0 to 12 are known.",
      RawFile(pairs: 1)
    ) {
      $0.key("a", type: 13)
      $0.number(UInt64(0))
    },
    Case(
      "unknown element type", "The metadata key \"a\" has the unknown value type 99; types 0 to 12 are known.",
      RawFile(pairs: 1)
    ) {
      $0.key("a", type: 9)
      $0.number(UInt32(99))
      $0.number(UInt64(0))
    },
    Case("nested array", "The metadata key \"a\" holds an array of arrays, which cannot be read.", RawFile(pairs: 1)) {
      $0.key("a", type: 9)
      $0.number(UInt32(9))
      $0.number(UInt64(1))
    },
    Case(
      "huge string",
      "The file ends too early: the value of \"a\" at offset 45 takes 4611686018427387904 bytes, but 3 are left.",
      RawFile(pairs: 1)
    ) {
      $0.key("a", type: 8)
      $0.number(UInt64(1) << 62)
      $0.bytes += [1, 2, 3]
    },
    Case(
      "huge array",
      "The file announces 2305843009213693952 elements for \"a\", more than the 8 bytes that follow can hold.",
      RawFile(pairs: 1)
    ) {
      $0.key("a", type: 9)
      $0.number(UInt32(10))
      // Times 8 bytes this is 2^64: nothing, to who does not look.
      $0.number(UInt64(1) << 61)
      $0.number(UInt64(0))
    },
    Case(
      "array of strings cut",
      "The file ends too early: string 1 of \"a\" at offset 65 takes 5 bytes, but 2 are left.", RawFile(pairs: 1)
    ) {
      $0.key("a", type: 9)
      $0.number(UInt32(8))
      $0.number(UInt64(2))
      $0.string("")
      $0.number(UInt64(5))
      $0.bytes += [1, 2]
    },
    Case("alignment 0", alignment("the number 0"), RawFile(pairs: 1)) { $0.pair("general.alignment", 0) },
    Case("alignment 4", alignment("the number 4"), RawFile(pairs: 1)) { $0.pair("general.alignment", 4) },
    Case("alignment 48", alignment("the number 48"), RawFile(pairs: 1)) { $0.pair("general.alignment", 48) },
    Case("alignment in words", alignment("the string \"32\""), RawFile(pairs: 1)) {
      $0.pair("general.alignment", "32")
    },
    Case("control characters", "The metadata key \"a\\u{1b}[31m\\n\" appears twice.", RawFile(pairs: 2)) {
      $0.pair("a\u{1b}[31m\n", 1)
      $0.pair("a\u{1b}[31m\n", 2)
    },
  ]

  static func alignment(_ found: String) -> String {
    "The metadata key \"general.alignment\" holds \(found), where a power of two from 8 on was expected."
  }

  static let tensors: [Case] = [
    Case("no dimensions", "The tensor \"t\" has 0 dimensions, where 1 to 4 were expected.", RawFile(tensors: 1)) {
      $0.tensor("t", [])
      $0.data([UInt8](repeating: 0, count: 32))
    },
    Case("five dimensions", "The tensor \"t\" has 5 dimensions, where 1 to 4 were expected.", RawFile(tensors: 1)) {
      $0.tensor("t", [1, 1, 1, 1, 1])
    },
    Case("no elements", "The tensor \"t\" has no elements: its dimension 1 is 0.", RawFile(tensors: 1)) {
      $0.tensor("t", [32, 0])
    },
    Case("negative dimension", "The tensor \"t\" has more elements than can be counted.", RawFile(tensors: 1)) {
      $0.tensor("t", [.max])
    },
    Case("product overflows", "The tensor \"t\" has more elements than can be counted.", RawFile(tensors: 1)) {
      $0.tensor("t", [1 << 32, 1 << 32])
    },
    Case("bytes overflow", "The tensor \"t\" has more elements than can be counted.", RawFile(tensors: 1)) {
      $0.tensor("t", [1 << 62])
    },
    Case("unknown type", "The tensor \"t\" has the unknown type 4.", RawFile(tensors: 1)) {
      $0.tensor("t", [32], type: 4)
    },
    Case(
      "partial block", "The tensor \"t\" has rows of 48 elements, where Q4_0 needs a multiple of 32.",
      RawFile(tensors: 1)
    ) { $0.tensor("t", [48, 2], type: 2) },
    Case(
      "misaligned", "The tensor \"t\" starts at offset 16, which is not a multiple of the alignment 32.",
      RawFile(tensors: 1)
    ) {
      $0.tensor("t", [1], offset: 16)
      $0.data([UInt8](repeating: 0, count: 64))
    },
    Case(
      "past the end", "The tensor \"t\" takes 40 bytes from offset 0, past the end of the tensor data (36 bytes).",
      RawFile(tensors: 1)
    ) {
      $0.tensor("t", [10])
      $0.data([UInt8](repeating: 0, count: 36))
    },
    Case(
      "offset past the end",
      "The tensor \"t\" takes 4 bytes from offset 18446744073709551584, past the end of the tensor data (36 bytes).",
      RawFile(tensors: 1)
    ) {
      $0.tensor("t", [1], offset: .max - 31)
      $0.data([UInt8](repeating: 0, count: 36))
    },
    Case(
      "no data at all", "The tensor \"t\" takes 4 bytes from offset 0, past the end of the tensor data (0 bytes).",
      RawFile(tensors: 1)
    ) { $0.tensor("t", [1]) },
    Case("overlap", "The tensors \"a\" and \"b\" overlap.", RawFile(tensors: 2)) {
      $0.tensor("b", [1], offset: 32)
      $0.tensor("a", [9])
      $0.data([UInt8](repeating: 0, count: 64))
    },
    Case("same place", "The tensors \"a\" and \"b\" overlap.", RawFile(tensors: 2)) {
      $0.tensor("a", [1])
      $0.tensor("b", [1])
      $0.data([UInt8](repeating: 0, count: 64))
    },
    Case("tensor twice", "The tensor \"t\" appears twice.", RawFile(tensors: 2)) {
      $0.tensor("t", [1])
      $0.tensor("t", [1], offset: 32)
      $0.data([UInt8](repeating: 0, count: 64))
    },
    Case(
      "entries cut",
      "The file ends too early: the offset of \"t234567890\" at offset 58 takes 8 bytes, but 6 are left.",
      RawFile(tensors: 1)
    ) {
      $0.tensor("t234567890", [1])
      $0.bytes.removeLast(2)
    },
    Case(
      "fewer entries than announced", "The file announces 2 tensors, more than the 33 bytes that follow can hold.",
      RawFile(tensors: 2)
    ) { $0.tensor("t", [1]) },
    Case(
      "huge alignment", "The tensor \"t\" takes 4 bytes from offset 0, past the end of the tensor data (0 bytes).",
      RawFile(tensors: 1, pairs: 1)
    ) {
      $0.key("general.alignment", type: 10)
      $0.number(UInt64(1) << 62)
      $0.tensor("t", [1])
      $0.data([UInt8](repeating: 0, count: 64))
    },
  ]

  @Test func typedAccessorsSayWhatTheyFound() throws {
    var metadata = Metadata()
    metadata.set("text", .string("x"))
    metadata.set("big", .uint64(.max))
    metadata.set("list", .array(MetadataArray([Int32(1), 2])))
    metadata.set("flag", .bool(false))
    #expect(
      sentence { _ = try metadata.integer("text") }
        == "The metadata key \"text\" holds the string \"x\", where an integer was expected.")
    #expect(
      sentence { _ = try metadata.integer("big") }
        == "The metadata key \"big\" holds the number 18446744073709551615, which is out of range.")
    #expect(
      sentence { _ = try metadata.string("list") }
        == "The metadata key \"list\" holds an array of 2 int32 values, where a string was expected.")
    #expect(
      sentence { _ = try metadata.strings("list") }
        == "The metadata key \"list\" holds an array of 2 int32 values, where an array of strings was expected.")
    #expect(
      sentence { _ = try metadata.float("flag") }
        == "The metadata key \"flag\" holds false, where a number was expected.")
    #expect(sentence { _ = try metadata.requireInteger("none") } == "The metadata key \"none\" is missing.")
    #expect(sentence { _ = try GGUFFile(opening: "/no/such.gguf") } == "There is no file \"/no/such.gguf\".")
  }

  /// Tensors of no elements, of which index files have some, have rows that are counted all the same.
  @Test func emptyTensorsCanBeCountedToo() throws {
    let layout = TensorLayout(name: "x", type: .i32, shape: [0, 1 << 40, 1 << 40])
    #expect(throws: GGUFError.tooLarge(tensor: "x")) { try layout.byteCount(allowingEmpty: true) }
    #expect(try TensorLayout(name: "x", type: .i32, shape: [0, 1 << 40]).byteCount(allowingEmpty: true) == 0)
  }

  @Test func namesTheFileAtFault() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("a.gguf", RawFile(version: 9).bytes)
    #expect(
      sentence { _ = try GGUFFile(opening: path) }
        == "\"\(path)\": This is a GGUF file of version 9; only versions 2 and 3 can be read.")
  }

  @Test func everyTruncationIsRefused() throws {
    let folder = try TemporaryFolder()
    var model = TinyModel(magic: .powerInfer, layers: 1)
    model.vocabulary = .numbered(5)
    model.hiddenSize = 8
    model.feedForwardSize = 4
    model.heads = 2
    model.keyValueHeads = 1
    model.predictorRank = 2
    let bytes = try folder.read(String(model.write(to: folder.file("a")).split(separator: "/").last ?? ""))
    let whole = try GGUFFile(bytes: bytes)
    let end = whole.tensors.reduce(0) { $0 + ($1.byteCount + 31) / 32 * 32 }
    let last = whole.tensors.map(\.byteCount).last ?? 0
    // Shorter than the last tensor's last byte is too short; padding behind it may be missing.
    let least = bytes.count - (last + 31) / 32 * 32 + last
    #expect(end < bytes.count)
    for count in 0..<least { #expect(throws: GGUFError.self) { try GGUFFile(bytes: Array(bytes[..<count])) } }
    for count in least...bytes.count { #expect(throws: Never.self) { try GGUFFile(bytes: Array(bytes[..<count])) } }
  }
}

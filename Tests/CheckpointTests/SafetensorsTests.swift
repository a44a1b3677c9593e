import PowerInferTestKit
import Testing

@testable import PowerInferCheckpoint

/// Headers of safetensors that lie.
@Suite struct SafetensorsTests {
  struct Lie: CustomTestStringConvertible, Sendable {
    var header: String
    var data = 24
    var sentence: String
    var testDescription: String { header }
  }

  @Test(arguments: [
    Lie(header: "{", sentence: "The header is not JSON of the form expected."),
    Lie(header: "[]", sentence: "The header is not JSON of the form expected."),
    Lie(header: #"{"a":{"dtype":"F32","shape":[6]}}"#, sentence: "The header is not JSON of the form expected."),
    Lie(
      header: #"{"a":{"x":1}}"#,
      sentence: "What the header says of the tensor \"a\" is not JSON of the form expected."),
    Lie(
      header: #"{"a":{"dtype":"F8_E4M3","shape":[6],"data_offsets":[0,6]}}"#,
      sentence: "The tensor \"a\" has the unknown type \"F8_E4M3\"; expected one of F64, F32, F16, BF16, I64, I32, "
        + "I16, I8, U8, BOOL."),
    Lie(
      header: #"{"a":{"dtype":"F32","shape":[-6],"data_offsets":[0,24]}}"#,
      sentence: "The tensor \"a\" has a shape that cannot be: a negative dimension, or more elements than can be "
        + "counted."),
    Lie(
      header: #"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,24]}}"#,
      sentence: "The tensor \"a\" has a shape that cannot be: a negative dimension, or more elements than can be "
        + "counted."),
    Lie(
      header: #"{"a":{"dtype":"F32","shape":[0,1099511627776,1099511627776],"data_offsets":[0,0]}}"#,
      sentence: "The tensor \"a\" has a shape that cannot be: a negative dimension, or more elements than can be "
        + "counted."),
    Lie(
      header: #"{"a":{"dtype":"F32","shape":[7],"data_offsets":[0,24]}}"#,
      sentence: "The tensor \"a\" takes 28 bytes by its shape and type, but 24 by its place."),
    Lie(
      header: #"{"a":{"dtype":"F32","shape":[7],"data_offsets":[0,28]}}"#,
      sentence: "The tensor \"a\" is said to lie at bytes 0 to 28, where 0 to 24 are there."),
    Lie(
      header: #"{"a":{"dtype":"F32","shape":[6],"data_offsets":[24,0]}}"#,
      sentence: "The tensor \"a\" is said to lie at bytes 24 to 0, where 0 to 24 are there."),
    Lie(
      header: #"{"a":{"dtype":"F32","shape":[6],"data_offsets":[0]}}"#,
      sentence: "The place of the tensor \"a\" is not JSON of the form expected."),
    Lie(
      header:
        #"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"b":{"dtype":"F16","shape":[6],"data_offsets":[12,24]}}"#,
      sentence: "The tensors \"a\" and \"b\" overlap."),
    Lie(
      header: #"{"a":{"dtype":"F32","shape":[5],"data_offsets":[0,20]}}"#,
      sentence: "The 4 bytes at 20 of the data belong to no tensor; perhaps a name is there twice."),
    Lie(
      header:
        #"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]},"a":{"dtype":"F32","shape":[3],"data_offsets":[12,24]}}"#,
      sentence: "The 12 bytes at @ of the data belong to no tensor; perhaps a name is there twice."),
  ]) func aLieIsFoundOut(lie: Lie) throws {
    let error = #expect(throws: CheckpointError.self) { try read(lie.header, data: lie.data) }
    guard case .inFile(_, let reason)? = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    // Which of two equal names Foundation keeps is its own affair.
    let ends = lie.sentence.contains("@") ? ["0", "12"] : [""]
    #expect(ends.map { lie.sentence.replacing("@", with: $0) }.contains(reason.description), "\(reason)")
  }

  @Test func theLengthIsCheckedAgainstTheFile() throws {
    let folder = try TemporaryFolder()
    for (bytes, sentence) in [
      ([], "The file is empty, where a checkpoint was expected."),
      ([1, 0, 0], "The file has 3 bytes, but the length of a safetensors header alone takes 8."),
      (
        littleEndian(UInt64(3)) + [0x7B, 0x7D],
        "The header announces 3 bytes, but only 2 follow; the file is cut off or no safetensors file."
      ),
      (
        littleEndian(UInt64.max) + [0x7B, 0x7D],
        "The header announces 18446744073709551615 bytes, where safetensors allow at most 100000000."
      ),
      (littleEndian(UInt64(3)) + [0x22, 0xFF, 0x22], "The text is not valid UTF-8, which was expected."),
    ] as [([UInt8], String)] {
      let path = try folder.write("a.safetensors", bytes)
      let error = #expect(throws: CheckpointError.self) { try SafetensorsFile(opening: path) }
      #expect(error?.description == "\"\(path)\": \(sentence)")
    }
  }

  @Test func emptyFilesAndTensorsAreFine() throws {
    #expect(try read("{}", data: 0).tensors.isEmpty)
    let file = try read(
      #"{"b":{"dtype":"F32","shape":[0,4],"data_offsets":[0,0]},"a":{"dtype":"U8","shape":[],"data_offsets":[0,1]}}  "#,
      data: 1)
    #expect(file.tensors.map(\.name) == ["b", "a"])
  }

  /// Two spellings of one character are two names.
  @Test func namesKeepTheirBytes() throws {
    let file = try read(
      #"{"Ω":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"\#u{2126}":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}"#,
      data: 2)
    #expect(file.tensors.map { Array($0.name.unicodeScalars) } == [["\u{3A9}"], ["\u{2126}"]])
  }

  private func read(_ header: String, data: Int) throws -> SafetensorsFile {
    let folder = try TemporaryFolder()
    let bytes = Array(header.utf8)
    let path = try folder.write(
      "a.safetensors", littleEndian(UInt64(bytes.count)) + bytes + [UInt8](repeating: 1, count: data))
    return try SafetensorsFile(opening: path)
  }
}

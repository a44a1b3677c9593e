import PowerInferGGUF
import PowerInferTestKit
import Testing

@Suite struct SplitFileTests {
  /// A part with one tensor of one byte.
  private func part(_ number: Int, of count: Int, tensor: String, total: Int? = nil) -> [UInt8] {
    var raw = RawFile(tensors: 1, pairs: total == nil ? 3 : 4)
    raw.key("split.no", type: 2)
    raw.number(UInt16(number))
    raw.key("split.count", type: 2)
    raw.number(UInt16(count))
    if let total {
      raw.key("split.tensors.count", type: 5)
      raw.number(Int32(total))
    }
    raw.pair("general.name", "part \(number)")
    raw.tensor(tensor, [1], type: 24)
    raw.data([UInt8(number + 10)])
    return raw.bytes
  }

  @Test(arguments: [1, 2, 3])
  func loadsAllPartsWhicheverIsGiven(given: Int) throws {
    let folder = try TemporaryFolder()
    for number in 0..<3 {
      try folder.write("m-0000\(number + 1)-of-00003.gguf", part(number, of: 3, tensor: "t\(number)", total: 3))
    }
    let file = try GGUFFile(opening: folder.file("m-0000\(given)-of-00003.gguf"))
    #expect(file.tensors.map(\.name) == ["t0", "t1", "t2"])
    #expect(withExtendedLifetime(file) { file.tensors.map { $0.bytes.first } } == [10, 11, 12])
    #expect(try file.metadata.string("general.name") == "part 0")
    #expect(file.paths == (1...3).map { folder.file("m-0000\($0)-of-00003.gguf") })
  }

  @Test func saysWhichPartIsMissing() throws {
    let folder = try TemporaryFolder()
    try folder.write("m-00001-of-00002.gguf", part(0, of: 2, tensor: "a"))
    #expect(
      sentence { _ = try GGUFFile(opening: folder.file("m-00001-of-00002.gguf")) }
        == "Part 2 of 2 of the model is missing: there is no file \"\(folder.file("m-00002-of-00002.gguf"))\".")
  }

  @Test(arguments: ["m.gguf", "m-00001-of-00003.gguf", "m-00003-of-00002.gguf", "m-1-of-00002.gguf", "-of-00002.gguf"])
  func saysThatTheNameDoesNotFit(name: String) throws {
    let folder = try TemporaryFolder()
    let path = try folder.write(name, part(0, of: 2, tensor: "a"))
    #expect(
      sentence { _ = try GGUFFile(opening: path) }
        == "\"\(path)\" is one of 2 parts of a model, but its name does not end in the \"-00001-of-00002.gguf\" by which the "
        + "others are found.")
  }

  @Test func saysThatPartsDoNotBelongTogether() throws {
    let folder = try TemporaryFolder()
    let first = try folder.write("m-00001-of-00002.gguf", part(0, of: 2, tensor: "a", total: 3))
    let second = try folder.write("m-00002-of-00002.gguf", part(0, of: 2, tensor: "b"))
    #expect(
      sentence { _ = try GGUFFile(opening: first) }
        == "\"\(second)\": The file says it is part 1 of 2, where part 2 of 2 was expected.")
    try folder.write("m-00002-of-00002.gguf", part(1, of: 2, tensor: "b"))
    #expect(
      sentence { _ = try GGUFFile(opening: first) }
        == "The parts of the model hold 2 tensors, where 3 were expected.")
    try folder.write("m-00001-of-00002.gguf", part(0, of: 2, tensor: "b"))
    #expect(sentence { _ = try GGUFFile(opening: first) } == "The tensor \"b\" appears twice.")
    try folder.write("m-00002-of-00002.gguf", "no model")
    #expect(
      sentence { _ = try GGUFFile(opening: first) }
        == "\"\(second)\": This is not a GGUF file: it starts with the bytes 6e 6f 20 6d, where 47 47 55 46 (\"GGUF\") or "
        + "50 57 52 49 (\"PWRI\") was expected.")
  }

  @Test func refusesAbsurdPartCounts() throws {
    let folder = try TemporaryFolder()
    var raw = RawFile(pairs: 1)
    raw.key("split.count", type: 10)
    raw.number(UInt64(1) << 40)
    let path = try folder.write("m-00001-of-1099511627776.gguf", raw.bytes)
    #expect(
      sentence { _ = try GGUFFile(opening: path) }
        == "\"\(path)\": The metadata key \"split.count\" holds the number 1099511627776, which is out of range.")
  }

  @Test func aSinglePartNeedsNoSpecialName() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("m.gguf", part(0, of: 1, tensor: "a"))
    #expect(try GGUFFile(opening: path).tensors.count == 1)
  }
}

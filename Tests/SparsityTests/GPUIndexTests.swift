import PowerInferGGUF
import PowerInferTestKit
import Testing

@testable import PowerInferSparsity

@Suite struct GPUIndexTests {
  private let folder: TemporaryFolder
  private let shape = FeedForwardShape(layers: 2, neurons: 4)

  init() throws { folder = try TemporaryFolder() }

  private func sentence(_ body: () throws -> Void) -> String {
    do {
      try body()
      return ""
    } catch {
      return "\(error)"
    }
  }

  /// A tensor of a file that a test makes up.
  private struct Part {
    var name: String
    var type = TensorType.i32
    var shape: [Int]?
    var values: [Int32]
  }

  /// What a file of these parts, of this head, is refused for.
  private func complaint(
    marks: [Int32] = [0, 1, 0, 1], bucket: [Int32] = [1, 3], bucketType: TensorType = .i32, marksShape: [Int]? = nil,
    extra: [Part] = [], magic: Magic = .powerInfer, change: (inout Metadata) -> Void = { _ in }
  ) throws -> String {
    var metadata = Metadata()
    metadata.set("general.architecture", .string("generic.gpu_index"))
    metadata.set("generic.gpu_index.block_count", .uint32(2))
    metadata.set("split.vram_capacity", .uint64(99))
    change(&metadata)
    // Names do not count, only places.
    let parts =
      [
        Part(name: "a", shape: marksShape, values: marks), Part(name: "b", type: bucketType, values: bucket),
        Part(name: "c", values: [0, 0, 0, 0]), Part(name: "d", values: []),
      ] + extra
    let path = folder.file("index")
    let writer = try GGUFWriter(
      path, magic: magic, metadata: metadata,
      tensors: parts.map { TensorLayout(name: $0.name, type: $0.type, shape: $0.shape ?? [$0.values.count]) })
    for part in parts { try writer.append(part.values.flatMap { bytes(of: UInt32(bitPattern: $0)) }) }
    try writer.finish()
    return sentence {
      let index = try GPUIndex(opening: path, shape: shape)
      #expect(index.buckets == [[1, 3], []] && index.vramCapacity == 99 && index.shape == shape)
    }.replacing("\"\(path)\": ", with: "")
  }

  private func bytes(of number: UInt32) -> [UInt8] {
    [0, 8, 16, 24].map { UInt8(truncatingIfNeeded: number >> $0) }
  }

  @Test func anIndexGivesBackWhatWasWritten() throws {
    let shape = FeedForwardShape(layers: 3, neurons: 70_000)
    let buckets: [[UInt32]] = [[0, 255, 256, 69_999], [], Array(0..<70_000)]
    let index = try GPUIndex(buckets: buckets, shape: shape, vramCapacity: 1 << 40)
    try index.write(folder.file("m.gpuidx"))
    #expect(try GPUIndex(opening: folder.file("m.gpuidx"), shape: shape) == index)
    #expect(GPUIndex.path(forModelAt: "a/m.gguf") == "a/m.gguf.generated.gpuidx")
    #expect(try folder.names() == ["m.gpuidx"])
  }

  /// Byte by byte what the format's description says, found without our reader.
  @Test func theBytesAreThoseOfTheFormat() throws {
    try GPUIndex(buckets: [[1, 3], []], shape: shape, vramCapacity: 258).write(folder.file("m"))
    let file = try folder.read("m")
    func number(_ offset: Int, _ bytes: Int) -> Int {
      (0..<bytes).reduce(0) { $0 + Int(file[offset + $1]) << (8 * $1) }
    }
    #expect(Array(file[..<4]) == Array("PWRI".utf8))
    #expect(number(4, 4) == 3 && number(8, 8) == 4 && number(16, 8) == 3)
    var offset = 24
    func text() -> String {
      let length = number(offset, 8)
      defer { offset += 8 + length }
      return String(decoding: file[offset + 8..<offset + 8 + length], as: UTF8.self)
    }
    func next(_ bytes: Int) -> Int {
      defer { offset += bytes }
      return number(offset, bytes)
    }
    #expect(text() == "general.architecture" && next(4) == 8 && text() == "generic.gpu_index")
    #expect(text() == "generic.gpu_index.block_count" && next(4) == 4 && next(4) == 2)
    #expect(text() == "split.vram_capacity" && next(4) == 10 && next(8) == 258)
    var starts: [Int] = []
    for (name, count) in [
      ("blk.0.gpu_idx", 4), ("blk.0.gpu_bucket", 2), ("blk.1.gpu_idx", 4), ("blk.1.gpu_bucket", 0),
    ] {
      // One dimension, of the type that was 32-bit integers in 2023.
      #expect(text() == name && next(4) == 1 && next(8) == count && next(4) == 18)
      starts.append(next(8))
    }
    let data = (offset + 31) / 32 * 32
    #expect(starts.prefix(3) == [0, 32, 64])
    #expect((0..<4).map { number(data + 4 * $0, 4) } == [0, 1, 0, 1])
    #expect((0..<2).map { number(data + 32 + 4 * $0, 4) } == [1, 3])
    #expect((0..<4).map { number(data + 64 + 4 * $0, 4) } == [0, 0, 0, 0])
  }

  @Test func whatAFileListsMustFitTheModelAndItself() throws {
    #expect(try complaint() == "")
    #expect(try complaint(marks: [0, 2, 0, 1]) == "Neuron 1 of layer 0 is marked with 2, expected 0 or 1.")
    #expect(try complaint(marks: [0, -1, 0, 1]) == "Neuron 1 of layer 0 is marked with -1, expected 0 or 1.")
    #expect(try complaint(bucket: [1, 4]) == "Layer 0 lists neuron 4, expected 0 to 3.")
    #expect(try complaint(bucket: [-1, 3]) == "Layer 0 lists neuron -1, expected 0 to 3.")
    #expect(try complaint(bucket: [3, 1]) == "Layer 0 lists neuron 1 after 3, expected ascending numbers.")
    #expect(try complaint(bucket: [3, 3]) == "Layer 0 lists neuron 3 after 3, expected ascending numbers.")
    #expect(try complaint(bucket: [1]) == "Layer 0 marks 2 neurons, but lists 1.")
    #expect(try complaint(bucket: [1, 2]) == "Layer 0 lists neuron 2, but does not mark it.")
    #expect(try complaint(marks: [0, 1, 1]) == "The tensor \"a\" has the shape [3], expected [4].")
    #expect(try complaint(marksShape: [2, 2]) == "The tensor \"a\" has 2 dimensions, expected 1.")
    #expect(try complaint(bucketType: .f32) == "The tensor \"b\" is of type F32, expected I32.")
    #expect(
      try complaint(extra: [Part(name: "e", values: [])])
        == "The file has 5 tensors, expected 4, two for each layer of the model.")
  }

  @Test func otherFilesAreRefused() throws {
    #expect(
      try complaint(magic: .gguf) == "The file starts with \"GGUF\", where \"PWRI\" was expected of a GPU index.")
    #expect(
      try complaint { $0.set("generic.gpu_index.block_count", .uint32(3)) }
        == "The metadata key \"generic.gpu_index.block_count\" is 3, but the model has 2 layers.")
    #expect(
      try complaint { $0.remove("split.vram_capacity") } == "The metadata key \"split.vram_capacity\" is missing.")
    let model = try TinyModel().write(to: folder.file("tiny.gguf"))
    #expect(
      sentence { _ = try GPUIndex(opening: model, shape: shape) }
        == "\"\(model)\": The file is no GPU index: its architecture is \"llama\", where \"generic.gpu_index\" was expected."
    )
    try GGUFWriter(folder.file("empty"), metadata: Metadata(), tensors: []).finish()
    #expect(
      sentence { _ = try GPUIndex(opening: folder.file("empty"), shape: shape) }
        == "\"\(folder.file("empty"))\": The file is no GPU index: it names no architecture, where \"generic.gpu_index\" was "
        + "expected.")
    #expect(
      sentence { _ = try GPUIndex(opening: folder.file("none"), shape: shape) }
        == "There is no file \"\(folder.file("none"))\".")
  }

  @Test func aDamagedFileIsASentence() throws {
    try GPUIndex(buckets: [[1, 3], [0, 2]], shape: shape, vramCapacity: 1).write(folder.file("m"))
    let bytes = try folder.read("m")
    var random = SeededGenerator(seed: 5)
    for round in 0..<500 {
      var changed = bytes
      if round < bytes.count - 32 { changed.removeLast(bytes.count - round) }
      if round % 2 == 1, !changed.isEmpty { changed[random.below(changed.count)] = UInt8(random.below(256)) }
      try folder.write("m", changed)
      let complaint = sentence { _ = try GPUIndex(opening: folder.file("m"), shape: shape) }
      #expect(complaint.isEmpty || complaint.hasSuffix("."), "\(complaint)")
      if changed.count < bytes.count { #expect(!complaint.isEmpty) }
    }
  }

  @Test func listsThatMakeNoIndexAreRefused() {
    func complaint(_ buckets: [[UInt32]], neurons: Int = 4, capacity: Int = 0) -> String {
      sentence {
        _ = try GPUIndex(
          buckets: buckets, shape: FeedForwardShape(layers: 2, neurons: neurons), vramCapacity: capacity)
      }
    }
    #expect(complaint([[]]) == "There are neurons listed for 1 layers, but the model has 2.")
    #expect(complaint([[], [4]]) == "Layer 1 lists neuron 4, expected 0 to 3.")
    #expect(complaint([[], [1, 0]]) == "Layer 1 lists neuron 0 after 1, expected ascending numbers.")
    #expect(complaint([[], []], capacity: -1) == "The bytes that the neurons need are -1, expected 0 or more.")
    #expect(
      complaint([[], []], neurons: 1 << 31)
        == "The model has 2147483648 neurons in a layer, expected at most 2147483647 for a GPU index.")
    #expect(
      sentence { try GPUIndex(buckets: [[], []], shape: shape, vramCapacity: 0).write(folder.file("n/m")) }
        == "\"\(folder.file("n/m"))\" cannot be created: there is no folder \"\(folder.file("n"))\".")
  }
}

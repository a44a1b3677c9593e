import PowerInferTestKit
import Testing

@testable import PowerInferCheckpoint

/// What is written is read again; archives and pickles that lie are found out.
@Suite struct TorchFileTests {
  @Test(arguments: [0, 1, 3, 255, 256, 70_000]) func whatIsWrittenIsReadAgain(count: Int) throws {
    let folder = try TemporaryFolder()
    let wholes = (0..<count).map { Int64($0 * $0) - 5 }
    try TorchWriter.write(wholes, to: folder.file("a.pt"))
    let tensor = try #require(try TorchFile(opening: folder.file("a.pt")).tensors.first)
    #expect(tensor.type == .i64)
    #expect(tensor.shape == [count])
    #expect(try tensor.numbers() == wholes.map(Double.init))

    let reals = (0..<count).map { Float($0) / 3 - 1 }
    try TorchWriter.write(reals, to: folder.file("b.pt"))
    let other = try #require(try TorchFile(opening: folder.file("b.pt")).tensors.first)
    #expect(other.type == .f32)
    #expect(try other.numbers() == reals.map(Double.init))
    #expect(try folder.names() == ["a.pt", "b.pt"])
  }

  /// PyTorch maps what starts at a multiple of 64.
  @Test func numbersAreAligned() throws {
    let folder = try TemporaryFolder()
    try TorchWriter.write([Int64](0..<5), to: folder.file("a.pt"))
    let bytes = try folder.read("a.pt")
    let numbers = (0..<5).flatMap { littleEndian(Int64($0)) }
    let starts = bytes.indices.filter { bytes[$0...].starts(with: numbers) }
    #expect(starts.count == 1)
    #expect(starts.allSatisfy { $0 % 64 == 0 })
  }

  @Test func checksumsAreTheStandards() {
    // The check value of the CRC catalogue.
    #expect(CyclicChecksum.of("123456789".utf8) == 0xCBF4_3926)
    #expect(CyclicChecksum.of([]) == 0)
  }

  // MARK: Archives

  private func reading(_ bytes: [UInt8]) throws -> [CheckpointTensor] {
    let folder = try TemporaryFolder()
    do {
      return try TorchFile(opening: folder.write("a.pt", bytes)).tensors
    } catch let CheckpointError.inFile(_, reason) {
      throw reason
    }
  }

  private func written() throws -> [UInt8] {
    let folder = try TemporaryFolder()
    try TorchWriter.write([Int64](0..<5), to: folder.file("a.pt"))
    return try folder.read("a.pt")
  }

  /// Where the list of members begins, and its entries.
  private func entries(_ bytes: [UInt8]) -> [Int] {
    bytes.indices.filter { bytes[$0...].starts(with: [0x50, 0x4B, 1, 2]) }
  }

  @Test func archivesThatLieAreRefused() throws {
    let good = try written()
    let entries = entries(good)
    #expect(entries.count == 4)
    func changed(_ offset: Int, _ bytes: [UInt8]) -> [UInt8] {
      var copy = good
      for (index, byte) in bytes.enumerated() { copy[offset + index] = byte }
      return copy
    }
    let end = good.count - 22
    let data = entries[2]
    for (bytes, error) in [
      (Array(good.dropLast()), .noDirectory),
      (changed(end + 16, [0xF0, 0xFF, 0xFF, 0x7F]), .directoryOutside),
      (changed(end + 10, [0xFF, 0xFF]), .tooManyMembers(0xFFFF)),
      (changed(data + 8, [1]), .encrypted(member: "archive/data/0")),
      (changed(data + 10, [8]), .compressed(member: "archive/data/0")),
      (changed(data + 20, [0, 0, 0, 0x10, 0, 0, 0, 0x10]), .memberOutside("archive/data/0")),
      (changed(data + 20, [0, 0, 0, 0x10]), .memberOutside("archive/data/0")),
      (changed(data + 20, [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]), .memberOutside("archive/data/0")),
      (changed(data + 42, [0, 0, 0, 0]), .memberNameDiffers("archive/data/0")),
      (changed(data + 42, [0xFF, 0xFF, 0xFF, 0x7F]), .memberOutside("archive/data/0")),
      (
        changed(data + 20, [64, 0, 0, 0, 64, 0, 0, 0]),
        .membersOverlap(first: "archive/data/0", second: "archive/version")
      ),
      (changed(entries[1] + 46 + 8, Array("bytesexes".utf8)), .memberNameDiffers("archive/bytesexes")),
      (changed(entries[0] + 16, [1, 2, 3, 4]), .checksum(member: "archive/data.pkl")),
    ] as [([UInt8], CheckpointError)] {
      #expect(throws: error) { try reading(bytes) }
    }
    #expect(try reading(good).count == 1)
  }

  /// Members of more than 4 GiB have their sizes in an extra field, wherever they are.
  @Test func longArchivesAreRead() throws {
    let plain = try written()
    let entries = entries(plain)
    // Each entry of the list with its three numbers moved to an extra field of 64 bits.
    var bytes = Array(plain[..<entries[0]])
    for entry in entries {
      let name = Array(plain[(entry + 46)..<(entry + 46 + Int(plain[entry + 28]))])
      let ones = [UInt8](repeating: 0xFF, count: 4)
      func long(_ offset: Int) -> [UInt8] { Array(plain[(entry + offset)..<(entry + offset + 4)]) + [0, 0, 0, 0] }
      bytes += Array(plain[entry..<(entry + 20)]) + ones + ones + plain[(entry + 28)..<(entry + 30)] + [32, 0]
      bytes += Array(plain[(entry + 32)..<(entry + 42)]) + ones + name
      // Another field first, which is skipped.
      bytes += [9, 9, 0, 0] + [1, 0, 24, 0] + long(24) + long(20) + long(42)
    }
    let size = bytes.count - entries[0]
    let longEnd = bytes.count
    bytes +=
      littleEndian(UInt32(0x0606_4B50)) + littleEndian(UInt64(44)) + [45, 0, 45, 0] + [UInt8](repeating: 0, count: 8)
    bytes += littleEndian(UInt64(4)) + littleEndian(UInt64(4)) + littleEndian(UInt64(size))
    bytes += littleEndian(UInt64(entries[0]))
    bytes += littleEndian(UInt32(0x0706_4B50)) + [0, 0, 0, 0] + littleEndian(UInt64(longEnd)) + [1, 0, 0, 0]
    bytes += littleEndian(UInt32(0x0605_4B50)) + [UInt8](repeating: 0, count: 4) + [UInt8](repeating: 0xFF, count: 12)
    bytes += [0, 0]
    #expect(try reading(bytes).first?.numbers() == [0, 1, 2, 3, 4])
  }

  // MARK: Pickles

  private func reading(pickle: [UInt8], data: [UInt8] = [UInt8](repeating: 0, count: 40)) throws -> [CheckpointTensor] {
    var archive = ZipWriter()
    archive.append("x/data.pkl", pickle)
    archive.append("x/data/0", data)
    return try reading(archive.finished())
  }

  /// A tensor of int64 as instructions, with a shape and strides of the test's choice.
  private func tensor(_ shape: [Int32], _ strides: [Int32], offset: Int32 = 0, key: String = "0") -> [UInt8] {
    func integers(_ values: [Int32]) -> [UInt8] { values.flatMap { [UInt8(ascii: "J")] + littleEndian($0) } }
    func tuple(_ values: [Int32]) -> [UInt8] { Array("(".utf8) + integers(values) + Array("t".utf8) }
    func text(_ text: String) -> [UInt8] { Array("X".utf8) + littleEndian(UInt32(text.utf8.count)) + Array(text.utf8) }
    var bytes = [0x80, 2] + Array("ctorch._utils\n_rebuild_tensor_v2\n((".utf8)
    bytes += text("storage") + Array("ctorch\nLongStorage\n".utf8) + text(key) + text("cpu")
    bytes += integers([5]) + Array("tQ".utf8) + integers([offset])
    return bytes + tuple(shape) + tuple(strides) + [0x89] + Array("ccollections\nOrderedDict\n)RtR.".utf8)
  }

  @Test func viewsStayInTheirStorage() throws {
    #expect(try reading(pickle: tensor([5], [1])).count == 1)
    #expect(try reading(pickle: tensor([2, 2], [3, 1])).first?.shape == [2, 2])
    #expect(try reading(pickle: tensor([3, 1_000_000], [0, 0])).first?.count == 3_000_000)
    for (pickle, error) in [
      (tensor([6], [1]), .storageTooShort(tensor: "", expected: 48, found: 40)),
      (tensor([5], [1], offset: 1), .storageTooShort(tensor: "", expected: 48, found: 40)),
      (tensor([2], [5]), .storageTooShort(tensor: "", expected: 48, found: 40)),
      (tensor([5], [1], offset: -1), .badShape(tensor: "")),
      (tensor([-5], [1]), .badShape(tensor: "")),
      (tensor([5], [-1]), .badShape(tensor: "")),
      (tensor([.max, .max, .max], [.max, .max, .max]), .badShape(tensor: "")),
      (tensor([0, .max, .max, .max], [1, 1, 1, 1]), .badShape(tensor: "")),
      (tensor([5], [1], key: "../0"), .storageMissing(tensor: "", member: "x/data/../0")),
    ] as [([UInt8], CheckpointError)] {
      #expect(throws: error) { try reading(pickle: pickle) }
    }
  }

  @Test(arguments: [
    ("cos\nsystem\n(X\u{4}\0\0\0truetR.", CheckpointError.forbiddenGlobal("os.system")),
    ("cbuiltins\neval\n.", .forbiddenGlobal("builtins.eval")),
    ("ctorch\nload\n.", .forbiddenGlobal("torch.load")),
    ("ctorch._utils\n_rebuild_tensor_v2\n)R.", .pickleStructure(at: 34)),
    ("I1\n.", .pickleOperation(UInt8(ascii: "I"), at: 0)),
    ("i", .pickleOperation(UInt8(ascii: "i"), at: 0)),
    ("}X\u{1}\0\0\0aNs.", .notTensors(found: "nothing in its dictionary")),
    ("N.", .notTensors(found: "nothing")),
    ("NN.", .pickleStructure(at: 2)),
    ("(N.", .pickleStructure(at: 2)),
    (".", .pickleStructure(at: 0)),
    ("t", .pickleStructure(at: 0)),
    ("N(a", .pickleStructure(at: 2)),
    ("h\u{1}.", .pickleStructure(at: 0)),
    ("X\u{9}\0\0\0a", .pickleEnds(at: 6)),
    ("ctorch\nTensor", .pickleEnds(at: 13)),
    ("", .pickleEnds(at: 0)),
  ]) func picklesOfAnythingElseAreRefused(pickle: String, error: CheckpointError) throws {
    #expect(throws: error) { try reading(pickle: Array(pickle.utf8)) }
  }

  /// Containers within containers, and one within itself: neither stack nor memory run out, whatever the nesting.
  @Test func nestingIsHarmless() throws {
    let deep = Array("N".utf8) + [UInt8](repeating: 0x85, count: 1 << 20) + Array(".".utf8)
    #expect(throws: CheckpointError.notTensors(found: "a tuple")) { try reading(pickle: deep) }
    let lists =
      [UInt8](repeating: UInt8(ascii: "]"), count: 1 << 16) + [UInt8](repeating: UInt8(ascii: "a"), count: 65_535)
    #expect(throws: CheckpointError.notTensors(found: "a list")) { try reading(pickle: lists + Array(".".utf8)) }
    let selfish = Array("]q\u{0}h\u{0}a.".utf8)
    #expect(throws: CheckpointError.notTensors(found: "a list")) { try reading(pickle: selfish) }
    let long = [UInt8](repeating: UInt8(ascii: "N"), count: (16 << 20) + 1)
    #expect(throws: CheckpointError.pickleTooLong(bytes: (16 << 20) + 1)) { try reading(pickle: long) }
    #expect(throws: CheckpointError.pickleVersion(4)) { try reading(pickle: [0x80, 4]) }
  }
}

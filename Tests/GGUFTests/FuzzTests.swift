import Foundation
import PowerInferGGUF
import PowerInferTestKit
import Testing

/// Damaged files: whatever the bytes, opening gives a file or a `GGUFError`, and all that a file offers can be read.
///
/// `POWERINFER_FUZZ_COUNT` and `POWERINFER_FUZZ_SEED` ask for more inputs, or others, than the fixed ones.
@Suite struct FuzzTests {
  @Test func damagedFilesNeverCrash() throws {
    let environment = ProcessInfo.processInfo.environment
    let count = environment["POWERINFER_FUZZ_COUNT"].flatMap(Int.init) ?? 20_000
    let seed = environment["POWERINFER_FUZZ_SEED"].flatMap(UInt64.init) ?? 1
    var fuzzer = try Fuzzer(seeds: FuzzTests.validFiles(), random: SeededGenerator(seed: seed))

    var opened = 0
    var refused: [String: Int] = [:]
    var checksum: UInt64 = 0
    for _ in 0..<count {
      let bytes = fuzzer.next()
      // Only `GGUFError` can come here: the initializer's signature says so.
      do {
        checksum &+= touch(try GGUFFile(bytes: bytes))
        opened += 1
      } catch {
        let kind = String(describing: Mirror(reflecting: error).children.first?.label ?? "\(error)")
        refused[kind, default: 0] += 1
        let text = error.description
        #expect(text.hasSuffix(".") && text.utf8.count < 5000)
      }
    }
    #expect(opened + refused.values.reduce(0, +) == count)
    // A fuzzer whose files all open, or all fail in one way, tests nothing.
    #expect(opened > count / 100)
    #expect(refused.count > 15, "\(refused)")
    if environment["POWERINFER_FUZZ_COUNT"] != nil {
      print("\(count) inputs, seed \(seed): \(opened) opened, \(refused.sorted { $0.value > $1.value }), \(checksum)")
    }
  }

  /// Reads everything a file offers, so that a pointer or count gone astray is found out.
  private func touch(_ file: GGUFFile) -> UInt64 {
    var sum: UInt64 = 0
    for (key, value) in file.metadata {
      sum &+= UInt64(key.utf8.count)
      if let array = value.array {
        sum &+= UInt64(array.strings?.reduce(0) { $0 + $1.utf8.count } ?? 0)
        sum &+= UInt64(array.stringBytes?.count ?? 0)
        sum &+= UInt64(truncatingIfNeeded: array.integers?.reduce(0, &+) ?? 0)
        sum &+= UInt64(array.floats?.count ?? 0) &+ UInt64(array.bools?.count ?? 0)
        sum &+= UInt64(array.values(first: 3).count)
      } else {
        sum &+= value.double?.bitPattern ?? UInt64(value.string?.utf8.count ?? 0)
      }
    }
    withExtendedLifetime(file) {
      for tensor in file.tensors {
        precondition(file.tensor(named: tensor.name)?.shape == tensor.shape)
        precondition(tensor.elementCount / tensor.type.blockElements * tensor.type.blockBytes == tensor.byteCount)
        for byte in tensor.bytes { sum = sum &* 31 &+ UInt64(byte) }
      }
    }
    sum &+= UInt64(FileDescription(file).text().utf8.count)
    return sum
  }

  /// Small files that between them hold every structure of the format.
  static func validFiles() throws -> [[UInt8]] {
    let folder = try TemporaryFolder()
    var result: [[UInt8]] = []
    for (magic, type) in [(Magic.gguf, TensorType.f32), (.powerInfer, .q4_0), (.gguf, .q8_0)] {
      var model = TinyModel(magic: magic, weightType: type, isTied: magic == .gguf, layers: 1)
      model.vocabulary = .numbered(6)
      model.hiddenSize = 32
      model.feedForwardSize = 32
      model.heads = 2
      model.keyValueHeads = 1
      model.headSize = type == .f32 ? nil : 32
      var extra = Metadata()
      extra.set("tokenizer.ggml.tokens", .array(MetadataArray(["<s>", "a", "ß", ""])))
      extra.set("tokenizer.ggml.scores", .array(MetadataArray([Float(0), -1, 2])))
      extra.set("x.bool", .array(MetadataArray([true, false, true])))
      extra.set("x.i64", .int64(-5))
      extra.set("x.f64", .float64(0.5))
      if magic == .powerInfer { extra.set("general.alignment", .uint32(32)) }
      model.extraMetadata = extra
      try model.write(to: folder.file("m"))
      result.append(try folder.read("m"))
    }
    var raw = RawFile(magic: "PWRI", version: 2, tensors: 3, pairs: 2)
    raw.pair("general.architecture", "generic.gpu_index")
    raw.pair("general.alignment", 8)
    raw.tensor("blk.0.gpu_idx", [4], type: 18)
    raw.tensor("blk.0.gpu_bucket", [0], type: 18, offset: 16)
    raw.tensor("blk.1.gpu_idx", [2, 1, 1, 1], type: 26, offset: 16)
    raw.data([UInt8](repeating: 1, count: 24), alignment: 8)
    result.append(raw.bytes)
    for bytes in result { _ = try GGUFFile(bytes: bytes) }
    return result
  }
}

/// Makes damaged files of valid ones.
private struct Fuzzer {
  let seeds: [[UInt8]]
  var random: SeededGenerator
  /// Where each seed's header ends; damage is aimed there, for the rest is weights.
  private let headers: [Int]

  init(seeds: [[UInt8]], random: SeededGenerator) throws {
    self.seeds = seeds
    self.random = random
    headers = try seeds.map { bytes in
      let data = try GGUFFile(bytes: bytes).tensors.reduce(0) { $0 + ($1.byteCount + 31) / 32 * 32 }
      return max(32, bytes.count - data)
    }
  }

  mutating func next() -> [UInt8] {
    let which = random.below(seeds.count)
    var bytes = seeds[which]
    // Mostly one wound, for two hide each other.
    let wounds = [1, 1, 1, 1, 2, 2, 3, 6][random.below(8)]
    for _ in 0..<wounds where !bytes.isEmpty { damage(&bytes, header: min(headers[which], bytes.count)) }
    return bytes
  }

  private mutating func damage(_ bytes: inout [UInt8], header: Int) {
    let position = random.below(random.below(20) == 0 ? bytes.count : header)
    switch random.below(9) {
    case 0: bytes[position] ^= 1 << UInt8(random.below(8))
    case 1: bytes[position] = random.bytes(1)[0]
    case 2: bytes.removeLast(bytes.count - position)
    case 3: overwrite(&bytes, position, with: Fuzzer.extremes[random.below(Fuzzer.extremes.count)], count: 8)
    case 4: overwrite(&bytes, position, with: Fuzzer.extremes[random.below(Fuzzer.extremes.count)], count: 4)
    case 5: overwrite(&bytes, position / 8 * 8, with: UInt64(random.below(300)), count: 8)
    case 6:  // A piece moved or doubled.
      let length = min(random.below(64) + 1, bytes.count - position)
      bytes.insert(contentsOf: bytes[position..<(position + length)], at: random.below(header))
    case 7: bytes.removeSubrange(position..<min(bytes.count, position + random.below(48) + 1))
    default:  // A piece of another file.
      let other = seeds[random.below(seeds.count)]
      let start = random.below(other.count)
      let piece = other[start..<min(other.count, start + random.below(128) + 1)]
      bytes.replaceSubrange(position..<min(bytes.count, position + piece.count), with: piece)
    }
  }

  private func overwrite(_ bytes: inout [UInt8], _ position: Int, with value: UInt64, count: Int) {
    for index in 0..<min(count, bytes.count - position) {
      bytes[position + index] = UInt8(truncatingIfNeeded: value >> (8 * index))
    }
  }

  /// Numbers at which arithmetic goes wrong.
  private static let extremes: [UInt64] = [
    0, 1, 2, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x1_0000, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF,
    1 << 32, 1 << 60, 1 << 61, 1 << 62, 1 << 63, .max, .max - 1, .max - 7, .max - 31, .max - 32, .max >> 1,
    (.max >> 1) - 31, .max / 3, .max / 8, .max / 34, 0x4000_0000_0000_0001, 0x0800_0000_0000_0001,
  ]
}

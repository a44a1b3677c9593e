import Foundation
import PowerInferPlatform
import PowerInferTestKit
import Testing

@testable import PowerInferCheckpoint

/// Damaged checkpoints: whatever the bytes, opening gives tensors or a `CheckpointError`, and all numbers can be read.
///
/// `POWERINFER_FUZZ_COUNT` and `POWERINFER_FUZZ_SEED` ask for more inputs, or others, than the fixed ones.
@Suite struct CheckpointFuzzTests {
  @Test(arguments: ["state.pt", "counts.pt", "state.safetensors"]) func filesCutAnywhereAreRefused(name: String) throws
  {
    let whole = try [UInt8](Golden.data(name, in: .module))
    let folder = try TemporaryFolder()
    for length in 0..<whole.count {
      let path = try folder.write(name, Array(whole[..<length]))
      #expect(throws: CheckpointError.self, "\(length)") { try touch(path) }
    }
  }

  @Test(arguments: ["state.pt", "counts.pt", "state.safetensors"]) func damagedFilesNeverCrash(name: String) throws {
    let environment = ProcessInfo.processInfo.environment
    let count = environment["POWERINFER_FUZZ_COUNT"].flatMap(Int.init) ?? 3_000
    var random = SeededGenerator(seed: environment["POWERINFER_FUZZ_SEED"].flatMap(UInt64.init) ?? 1)
    let whole = try [UInt8](Golden.data(name, in: .module))
    let folder = try TemporaryFolder()
    var (opened, refused) = (0, Set<String>())
    for _ in 0..<count {
      let path = try folder.write(name, damaged(whole, &random))
      do {
        try touch(path)
        opened += 1
      } catch let error as CheckpointError {
        #expect(error.description.hasSuffix(".") && error.description.utf8.count < 5000)
        if case .inFile(_, let reason) = error { refused.insert(Self.kind(reason)) }
      }
    }
    // A fuzzer whose files all open, or all fail in one way, tests nothing.
    #expect(opened > count / 100)
    #expect(refused.count > 5, "\(refused)")
  }

  /// The pickle alone, which in a file its checksum protects.
  @Test func damagedPicklesNeverCrash() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("a.pt", [UInt8](Golden.data("state.pt", in: .module)))
    let file = try CheckpointError.mapping(path)
    let archive = try ZipArchive(file.bytes)
    let member = try #require(archive.members.first { $0.name.hasSuffix("data.pkl") })
    let whole = Array(archive.bytes(of: member))
    var random = SeededGenerator(seed: 7)
    var (opened, refused) = (0, Set<String>())
    for round in 0..<20_000 {
      let bytes = round < whole.count ? Array(whole[..<round]) : damaged(whole, &random)
      do throws(CheckpointError) {
        var unpickler = try bytes.withUnsafeBytesOfPickle { (buffer) throws(CheckpointError) in try Unpickler(buffer) }
        _ = try unpickler.run()
        opened += 1
      } catch {
        refused.insert(Self.kind(error))
      }
    }
    #expect(opened > 100)
    #expect(refused.count > 4, "\(refused)")
  }

  private static func kind(_ error: CheckpointError) -> String {
    String(describing: Mirror(reflecting: error).children.first?.label ?? "\(error)")
  }

  /// Opens a file and reads every number of small tensors and the ends of large ones.
  private func touch(_ path: String) throws {
    let tensors = try path.hasSuffix(".pt") ? TorchFile(opening: path).tensors : SafetensorsFile(opening: path).tensors
    var sum: UInt8 = 0
    for tensor in tensors {
      for byte in tensor.bytes { sum &+= byte }
      if tensor.count < 1000 { _ = tensor.values }
      if tensor.shape.count == 1, tensor.count < 1000 { _ = try? tensor.numbers() }
    }
    withExtendedLifetime(sum) {}
  }

  private func damaged(_ whole: [UInt8], _ random: inout SeededGenerator) -> [UInt8] {
    var bytes = whole
    for _ in 0..<[1, 1, 1, 2, 3][random.below(5)] where !bytes.isEmpty {
      let position = random.below(bytes.count)
      switch random.below(6) {
      case 0: bytes[position] ^= 1 << UInt8(random.below(8))
      case 1: bytes[position] = random.bytes(1)[0]
      case 2: bytes.removeSubrange(position..<min(bytes.count, position + 1 + random.below(16)))
      case 3:
        bytes.insert(contentsOf: bytes[position..<min(bytes.count, position + 1 + random.below(40))], at: position)
      case 4:
        let value: UInt64 = [0, 1, 0x7F, 0xFF, 0xFFFF, 0x7FFF_FFFF, 0xFFFF_FFFF, .max, .max >> 1][random.below(9)]
        for index in 0..<min(8, bytes.count - position) {
          bytes[position + index] = UInt8(truncatingIfNeeded: value >> (8 * index))
        }
      default:
        // A digit for another: numbers in headers stay numbers.
        if let digit = bytes[position...].firstIndex(where: { (0x30...0x39).contains($0) }) {
          bytes[digit] = 0x30 + UInt8(random.below(10))
        }
      }
    }
    return bytes
  }
}

extension [UInt8] {
  /// The bytes in memory that stays for the rest of the test.
  fileprivate func withUnsafeBytesOfPickle<Result>(
    _ body: (UnsafeRawBufferPointer) throws(CheckpointError) -> Result
  ) throws(CheckpointError) -> Result {
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: Swift.max(count, 1), alignment: 1)
    memory.copyBytes(from: self)
    return try body(UnsafeRawBufferPointer(rebasing: memory[..<count]))
  }
}

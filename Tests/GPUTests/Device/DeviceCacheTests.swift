import Foundation
import PowerInferTestKit
import Testing

@testable import PowerInferGPU

/// Compiled kernels on disk.
struct DeviceCacheFileTests {
  private let identity: [UInt8] = Array(1...64)

  private func payload(_ content: [UInt8], _ identity: [UInt8]) -> [UInt8]? {
    content.withUnsafeBytes { KernelCacheFile.payload(of: $0, identity: identity) }
  }

  @Test func readsWhatItWrote() {
    for payload in [[], [1], (0..<1000).map { UInt8(truncatingIfNeeded: $0) }] as [[UInt8]] {
      #expect(self.payload(KernelCacheFile.content(payload, identity: identity), identity) == payload)
    }
  }

  @Test func refusesEveryDamage() {
    let good = KernelCacheFile.content(Array("compiled kernels".utf8), identity: identity)
    for index in good.indices {
      for bit in 0..<8 {
        var bad = good
        bad[index] ^= 1 << UInt8(bit)
        #expect(payload(bad, identity) == nil, "byte \(index), bit \(bit)")
      }
      #expect(payload(Array(good.prefix(index)), identity) == nil)
    }
    #expect(payload(good + [0], identity) == nil)
    #expect(payload([], identity) == nil)
  }

  @Test func refusesAnotherDriversKernels() {
    let good = KernelCacheFile.content(Array("compiled kernels".utf8), identity: identity)
    #expect(payload(good, Array(identity.dropLast())) == nil)
    #expect(payload(good, identity + [1]) == nil)
    #expect(payload(good, identity.reversed()) == nil)
  }

  @Test func survivesAFolderThatCannotBe() throws {
    let folder = try TemporaryFolder()
    let file = try folder.write("file", [1, 2, 3])
    let cache = KernelCacheFile(folder: file, identity: identity)
    cache.write([1])
    #expect(cache.read() == nil)
    let nested = KernelCacheFile(folder: folder.file("a/b/c/"), identity: identity)
    #expect(nested.read() == nil)
    nested.write([7, 8])
    #expect(nested.read() == [7, 8])
    // Each device and driver has a file of its own.
    #expect(KernelCacheFile(folder: folder.file("a/b/c"), identity: [1]).read() == nil)
    #expect(KernelCacheFile(folder: folder.file("a/b/c"), identity: [1]).path != nested.path)
  }
}

@Suite(.enabled(if: TestDevice.isPresent, TestDevice.skipped))
struct DeviceCacheTests {
  /// - Parameter loads: how many bytes of the file the driver is to get.
  private func makeAKernel(_ folder: TemporaryFolder, loads: Int) throws {
    try withDevice(GPUOptions(cacheFolder: folder.file("kernels"))) { device in
      #expect(device.cache.loadedBytes == loads)
      let buffer = try device.makeBuffer(byteCount: 256, role: .hostRead, label: "buffer")
      let kernel = try device.kernel(.transform, specialization: [3])
      let recording = try device.record("test") {
        try $0.transform(kernel, buffer.slice(at: 0, byteCount: 128), buffer.slice(at: 128, byteCount: 128), factor: 0)
      }
      try device.run(recording)
      #expect(try buffer.load(UInt32.self, at: 128, count: 32) == [UInt32](repeating: 3, count: 32))
    }
  }

  @Test func keepsKernels() throws {
    let folder = try TemporaryFolder()
    try makeAKernel(folder, loads: 0)
    let description = try #require(TestDevice.description)
    let file = KernelCacheFile(folder: folder.file("kernels"), identity: description.identity)
    // The driver's part begins with its own header: 32 bytes, version 1.
    let first = try #require(file.read())
    #expect(first.count >= 32)
    #expect(first.prefix(8) == [32, 0, 0, 0, 1, 0, 0, 0])
    try makeAKernel(folder, loads: first.count)
    #expect(file.read() != nil)
  }

  /// Damage, strangers, and a driver's own header that is wrong although our checksum is right.
  @Test func rebuildsWhatIsDamaged() throws {
    let folder = try TemporaryFolder()
    try makeAKernel(folder, loads: 0)
    let identity = try #require(TestDevice.description).identity
    let file = KernelCacheFile(folder: folder.file("kernels"), identity: identity)
    let good = try folder.read("kernels/" + (file.path as NSString).lastPathComponent)
    let payload = try #require(file.read())
    var random = SeededGenerator(seed: 3)
    var flipped = good
    flipped[Int.random(in: flipped.indices, using: &random)] ^= 0x10
    let garbage = [UInt8](repeating: 7, count: 300)
    for (content, loads) in [
      ([], 0), (Array(good.prefix(20)), 0), (Array(good.dropLast()), 0), ([UInt8](repeating: 255, count: 500), 0),
      (flipped, 0), (KernelCacheFile.content(payload, identity: identity.reversed()), 0),
      // These come through our own checks; the driver has its own.
      (KernelCacheFile.content(garbage, identity: identity), garbage.count),
      (KernelCacheFile.content(Array(payload.prefix(16)), identity: identity), 16),
      (good, payload.count),
    ] as [([UInt8], Int)] {
      try Data(content).write(to: URL(fileURLWithPath: file.path))
      try makeAKernel(folder, loads: loads)
      #expect(file.read() != nil)
    }
  }
}

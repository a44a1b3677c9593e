import CPowerInferVulkan
import Foundation
import PowerInferTestKit
import Testing

@testable import PowerInferGPU

/// The arena: blocks, budget, kinds of memory.
struct DeviceArenaTests {
  @Test func freeListNeverLendsAByteTwice() {
    var random = SeededGenerator(seed: 1)
    for _ in 0..<50 {
      var list = FreeList(byteCount: 4096)
      var taken: [Range<Int>] = []
      for _ in 0..<200 {
        if Bool.random(using: &random), !taken.isEmpty {
          list.give(taken.remove(at: Int.random(in: taken.indices, using: &random)))
        } else {
          let alignment = 1 << Int.random(in: 0...8, using: &random)
          if let range = list.take(Int.random(in: 1...600, using: &random), alignment: alignment) {
            #expect(range.lowerBound.isMultiple(of: alignment))
            #expect(range.upperBound <= 4096)
            #expect(!taken.contains { $0.overlaps(range) })
            taken.append(range)
          }
        }
        let free = list.ranges.reduce(0) { $0 + $1.count }
        #expect(free + taken.reduce(0) { $0 + $1.count } == 4096)
        for (one, next) in zip(list.ranges, list.ranges.dropFirst()) { #expect(one.upperBound < next.lowerBound) }
      }
      for range in taken { list.give(range) }
      #expect(list.isEmpty)
    }
    var list = FreeList(byteCount: 64)
    #expect(list.take(65, alignment: 1) == nil)
    #expect(list.take(1, alignment: 1) == 0..<1)
    #expect(list.take(64, alignment: 64) == nil)
    #expect(list.take(63, alignment: 1) == 1..<64)
    #expect(list.take(1, alignment: 1) == nil)
  }

  private func memory(_ types: [Int]) -> VkPhysicalDeviceMemoryProperties {
    var memory = VkPhysicalDeviceMemoryProperties()
    memory.memoryTypeCount = UInt32(types.count)
    withUnsafeMutableBytes(of: &memory.memoryTypes) { bytes in
      let slots = bytes.bindMemory(to: VkMemoryType.self)
      for (index, flags) in types.enumerated() {
        slots[index] = VkMemoryType(propertyFlags: UInt32(flags), heapIndex: 0)
      }
    }
    return memory
  }

  @Test func choosesKindsOfMemory() {
    func types(_ memory: VkPhysicalDeviceMemoryProperties, shared: Bool) -> [[Int]] {
      [
        VulkanArena.types(memory, for: .device, small: false, shared: shared),
        VulkanArena.types(memory, for: .hostWritten, small: true, shared: shared),
        VulkanArena.types(memory, for: .hostWritten, small: false, shared: shared),
        VulkanArena.types(memory, for: .hostRead, small: false, shared: shared),
      ]
    }
    let (local, visible, coherent, cached) = (1, 2, 4, 8)
    let host = visible | coherent
    // A card: the host's memory, cached or not, the card's, and the window into it.
    let card = memory([0, local, host, host | cached, local | host])
    #expect(types(card, shared: false) == [[1, 4], [4, 2, 3], [2, 3, 4], [3, 2, 4]])
    // One that shares the host's memory.
    let integrated = memory([local, local | host, local | host | cached])
    #expect(types(integrated, shared: true) == [[1, 2, 0], [1, 2], [1, 2], [2, 1]])
    // One kind for everything, as software devices have.
    let software = memory([local | host | cached])
    #expect(types(software, shared: true) == [[0], [0], [0], [0]])
    // Memory that is not coherent, protected or made on demand is never taken, nor the host's for weights.
    let odd = memory([local | visible, visible | cached, host | 0x20, local | 0x10, local | 0x40, host])
    #expect(types(odd, shared: false) == [[], [5], [5], [5]])
  }
}

@Suite(.enabled(if: TestDevice.isPresent, TestDevice.skipped))
struct DeviceMemoryTests {
  @Test func cutsBlocksIntoBuffers() throws {
    try withDevice(GPUOptions(blockBytes: 1 << 20)) { device in
      #expect(device.usage.allocations == 0)
      let budget = device.usage.deviceBudget
      #expect(budget > 0)
      var buffers = try (0..<8).map {
        try device.makeBuffer(byteCount: 100_000, role: .device, label: "small \($0)")
      }
      #expect(device.usage.allocations == 1)
      #expect(device.usage.deviceBytes == 1 << 20)
      #expect(device.usage.buffers == 8)
      #expect(device.usage.bufferBytes == 800_000)
      // More than half a block gets memory of its own.
      let large = try device.makeBuffer(byteCount: 600_000, role: .device, label: "large")
      #expect(device.usage.allocations == 2)
      #expect(large.byteCount == 600_000)
      // What was given back is used again.
      buffers.removeLast(4)
      buffers += try (0..<4).map { try device.makeBuffer(byteCount: 90_000, role: .device, label: "again \($0)") }
      #expect(device.usage.allocations == 2)
      buffers.removeAll()
      #expect(device.usage.allocations == 1)
      #expect(device.usage.buffers == 1)
    }
  }

  @Test func keepsBuffersApart() throws {
    try withDevice(GPUOptions(blockBytes: 1 << 16)) { device in
      var random = SeededGenerator(seed: 2)
      var buffers: [(any GPUBuffer, UInt8)] = []
      for round in 0..<60 {
        if round % 3 == 2 { buffers.remove(at: Int.random(in: buffers.indices, using: &random)) }
        let buffer = try device.makeBuffer(
          byteCount: Int.random(in: 1...9000, using: &random), role: .device, label: "buffer \(round)")
        try device.upload([UInt8](repeating: UInt8(round), count: buffer.byteCount), to: buffer)
        buffers.append((buffer, UInt8(round)))
      }
      for (buffer, value) in buffers {
        #expect(try device.download(buffer.all) == [UInt8](repeating: value, count: buffer.byteCount))
      }
    }
  }

  @Test func neverTakesMoreThanTheBudget() throws {
    let budget = 1 << 20
    try withDevice(GPUOptions(deviceBudget: budget, hostBudget: budget, blockBytes: 300_000)) { device in
      var buffers: [any GPUBuffer] = []
      do {
        while true {
          buffers.append(try device.makeBuffer(byteCount: 40_000, role: .device, label: "one too many"))
          #expect(device.usage.deviceBytes <= budget)
        }
      } catch GPUError.overBudget(let label, let byteCount, let taken, let limit) {
        #expect(label == "one too many")
        #expect(byteCount >= 40_000)
        #expect(taken == device.usage.deviceBytes)
        #expect(limit == budget)
        #expect(
          GPUError.overBudget(label: label, byteCount: 40_000, taken: 1_020_000, budget: limit).description
            == "\"one too many\" needs 40000 bytes more of GPU memory, which with the 1020000 in use would exceed the "
            + "budget of 1048576.")
      }
      // The last block is as small as what was left.
      #expect(buffers.count >= 24)
      // Nothing is lost by failing.
      buffers.removeLast()
      buffers.append(try device.makeBuffer(byteCount: 40_000, role: .device, label: "fits"))
      #expect(throws: GPUError.self) { try device.makeBuffer(byteCount: budget + 1, role: .device, label: "large") }
    }
  }

  @Test func refusesSizesThatNoBufferHas() throws {
    try withDevice { device in
      let limit = device.description.limits.bufferBytes
      for size in [0, -1, limit + 1] {
        #expect(throws: GPUError.bufferSize(label: "odd", byteCount: size, limit: limit)) {
          try device.makeBuffer(byteCount: size, role: .device, label: "odd")
        }
      }
      #expect(
        GPUError.bufferSize(label: "odd", byteCount: 0, limit: 8).description
          == "The buffer \"odd\" has 0 bytes, where 1 to 8 were expected.")
    }
  }

  /// Through staging buffers and straight, in pieces of odd sizes.
  @Test(arguments: [true, false], [1, 3, 18, 4096])
  func uploadsInPieces(staging: Bool, multiple: Int) throws {
    try withDevice(GPUOptions(stagingBytes: 5000, forcesStaging: staging)) { device in
      let (count, offset) = (27_648, 36)
      let buffer = try device.makeBuffer(byteCount: count + offset + 5, role: .device, label: "weights")
      try device.upload([UInt8](repeating: 9, count: buffer.byteCount), to: buffer)
      var pieces: [Range<Int>] = []
      try device.upload(to: buffer.slice(at: offset, byteCount: count), inMultiplesOf: multiple) { piece, start in
        pieces.append(start..<(start + piece.count))
        for index in piece.indices { piece[index] = UInt8(truncatingIfNeeded: (start + index) * 7) }
      }
      #expect(pieces.first?.lowerBound == 0)
      #expect(pieces.last?.upperBound == count)
      for (one, next) in zip(pieces, pieces.dropFirst()) {
        #expect(one.upperBound == next.lowerBound)
        #expect(one.count.isMultiple(of: multiple))
      }
      // Where the host reaches the memory there is one piece, and no staging buffer.
      #expect((pieces.count == 1) == (device.usage.buffers == 1))
      if staging { #expect(pieces.count > 1) }
      let expected =
        [UInt8](repeating: 9, count: offset) + (0..<count).map { UInt8(truncatingIfNeeded: $0 * 7) }
        + [UInt8](repeating: 9, count: 5)
      #expect(try device.download(buffer.all) == expected)
      if staging {
        #expect(throws: GPUError.uploadMultiple(buffer: "weights", multiple: 5001, limit: 5000)) {
          try device.upload(to: buffer.all, inMultiplesOf: 5001) { _, _ in }
        }
      }
    }
  }

  @Test func survivesACallerThatFails() throws {
    struct Stop: Error {}
    try withDevice(GPUOptions(stagingBytes: 1000, forcesStaging: true)) { device in
      let buffer = try device.makeBuffer(byteCount: 10_000, role: .device, label: "weights")
      for piece in 0..<5 {
        #expect(throws: Stop.self) {
          try device.upload(to: buffer.all, inMultiplesOf: 1) { bytes, offset in
            bytes.initializeMemory(as: UInt8.self, repeating: 1)
            if offset / 1000 == piece { throw Stop() }
          }
        }
      }
      try device.upload([UInt8](repeating: 3, count: 10_000), to: buffer)
      #expect(try device.download(buffer.all) == [UInt8](repeating: 3, count: 10_000))
    }
  }

  @Test func uploadsFromSeveralThreads() async throws {
    let device = try TestDevice.open(GPUOptions(stagingBytes: 1000, forcesStaging: true))
    try await withThrowingTaskGroup(of: Void.self) { group in
      for task in 0..<8 {
        group.addTask {
          for round in 0..<5 {
            let buffer = try device.makeBuffer(byteCount: 7777, role: .device, label: "of task \(task)")
            let value = UInt8(task * 10 + round)
            try device.upload([UInt8](repeating: value, count: 7777), to: buffer)
            #expect(try device.download(buffer.all) == [UInt8](repeating: value, count: 7777))
          }
        }
      }
      try await group.waitForAll()
    }
    #expect(device.complaints.isEmpty)
  }
}

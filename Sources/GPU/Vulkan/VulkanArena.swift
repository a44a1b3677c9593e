import CPowerInferVulkan
import Synchronization

/// Memory taken from the driver in blocks, and cut into buffers.
///
/// Drivers allow few allocations and round each one up; and a limit on what is taken is only hard if it is counted where it is
/// taken. A block goes back as soon as nothing lies in it.
// Unchecked: the driver's handles are used from any thread; what changes is behind the lock.
final class VulkanArena: @unchecked Sendable {
  /// Bytes of a block.
  struct Piece: Sendable {
    fileprivate let block: Block
    let range: Range<Int>

    var memory: VkDeviceMemory { block.memory }
    /// As the host sees it; nil where it does not.
    var hostBytes: UnsafeMutableRawPointer? { block.hostBytes.map { $0 + range.lowerBound } }
  }

  // Unchecked: only the arena looks at what changes, behind its lock.
  fileprivate final class Block: @unchecked Sendable {
    let memory: VkDeviceMemory
    let type: Int
    let hostBytes: UnsafeMutableRawPointer?
    var free: FreeList

    init(memory: VkDeviceMemory, type: Int, hostBytes: UnsafeMutableRawPointer?, byteCount: Int) {
      (self.memory, self.type, self.hostBytes) = (memory, type, hostBytes)
      free = FreeList(byteCount: byteCount)
    }
  }

  private struct State {
    var blocks: [Block] = []
    var usage: GPUMemoryUsage
  }

  /// Whether the host writes straight to the memory that kernels read fastest.
  let sharesMemory: Bool

  private let device: VkDevice
  private let functions: DeviceFunctions
  private let calls: VulkanCalls
  private let memory: VkPhysicalDeviceMemoryProperties
  private let limits: GPUDescription.Limits
  private let blockBytes: Int
  private let state: Mutex<State>

  /// Host-written buffers up to this size lie in the device's memory where the host can write there: the device reads them
  /// many times, and a card without a large window has 256 MiB of such memory.
  private static let smallBytes = 1 << 20
  /// A card's host-visible memory holds parameters and results, which are small.
  private static let visibleBlockBytes = 4 << 20

  init(
    device: VkDevice, functions: DeviceFunctions, calls: VulkanCalls, physical: VulkanPhysicalDevice,
    options: GPUOptions
  ) {
    self.device = device
    self.functions = functions
    self.calls = calls
    memory = physical.memory
    limits = physical.description.limits
    blockBytes = max(1, options.blockBytes)
    let shared = [.integrated, .software].contains(physical.description.kind)
    sharesMemory =
      shared
      && VulkanArena.types(physical.memory, for: .device, small: false, shared: true).contains { type in
        Int(physical.memory.types[type].propertyFlags) & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT != 0
      }
    let all = physical.description.memory
    state = Mutex(
      State(
        usage: GPUMemoryUsage(
          deviceBytes: 0, deviceBudget: options.deviceBudget ?? all.free ?? all.total / 10 * 9, hostBytes: 0,
          hostBudget: options.hostBudget, allocations: 0, buffers: 0, bufferBytes: 0)))
  }

  deinit {
    // Every piece refers to a buffer, and every buffer to its device.
    assert(state.withLock { $0.blocks.isEmpty }, "memory outlived its buffers")
  }

  var usage: GPUMemoryUsage { state.withLock { $0.usage } }

  /// Sets memory for a buffer aside.
  func take(
    _ requirements: VkMemoryRequirements, role: GPUBufferRole, byteCount: Int, label: String
  ) throws(GPUError) -> Piece {
    let size = Int(clamping: requirements.size)
    let alignment = max(1, Int(clamping: requirements.alignment))
    let types = VulkanArena.types(
      memory, for: role, small: byteCount <= VulkanArena.smallBytes, shared: sharesMemory
    ).filter { requirements.memoryTypeBits & (1 << UInt32($0)) != 0 }
    guard !types.isEmpty else { throw .noMemoryType(role: role) }
    return try state.withLock { (state) throws(GPUError) in
      var firstError: GPUError?
      for type in types {
        do throws(GPUError) {
          let piece = try take(size, alignment, type, label, &state)
          state.usage.buffers += 1
          state.usage.bufferBytes += byteCount
          return piece
        } catch {
          if calls.hasFailed { throw error }
          firstError = firstError ?? error
        }
      }
      throw firstError ?? .noMemoryType(role: role)
    }
  }

  /// Gives a buffer's memory back. Frees nothing where the device still works on it and does not answer.
  func give(_ piece: Piece, byteCount: Int, frees: Bool) {
    state.withLock { state in
      piece.block.free.give(piece.range)
      state.usage.buffers -= 1
      state.usage.bufferBytes -= byteCount
      guard piece.block.free.isEmpty else { return }
      state.blocks.removeAll { $0 === piece.block }
      guard frees else { return }
      functions.freeMemory(device, piece.block.memory, nil)
      calls.destroyed("vkAllocateMemory")
      count(piece.block.free.byteCount, of: piece.block.type, sign: -1, &state)
    }
  }

  private func take(
    _ size: Int, _ alignment: Int, _ type: Int, _ label: String, _ state: inout State
  ) throws(GPUError) -> Piece {
    for block in state.blocks where block.type == type {
      if let range = block.free.take(size, alignment: alignment) { return Piece(block: block, range: range) }
    }
    let isDevices = memory.isDeviceHeap(Int(memory.types[type].heapIndex))
    let taken = isDevices ? state.usage.deviceBytes : state.usage.hostBytes
    let budget = isDevices ? state.usage.deviceBudget : state.usage.hostBudget
    let room = max(0, budget - taken)
    guard size <= room else { throw .overBudget(label: label, byteCount: size, taken: taken, budget: budget) }
    guard state.usage.allocations < limits.allocations else {
      throw .tooManyAllocations(label: label, limit: limits.allocations)
    }
    let isVisible = Int(memory.types[type].propertyFlags) & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT != 0
    let blockBytes = isVisible && !sharesMemory ? min(blockBytes, VulkanArena.visibleBlockBytes) : blockBytes
    let wanted = size > blockBytes / 2 ? size : min(blockBytes, room)
    // A whole block may be too much where the buffer alone is not.
    var block = try allocate(wanted, type)
    if block == nil, size < wanted { block = try allocate(size, type) }
    guard let block, let range = block.free.take(size, alignment: alignment) else {
      throw .outOfMemory(label: label, byteCount: size, taken: taken)
    }
    count(block.free.byteCount, of: type, sign: 1, &state)
    state.blocks.append(block)
    return Piece(block: block, range: range)
  }

  /// Takes a block from the driver; nil where there is not enough memory.
  private func allocate(_ byteCount: Int, _ type: Int) throws(GPUError) -> Block? {
    var info = VkMemoryAllocateInfo()
    info.sType = UInt32(VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO)
    info.allocationSize = UInt64(byteCount)
    info.memoryTypeIndex = UInt32(type)
    var handle: VkDeviceMemory?
    let code = try calls.check(
      "vkAllocateMemory", allowed: VK_ERROR_OUT_OF_DEVICE_MEMORY, VK_ERROR_OUT_OF_HOST_MEMORY
    ) { functions.allocateMemory(device, &info, nil, &handle) }
    guard Int(code) == VK_SUCCESS, let memory = handle else { return nil }
    calls.created("vkAllocateMemory")
    guard Int(self.memory.types[type].propertyFlags) & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT != 0 else {
      return Block(memory: memory, type: type, hostBytes: nil, byteCount: byteCount)
    }
    var start: UnsafeMutableRawPointer?
    do {
      try calls.check("vkMapMemory") { functions.mapMemory(device, memory, 0, UInt64(byteCount), 0, &start) }
    } catch {
      functions.freeMemory(device, memory, nil)
      calls.destroyed("vkAllocateMemory")
      throw error
    }
    return Block(memory: memory, type: type, hostBytes: start, byteCount: byteCount)
  }

  private func count(_ byteCount: Int, of type: Int, sign: Int, _ state: inout State) {
    state.usage.allocations += sign
    if memory.isDeviceHeap(Int(memory.types[type].heapIndex)) {
      state.usage.deviceBytes += sign * byteCount
    } else {
      state.usage.hostBytes += sign * byteCount
    }
  }

  /// Kinds of memory for a role, the best first. Where the host reaches memory it is always coherent: every driver has such a
  /// kind, and nothing needs flushing.
  ///
  /// - Parameters:
  ///   - memory: what there is.
  ///   - role: who touches it.
  ///   - small: whether it may lie in the small window of a card's memory that the host reaches.
  ///   - shared: whether the host should reach the device's memory.
  static func types(
    _ memory: VkPhysicalDeviceMemoryProperties, for role: GPUBufferRole, small: Bool, shared: Bool
  ) -> [Int] {
    let (local, visible) = (VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT)
    let (coherent, cached) = (VK_MEMORY_PROPERTY_HOST_COHERENT_BIT, VK_MEMORY_PROPERTY_HOST_CACHED_BIT)
    let odd =
      VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT | VK_MEMORY_PROPERTY_PROTECTED_BIT
      | VK_MEMORY_PROPERTY_DEVICE_COHERENT_BIT_AMD
    // The smaller the better; nil is unfit.
    func rank(_ flags: Int) -> Int? {
      guard flags & odd == 0 else { return nil }
      let isVisible = flags & (visible | coherent) == visible | coherent
      let isLocal = flags & local != 0
      switch role {
      case .device:
        // Never the host's memory: slow by surprise is worse than an error.
        guard isLocal, flags & visible == 0 || isVisible else { return nil }
        return (isVisible == shared ? 0 : 2) + (flags & cached != 0 ? 1 : 0)
      case .hostWritten:
        guard isVisible else { return nil }
        return (isLocal == (small || shared) ? 0 : 2) + (flags & cached != 0 ? 1 : 0)
      case .hostRead:
        guard isVisible else { return nil }
        return (flags & cached != 0 ? 0 : 2) + (isLocal == shared ? 0 : 1)
      }
    }
    let ranked = memory.types.enumerated().compactMap { index, type in
      rank(Int(type.propertyFlags)).map { (rank: $0, index: index) }
    }
    return ranked.sorted { ($0.rank, $0.index) < ($1.rank, $1.index) }.map(\.index)
  }
}

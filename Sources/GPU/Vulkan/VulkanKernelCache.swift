import CPowerInferVulkan
import Synchronization

/// The driver's store of compiled kernels, filled from disk and written back there.
// Unchecked: the driver guards its own store; what changes here is behind the lock.
final class VulkanKernelCache: @unchecked Sendable {
  let handle: VkPipelineCache
  /// Bytes that were read from disk and handed to the driver.
  let loadedBytes: Int
  private let context: VulkanContext
  private let file: KernelCacheFile?
  // Kernels made since the file was read or written.
  private let unsaved = Mutex(0)

  init(_ context: VulkanContext, folder: String?) throws(GPUError) {
    self.context = context
    file = folder.map { KernelCacheFile(folder: $0, identity: context.description.identity) }
    let (device, functions, calls) = (context.device, context.functions, context.calls)
    func create(_ content: [UInt8]) throws(GPUError) -> VkPipelineCache {
      try withScratch { (scratch) throws(GPUError) in
        var info = VkPipelineCacheCreateInfo()
        info.sType = UInt32(VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO)
        info.initialDataSize = content.count
        if !content.isEmpty { info.pInitialData = UnsafeRawPointer(scratch.array(content)) }
        return try calls.create("vkCreatePipelineCache") { functions.createPipelineCache(device, &info, nil, $0) }
      }
    }
    if let content = file?.read(), !content.isEmpty, let filled = try? create(content) {
      handle = filled
      loadedBytes = content.count
    } else {
      handle = try create([])
      loadedBytes = 0
    }
  }

  deinit {
    context.destroy("vkCreatePipelineCache") {
      context.functions.destroyPipelineCache(context.device, handle, nil)
    }
  }

  /// Notes that a kernel was made.
  func count() { unsaved.withLock { $0 += 1 } }

  /// Writes to disk what is new. Failing to is no error.
  func save() {
    guard let file, !context.calls.hasFailed, unsaved.withLock({ $0 > 0 }) else { return }
    unsaved.withLock { $0 = 0 }
    let (device, functions, calls) = (context.device, context.functions, context.calls)
    var byteCount = 0
    guard
      (try? calls.check("vkGetPipelineCacheData") {
        functions.getPipelineCacheData(device, handle, &byteCount, nil)
      }) != nil, byteCount > 0
    else { return }
    var content = [UInt8](repeating: 0, count: byteCount)
    guard
      (try? calls.check("vkGetPipelineCacheData") {
        functions.getPipelineCacheData(device, handle, &byteCount, &content)
      }) != nil, byteCount <= content.count
    else { return }
    file.write(Array(content.prefix(byteCount)))
  }
}

import CPowerInferVulkan
import Synchronization

/// What kernels of the same shape share: how many buffers they bind and how many bytes of constants they take.
// Unchecked: the driver's handles are used from any thread; what changes is behind the lock.
final class VulkanLayouts: @unchecked Sendable {
  struct Shape: Hashable {
    var bindings: Int
    var constantBytes: Int
  }

  private struct State {
    var sets: [Int: VkDescriptorSetLayout] = [:]
    var pipelines: [Shape: VkPipelineLayout] = [:]
  }

  private let device: VkDevice
  private let functions: DeviceFunctions
  private let calls: VulkanCalls
  private let state = Mutex(State())

  init(device: VkDevice, functions: DeviceFunctions, calls: VulkanCalls) {
    self.device = device
    self.functions = functions
    self.calls = calls
  }

  /// The layouts of a shape; they live as long as the device.
  func layouts(for shape: Shape) throws(GPUError) -> (set: VkDescriptorSetLayout, pipeline: VkPipelineLayout) {
    try state.withLock { (state) throws(GPUError) in
      let set: VkDescriptorSetLayout
      if let known = state.sets[shape.bindings] { set = known } else { set = try makeSet(shape.bindings) }
      state.sets[shape.bindings] = set
      if let known = state.pipelines[shape] { return (set, known) }
      let pipeline = try makePipeline(shape, set)
      state.pipelines[shape] = pipeline
      return (set, pipeline)
    }
  }

  /// Ends them, before the device.
  func destroy() {
    state.withLock { state in
      for layout in state.pipelines.values {
        functions.destroyPipelineLayout(device, layout, nil)
        calls.destroyed("vkCreatePipelineLayout")
      }
      for layout in state.sets.values {
        functions.destroyDescriptorSetLayout(device, layout, nil)
        calls.destroyed("vkCreateDescriptorSetLayout")
      }
      state = State()
    }
  }

  private func makeSet(_ count: Int) throws(GPUError) -> VkDescriptorSetLayout {
    let bindings = (0..<count).map { index in
      var binding = VkDescriptorSetLayoutBinding()
      binding.binding = UInt32(index)
      binding.descriptorType = UInt32(VK_DESCRIPTOR_TYPE_STORAGE_BUFFER)
      binding.descriptorCount = 1
      binding.stageFlags = UInt32(VK_SHADER_STAGE_COMPUTE_BIT)
      return binding
    }
    return try withScratch { (scratch) throws(GPUError) in
      var info = VkDescriptorSetLayoutCreateInfo()
      info.sType = UInt32(VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO)
      info.bindingCount = UInt32(count)
      info.pBindings = UnsafePointer(scratch.array(bindings))
      return try calls.create("vkCreateDescriptorSetLayout") {
        functions.createDescriptorSetLayout(device, &info, nil, $0)
      }
    }
  }

  private func makePipeline(_ shape: Shape, _ set: VkDescriptorSetLayout) throws(GPUError) -> VkPipelineLayout {
    try withScratch { (scratch) throws(GPUError) in
      var range = VkPushConstantRange()
      range.stageFlags = UInt32(VK_SHADER_STAGE_COMPUTE_BIT)
      range.size = UInt32(shape.constantBytes)
      var info = VkPipelineLayoutCreateInfo()
      info.sType = UInt32(VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO)
      info.setLayoutCount = 1
      info.pSetLayouts = UnsafePointer(scratch.make(Optional(set)))
      if shape.constantBytes > 0 {
        info.pushConstantRangeCount = 1
        info.pPushConstantRanges = UnsafePointer(scratch.make(range))
      }
      return try calls.create("vkCreatePipelineLayout") { functions.createPipelineLayout(device, &info, nil, $0) }
    }
  }
}

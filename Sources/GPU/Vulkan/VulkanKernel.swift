import CPowerInferVulkan

/// A kernel that the driver has compiled.
// Unchecked: nothing changes after `init`.
final class VulkanKernel: GPUKernel, @unchecked Sendable {
  let context: VulkanContext
  let shader: ShaderDescription
  let pipeline: VkPipeline
  let setLayout: VkDescriptorSetLayout
  let layout: VkPipelineLayout

  init(
    _ context: VulkanContext, _ shader: ShaderDescription, specialization: [UInt32], cache: VkPipelineCache?
  ) throws(GPUError) {
    let (device, functions, calls) = (context.device, context.functions, context.calls)
    try calls.checkUsable()
    try VulkanKernel.check(shader, specialization, context.description)
    let layouts = try context.layouts.layouts(
      for: .init(bindings: shader.bindings.count, constantBytes: shader.constantBytes))
    pipeline = try withScratch { (scratch) throws(GPUError) in
      var code = VkShaderModuleCreateInfo()
      code.sType = UInt32(VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO)
      code.codeSize = shader.words.count * 4
      code.pCode = UnsafePointer(scratch.array(shader.words))
      let module = try calls.create("vkCreateShaderModule") { functions.createShaderModule(device, &code, nil, $0) }
      defer {
        functions.destroyShaderModule(device, module, nil)
        calls.destroyed("vkCreateShaderModule")
      }
      var info = VkComputePipelineCreateInfo()
      info.sType = UInt32(VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO)
      info.layout = layouts.pipeline
      info.basePipelineIndex = -1
      info.stage.sType = UInt32(VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO)
      info.stage.stage = UInt32(VK_SHADER_STAGE_COMPUTE_BIT)
      info.stage.module = module
      info.stage.pName = scratch.text(shader.entryPoint)
      if !specialization.isEmpty {
        info.stage.pSpecializationInfo = UnsafePointer(
          scratch.make(VulkanKernel.specialization(shader, specialization, scratch)))
      }
      return try calls.create("vkCreateComputePipelines") {
        functions.createComputePipelines(device, cache, 1, &info, nil, $0)
      }
    }
    self.context = context
    self.shader = shader
    setLayout = layouts.set
    layout = layouts.pipeline
    context.name(pipeline, VK_OBJECT_TYPE_PIPELINE, shader.name)
  }

  deinit {
    context.destroy("vkCreateComputePipelines") { context.functions.destroyPipeline(context.device, pipeline, nil) }
  }

  private static func check(
    _ shader: ShaderDescription, _ specialization: [UInt32], _ device: GPUDescription
  ) throws(GPUError) {
    let missing = shader.features.subtracting(device.features)
    guard missing.isEmpty else { throw .missingFeatures(kernel: shader.name, features: missing, device: device.name) }
    guard shader.bindings.count <= device.limits.bindings else {
      throw .shaderBindings(kernel: shader.name, found: shader.bindings.count, limit: device.limits.bindings)
    }
    guard shader.constantBytes >= 0, shader.constantBytes.isMultiple(of: 4),
      shader.constantBytes <= device.limits.constantBytes
    else {
      throw .shaderConstants(kernel: shader.name, found: shader.constantBytes, limit: device.limits.constantBytes)
    }
    guard specialization.count <= shader.specialization.count else {
      throw .specialization(
        kernel: shader.name, expected: shader.specialization.count, found: specialization.count)
    }
  }

  private static func specialization(
    _ shader: ShaderDescription, _ values: [UInt32], _ scratch: Scratch
  ) -> VkSpecializationInfo {
    let entries = zip(shader.specialization, values).enumerated().map { index, pair in
      VkSpecializationMapEntry(constantID: pair.0.id, offset: UInt32(index * 4), size: 4)
    }
    return VkSpecializationInfo(
      mapEntryCount: UInt32(entries.count), pMapEntries: UnsafePointer(scratch.array(entries)),
      dataSize: values.count * 4, pData: UnsafeRawPointer(scratch.array(values)))
  }
}

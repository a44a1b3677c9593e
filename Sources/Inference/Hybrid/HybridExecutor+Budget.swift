import PowerInferGPU
import PowerInferKernels
import PowerInferModel
import PowerInferSparsity

extension HybridExecutor {
  /// Divides a model so that a device's budget is used and never exceeded.
  ///
  /// - Parameters:
  ///   - device: with a budget, on which nothing is yet.
  ///   - planner: for the model.
  /// - Throws: ``HybridError/budgetTooSmall(_:needed:)`` where not even one layer fits; as ``HybridExecutor``.
  static func make(
    _ planner: HybridPlanner, on device: any GPUDevice, team: ThreadTeam, limits: GPUExecutor.Limits = .init()
  ) throws -> HybridExecutor {
    let (model, options) = (planner.model, planner.options)
    let budget = device.usage.deviceBudget
    let wanted =
      if let layers = options.hybrid.layers { planner.shape(layers: layers) } else { try planner.shape(budget: budget) }
    guard var shape = wanted else { throw HybridError.budgetTooSmall(budget, needed: try least(planner)) }
    // Buffers are rounded up and lie in blocks, of which a part may be left over.
    var slack = budget / 256
    // The device's memory is only set aside until all of it is found to fit: then weights are uploaded, once.
    let rehearsal = RehearsalDevice(device)
    for _ in 0..<attempts {
      var isPlaced = false
      do {
        var hot: [[UInt32]] = []
        _ = try GPUExecutor(
          model: model, device: rehearsal, options: sharing(options, layers: model.configuration.layerCount),
          limits: limits,
          split: GPUSplit(firstLayer: shape.processorLayers, hasOutput: shape.hasOutput) { usage in
            hot = try planner.hot(room: usage.deviceBudget - usage.deviceBytes - slack, shape)
            isPlaced = true
            return hot
          })
        return try HybridExecutor(
          model: model, device: device, team: team, options: options, limits: limits,
          processorLayers: shape.processorLayers, hasOutput: shape.hasOutput
        ) { _ in hot }
      } catch let error as GPUError where error.isShortOfMemory && options.hybrid.layers == nil {
        if isPlaced, planner.index == nil, options.hybrid.neurons != .none {
          slack += max(budget / 64, 1 << 16)
        } else if shape.processorLayers + 1 < model.configuration.layerCount {
          shape.processorLayers += 1
        } else if shape.hasOutput {
          shape.hasOutput = false
        } else {
          throw error
        }
      }
    }
    throw HybridError.budgetTooSmall(budget, needed: try least(planner))
  }

  /// How often another division is tried where memory turns out to be short.
  private static let attempts = 24

  /// What one layer needs, about.
  private static func least(_ planner: HybridPlanner) throws -> Int {
    try planner.workspaceBytes() + planner.fixedBytes(layer: planner.model.configuration.layerCount - 1)
  }

  /// Bytes that the driver hands out at a time where a budget is to be used up: larger buffers get memory of their own, to the byte.
  static func blockBytes(budget: Int) -> Int { min(1 << 20, max(1 << 16, budget / 64)) }
}

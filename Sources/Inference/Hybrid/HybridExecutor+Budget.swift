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
      if let layers = options.hybrid.layers {
        planner.shape(layers: layers)
      } else {
        // The estimate is more than tiny models take, so try whether one layer fits.
        try planner.shape(budget: budget) ?? planner.leastShape
      }
    guard let wanted else { throw HybridError.budgetTooSmall(budget, needed: try least(planner)) }
    // Buffers are rounded up and lie in blocks, of which a part may be left over.
    var division = Division(shape: wanted, slack: budget / 256)
    for _ in 0..<uploads {
      // The device's memory is only set aside until all of it is found to fit: then weights are uploaded, once.
      guard let found = try fitting(division, planner, on: device, limits: limits) else { break }
      do {
        return try HybridExecutor(
          model: model, device: device, team: team, options: options, limits: limits,
          processorLayers: found.shape.processorLayers, hasOutput: found.shape.hasOutput
        ) { _ in found.hot }
      } catch let error as GPUError where error.isShortOfMemory && options.hybrid.layers == nil {
        // Somebody else took some of it meanwhile.
        division = found
        guard try division.shrink(planner, budget: budget, isPlaced: true) else { throw error }
      }
    }
    throw HybridError.budgetTooSmall(budget, needed: try least(planner))
  }

  /// What is where, as far as it is decided.
  private struct Division {
    var shape: HybridPlanner.Shape
    /// Bytes that neurons are to leave.
    var slack: Int
    var hot: [[UInt32]] = []

    /// Takes less of the device's memory.
    ///
    /// - Parameter isPlaced: whether all but the neurons has found room.
    /// - Returns: false where there is no less.
    mutating func shrink(_ planner: HybridPlanner, budget: Int, isPlaced: Bool) throws -> Bool {
      if isPlaced, planner.index == nil, planner.options.hybrid.neurons != .none {
        slack += max(budget / 64, 1 << 16)
      } else if shape.processorLayers + 1 < planner.model.configuration.layerCount {
        shape.processorLayers += 1
      } else if shape.hasOutput {
        shape.hasOutput = false
      } else {
        return false
      }
      return true
    }
  }

  /// A division for which there is memory, from a wanted one on; `nil` where none is found.
  ///
  /// - Throws: as ``HybridExecutor``.
  private static func fitting(
    _ wanted: Division, _ planner: HybridPlanner, on device: any GPUDevice, limits: GPUExecutor.Limits
  ) throws -> Division? {
    let (budget, isGiven) = (device.usage.deviceBudget, planner.options.hybrid.layers != nil)
    var division = wanted
    var found: Division?
    for _ in 0..<attempts {
      var isPlaced = false
      do {
        let left: Int
        (division.hot, left) = try rehearse(planner, division, on: device, limits: limits) { isPlaced = true }
        found = division
        // A pass on this device may take less than was estimated: where more is left than a layer needs, that comes along.
        let next = division.shape.processorLayers - 1
        guard !isGiven, next >= 0, try planner.fixedBytes(layer: next) < left - division.slack else { break }
        division.shape.processorLayers = next
      } catch let error as GPUError where error.isShortOfMemory && !isGiven {
        if found != nil { break }
        guard try division.shrink(planner, budget: budget, isPlaced: isPlaced) else { return nil }
      }
    }
    return found
  }

  /// Sets all of the memory aside that a shape takes, and gives it back.
  ///
  /// - Parameters:
  ///   - placed: called once all but the neurons has found room.
  /// - Returns: the device's neurons, and the bytes that were left.
  private static func rehearse(
    _ planner: HybridPlanner, _ division: Division, on device: any GPUDevice, limits: GPUExecutor.Limits,
    placed: () -> Void
  ) throws -> (hot: [[UInt32]], left: Int) {
    var hot: [[UInt32]] = []
    let options = sharing(planner.options, layers: planner.model.configuration.layerCount)
    return try withoutActuallyEscaping(placed) { placed in
      let part = try GPUExecutor(
        model: planner.model, device: RehearsalDevice(device), options: options, limits: limits,
        split: GPUSplit(firstLayer: division.shape.processorLayers, hasOutput: division.shape.hasOutput) { usage in
          hot = try planner.hot(
            room: usage.deviceBudget - usage.deviceBytes - division.slack, division.shape)
          placed()
          return hot
        })
      return withExtendedLifetime(part) { (hot, device.usage.deviceBudget - device.usage.deviceBytes) }
    }
  }

  /// How often another division is tried where memory turns out to be short.
  private static let attempts = 24
  /// How often weights are uploaded where memory that was free is not any more.
  private static let uploads = 3

  /// What one layer needs, about.
  private static func least(_ planner: HybridPlanner) throws -> Int {
    try planner.workspaceBytes() + planner.fixedBytes(layer: planner.model.configuration.layerCount - 1)
  }

  /// Bytes that the driver hands out at a time where a budget is to be used up: larger buffers get memory of their own, to the byte.
  static func blockBytes(budget: Int) -> Int { min(1 << 20, max(1 << 16, budget / 64)) }
}

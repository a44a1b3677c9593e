import PowerInferGPU
import PowerInferKernels
import PowerInferModel
import PowerInferPlatform
import PowerInferSparsity

/// Which GPU a model runs on, if any, and why not.
struct GPUSelection {
  var executor: (any ModelExecutor)?
  /// Of the device.
  var name: String?
  /// Why there is none where one was looked for.
  var remark: String?

  /// None.
  init() {}

  /// Follows the options: opens the device and uploads the model, or the part of it that the budget has room for.
  ///
  /// - Parameters:
  ///   - team: the processor's threads, for what stays there.
  ///   - devices: this machine's.
  ///   - open: opens one of them.
  /// - Throws: ``GPUModelError``, `GPUError`, ``HybridError`` and ``EngineError`` where a certain device was asked for and cannot be used.
  init(
    model: LanguageModel, options: EngineOptions, team: @autoclosure () -> ThreadTeam = ThreadTeam(workers: 1),
    devices: () throws -> [GPUDescription] = GPU.descriptions,
    open: (Int, GPUOptions) throws -> any GPUDevice = GPU.open
  ) throws {
    guard options.gpu != .none, options.hybrid.budget != .bytes(0), options.hybrid.layers != 0 else { return }
    do {
      let all = try devices()
      // Weights, and as much again of everything else as a quarter of them or this: cache, activations, what the driver takes.
      let weights = try GPUExecutor.weightBytes(model, sparsity: options.sparsity)
      let needed = weights + max(weights / 4, 256 << 20)
      let isLimited = options.hybrid.isAsked
      var chosen = isLimited ? nil : try options.gpu.pick(from: all, needing: needed)
      let isWhole = chosen.map { $0.memory.available >= needed } ?? false
      if chosen == nil { chosen = try options.gpu.pick(from: all, needing: 0) }
      guard let device = chosen else {
        if isLimited { remark = "There is no GPU; a software device is used only by name. It runs on the processor." }
        return
      }
      // Nothing to spare: as if there were none.
      if !isWhole, !isLimited, !options.gpu.isExplicit, options.hybrid.budget.bytes(of: device.memory) == 0 { return }
      // Before the device is opened, and only where there is one: without it nobody asks what could run on it.
      try GPUExecutor.check(model, sparsity: options.sparsity)
      name = device.name
      if isWhole, !isLimited {
        executor = try GPUExecutor(model: model, device: open(device.index, options.gpuOptions), options: options)
      } else {
        (executor, remark) = try Self.divided(model, options, device, team(), open)
      }
    } catch  where !options.gpu.isExplicit {
      name = nil
      // No driver, no device: nobody asked for one.
      if case .noLoader? = error as? GPUError { return }
      if case .noDevice? = error as? GPUError { return }
      remark = "\(error) It runs on the processor."
    }
  }

  /// A model whose hot neurons are on a device; or all of it, where the budget has room. With a sentence, where there is something to say.
  private static func divided(
    _ model: LanguageModel, _ options: EngineOptions, _ device: GPUDescription, _ team: ThreadTeam,
    _ open: (Int, GPUOptions) throws -> any GPUDevice
  ) throws -> (any ModelExecutor, String?) {
    let index = try index(model, options)
    let budget = options.hybrid.budget.bytes(of: device.memory)
    var settings = options.gpuOptions
    settings.deviceBudget = budget
    settings.blockBytes = HybridExecutor.blockBytes(budget: budget)
    let opened = try open(device.index, settings)
    let speeds = try MachineSpeeds.known(of: opened, team, folder: options.gpuOptions.cacheFolder)
    // Nobody asked for a GPU that would only slow things down.
    if !options.gpu.isExplicit, !options.hybrid.isAsked {
      let forecast = try HybridForecast(model: model, options: options, budget: budget, speeds: speeds, index: index)
      guard forecast.secondsPerToken < forecast.processorSecondsPerToken else {
        throw HybridError.notFaster(device: device.name)
      }
    }
    var planner = try HybridPlanner(model: model, options: options, speeds: speeds, index: index)
    var remark: String?
    if let counted = CountedProfile(for: model, in: options.gpuOptions.cacheFolder),
      try planner.wantsFrequencies(budget: budget)
    {
      remark = try counted.count(options, team)
      // What was kept is what later runs go by.
      planner = try HybridPlanner(model: model, options: options, speeds: speeds, index: index)
    }
    let executor = try HybridExecutor.make(planner, on: opened, team: team)
    if opened.description.kind != .software {
      let placement = executor.placement
      executor.expectedSeconds = planner.seconds(
        HybridPlanner.Shape(processorLayers: placement.processorLayers, hasOutput: placement.hasOutput),
        placement.hot)
    }
    return (executor, remark)
  }

  /// The neurons that a file beside the model names, checked.
  private static func index(_ model: LanguageModel, _ options: EngineOptions) throws -> GPUIndex? {
    guard options.hybrid.neurons == .automatic, options.hybrid.layers == nil,
      let path = GPUIndex.path(for: model), FileIdentity(path) != nil
    else { return nil }
    do throws(GPUIndexError) {
      return try GPUIndex(opening: path, shape: FeedForwardShape(model.configuration))
    } catch {
      throw HybridError.index(error)
    }
  }
}

import PowerInfer

/// What a GPU and the processor did together, as a machine reads it. Bytes and microseconds are of all passes together.
struct HybridReport: Encodable {
  /// The first layers, which the processor computes as a whole.
  var processorLayers: Int
  /// Layers whose neurons are divided.
  var sharedLayers: Int
  var hasOutputOnGPU: Bool
  /// Share of all neurons that are on the GPU, 0...1.
  var neuronShare: Double
  /// Share of the neurons that fired that were the GPU's.
  var hitShare: Double?
  var passes: Int
  /// Rows of all passes.
  var tokens: Int
  var bytesToProcessor: Int
  var bytesToGPU: Int
  var gpuBytes: Int
  var gpuBudget: Int
  /// What the model of time said before, and what was seen.
  var expectedTokensPerSecond: Double?
  var decodeTokensPerSecond: Double?
  var layers: [Layer]

  struct Layer: Encodable {
    /// Neurons on the GPU.
    var neuronsOnGPU: Int
    /// Attention and neurons; missing where the GPU keeps no times (--profile).
    var gpu: Double?
    var processor: Double
    /// The GPU waited for the processor.
    var gpuWait: Double?
    /// The processor waited for the GPU.
    var processorWait: Double
  }

  init(_ hybrid: HybridStatistics, decodeTokensPerSecond: Double?) {
    let placement = hybrid.placement
    processorLayers = placement.processorLayers
    sharedLayers = placement.sharedLayers
    hasOutputOnGPU = placement.hasOutput
    neuronShare = placement.neuronShare
    hitShare = hybrid.hitShare
    (passes, tokens) = (hybrid.passes, hybrid.tokens)
    (bytesToProcessor, bytesToGPU) = (hybrid.bytesToProcessor, hybrid.bytesToDevice)
    (gpuBytes, gpuBudget) = (hybrid.deviceBytes, hybrid.deviceBudget)
    expectedTokensPerSecond = hybrid.expectedSeconds.map { 1 / $0 }
    self.decodeTokensPerSecond = decodeTokensPerSecond
    let keepsTimes = hybrid.layers.contains { $0.device > 0 }
    layers = zip(hybrid.layers, placement.hot).map { layer, hot in
      Layer(
        neuronsOnGPU: hot.count, gpu: keepsTimes ? layer.device : nil, processor: layer.processor,
        gpuWait: keepsTimes ? layer.deviceWait : nil, processorWait: layer.processorWait)
    }
  }
}

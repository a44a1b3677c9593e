import PowerInferGPU
import PowerInferModel

/// What a device computes of a model that it shares with the processor.
struct GPUSplit {
  /// The first of the device's layers; those before are the processor's, attention and all.
  let firstLayer: Int
  /// Whether the device computes logits.
  let hasOutput: Bool
  /// Says which neurons of every layer of the model the device computes, ascending: [layers][k]. Called once everything else is on the
  /// device, with what is in use then.
  let place: (GPUMemoryUsage) throws -> [[UInt32]]
}

/// Where a device and the processor hand over, in memory that both reach. The rows of a pass lie `stride` floats apart, as in the
/// workspace.
struct GPUHandover {
  /// To the device, before the pass begins: what the embeddings and the processor's layers left.
  let residual: any GPUBuffer  // [rows, d]
  /// To the processor, in each layer: the feed-forward's input.
  let input: any GPUBuffer  // [rows, d]
  /// To the processor: what was predicted of its neurons, ascending, of the rows that ask; `nil` without predictors.
  let scores: (any GPUBuffer)?  // [rows, f]
  /// To the device: what the processor's neurons add to the residual.
  let output: any GPUBuffer  // [rows, d]
  /// To the processor, at the end of a pass whose logits it computes: the output matrix's input.
  let normed: any GPUBuffer  // [wanted rows, d]

  /// - Parameters:
  ///   - rows: of a pass at most.
  ///   - predicts: whether the device predicts which neurons fire.
  /// - Throws: `GPUError` where the memory is not to be had.
  init(_ model: LanguageModel, rows: Int, predicts: Bool, on device: any GPUDevice) throws {
    let c = model.configuration
    func buffer(_ columns: Int, _ role: GPUBufferRole, _ label: String) throws -> any GPUBuffer {
      try device.makeBuffer(byteCount: rows * GPUWorkspace.stride(columns) * 4, role: role, label: label)
    }
    residual = try buffer(c.hiddenSize, .hostWritten, "residual from the processor")
    input = try buffer(c.hiddenSize, .hostRead, "input of cold neurons")
    scores = predicts ? try buffer(c.feedForwardSize, .hostRead, "predictions of cold neurons") : nil
    output = try buffer(c.hiddenSize, .hostWritten, "output of cold neurons")
    normed = try buffer(c.hiddenSize, .hostRead, "normed rows for the processor")
    // What lies between rows is copied with them.
    for buffer in [residual, output] {
      if let bytes = buffer.hostBytes { _ = bytes.initializeMemory(as: UInt8.self, repeating: 0) }
    }
  }
}

extension GPUBuffer {
  /// The first rows of a buffer of floats.
  func rows(_ count: Int, _ stride: Int) -> GPUBufferSlice { slice(at: 0, byteCount: count * stride * 4) }
}

// The hand-overs of a layer of which the processor computes some neurons.
extension GPUPass {
  /// Gives the processor what it needs for its neurons, and goes on with the device's own at the same time.
  ///
  /// - Parameter asking: how many rows, the last ones, have predictions.
  mutating func handOver(
    _ input: GPUWorkspace.Form, _ layer: GPUWeights.Layer, _ rows: Int, asking: Int
  ) throws {
    guard let handover else { return }
    try recorder.copy(from: input.values.rows(rows, input.stride), to: handover.input.rows(rows, input.stride))
    if case .predictor = layer.source, let scores = work.predicting?.scores, let target = handover.scores {
      // The processor's neurons come first.
      for row in 0..<asking {
        let (offset, bytes) = (row * work.hidden.stride * 4, layer.coldCount * 4)
        try recorder.copy(
          from: scores.slice(at: offset, byteCount: bytes), to: target.slice(at: offset, byteCount: bytes))
      }
    }
    _ = recorder.signalHost()
  }

  /// Meets the processor in the middle of a layer, for tests.
  mutating func meet(_ neurons: GPUWeights.Neurons) {
    guard meetsInside, neurons.isPart else { return }
    _ = recorder.waitForHost()
    _ = recorder.signalHost()
  }

  /// Makes what the processor gave one more part of the feed-forward's output.
  mutating func takeOver(_ rows: Int, asPart part: Int) throws {
    guard let handover else { return }
    let bytes = rows * work.normed.stride * 4
    try recorder.copy(
      from: handover.output.rows(rows, work.normed.stride),
      to: work.feedForwardOutput.slice(at: part * bytes, byteCount: bytes))
  }
}

extension GPUExecutor {
  /// Runs a recording while the processor computes its part: the first layers before, its neurons of the others at the same time.
  ///
  func run(_ recording: any GPURecording, _ shape: GPUPassShape, with share: ProcessorShare) throws {
    guard let handover else { return }
    let stride = work.normed.stride
    shared.beginPass(tokens: shape.rows)
    let begin = HybridTimes.now()
    try share.runFirstLayers(into: handover.residual, stride: stride)
    shared.addFirstLayers(share.layerCount, from: begin, to: HybridTimes.now())
    shared.move(toDevice: shape.rows * stride * 4)
    let started = HybridTimes.now()
    let run = try device.start(recording)
    var (signals, waits) = (0, 0)
    var resumed: [UInt64] = []
    for (index, layer) in weights.layers.enumerated() where layer.coldCount > 0 {
      // Without logits the last layer ends with its keys and values.
      let isLast = index == weights.layers.count - 1
      if isLast, shape.wanted == 0 { break }
      let meets = limits.meetsInside && layer.neurons != nil
      let start = HybridTimes.now()
      try run.wait(for: signals)
      let begin = HybridTimes.now()
      let rows = try share.runNeurons(
        layer: firstLayer + index, isLast: isLast, handover, stride: stride, scoreStride: work.hidden.stride
      ) {
        guard meets else { return }
        try run.proceed(past: waits)
        try run.wait(for: signals + 1)
      }
      (signals, waits) = (signals + (meets ? 2 : 1), waits + (meets ? 2 : 1))
      try run.proceed(past: waits - 1)
      resumed.append(HybridTimes.now())
      shared.addProcessor(
        layer: firstLayer + index, waitedFrom: start, from: begin, to: resumed[resumed.count - 1])
      var scores = 0
      if case .predictor = layer.source {
        scores = (isLast && rows != shape.rows ? shape.wantedSkipping : shape.skipping) * layer.coldCount * 4
      }
      shared.move(toProcessor: rows * stride * 4 + scores, toDevice: rows * stride * 4)
    }
    try run.finish()
    if isProfiled {
      shared.addDevice(try recording.timings, firstLayer: firstLayer, started: started, resumed: resumed)
    }
    if weights.output == nil, shape.wanted > 0 {
      shared.move(toProcessor: shape.wanted * stride * 4)
      try share.takeOutput(handover.normed, stride: stride)
    }
  }
}

import PowerInferModel
import PowerInferSparsity
import Testing

@testable import PowerInfer
@testable import PowerInferGPU

/// Whole passes under the validation layers, which also look for steps that do not wait for each other.
@Suite(.enabled(if: GPUBench.validates, "skipped: no Vulkan device, or no validation layers"))
struct GPUValidationTests {
  @Test(
    arguments: ["tiny-relu-q4_0.powerinfer", "tiny-falcon-40b-f16.powerinfer"],
    [(SparsityMode.gate, 0), (.gate, 1 << 20), (.predictor, 1 << 20), (.threshold, 1 << 20)])
  func layersHaveNothingToSay(name: String, how: (mode: SparsityMode, broughtBytes: Int)) throws {
    let model = try ExecutorBench.open(name)
    let (calls, messages) = try {
      let device = try GPUBench.open(GPUOptions(validates: true))
      var limits = GPUExecutor.Limits()
      (limits.broughtBytes, limits.leastStretch) = (how.broughtBytes, 64)
      var options = ExecutorBench.options(contextSize: 640, batchSize: 70, SparsityOptions(mode: how.mode))
      options.sparsity.gateThresholds = try GateThresholds(
        thresholds: model.weights.layers.map { _ in 0.1 }, target: 0.5, tokens: 1, text: "")
      options.isDeterministic = false
      let engine = try GPUBench.engine(model, options, on: device, limits: limits)
      let sequence = engine.makeSequence()
      let text = ExecutorBench.tokens(80, model, seed: 1)
      _ = try sequence.rows(Array(text[..<70]), phase: .prompt)
      let other = try sequence.fork()
      _ = try sequence.decode(Array(text[70..<73]))
      let batch = engine.batch([
        Batch.Piece(sequence: other.id, position: 70, tokens: text[70...], phase: .prompt, wanted: 8..<10),
        Batch.Piece(sequence: sequence.id, position: 73, tokens: text[..<1], phase: .decode, wanted: 0..<1),
      ])
      _ = try engine.withCore { core in
        try core.forward(batch)
        return try core.candidates(of: batch, count: 4)
      }
      // Past the pages that there are at first.
      let long = engine.makeSequence()
      try long.append(ExecutorBench.tokens(530, model, seed: 10), phase: .prompt)
      _ = try long.decode([1])
      #expect(device.complaints == [])
      return (device.context.calls, device.context.instance.messages)
    }()
    // Nothing is left at the driver; the layers would say so, too.
    #expect(calls.objects.isEmpty)
    #expect(messages.all == [])
  }
}

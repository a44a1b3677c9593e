import Benchmark
import PowerInferKernels

/// Registers everything there is to measure. Names read "what, how (instruction set)", so that a filter picks any part.
let benchmarks: @Sendable () -> Void = {
  let quick = Duration.milliseconds(250)
  Benchmark.defaultConfiguration = .init(metrics: [.wallClock], warmupIterations: 2, maxDuration: quick)
  for kernels in InstructionSet.supported.compactMap({ Kernels($0) }) {
    multiplyOneToken(kernels)
    multiplyManyTokens(kernels)
    accumulateRows(kernels)
    attention(kernels)
    floats(kernels)
    streams(kernels)
  }
  barriers()
}

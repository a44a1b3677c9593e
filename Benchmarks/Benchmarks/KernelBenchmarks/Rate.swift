import Benchmark
import Dispatch
import PowerInferKernels

/// What a loop gets through in a second.
enum Rate {
  /// 10⁶ bytes of weights, keys and values.
  case megabytes
  /// 10⁶ products, each with its addition.
  case products
  /// 10⁶ elements.
  case elements

  var metric: BenchmarkMetric {
    switch self {
    case .megabytes: .custom("MB/s", polarity: .prefersLarger, useScalingFactor: false)
    case .products: .custom("MMAC/s", polarity: .prefersLarger, useScalingFactor: false)
    case .elements: .custom("M elements/s", polarity: .prefersLarger, useScalingFactor: false)
    }
  }
}

/// Registers a loop that gets through `amount` of `rate` each time it runs.
///
/// The package's own clock measures runs of `repetitions`, so that a run is long beside looking at the clock; the rate is of
/// the same time.
///
/// - Parameters:
///   - name: what is measured.
///   - kernels: with these loops.
///   - amount: bytes, products or elements of one repetition.
///   - setup: makes what a repetition needs, once and only if the benchmark runs; the result runs one repetition.
func measure(
  _ name: String, _ kernels: Kernels, _ rate: Rate, amount: Int, repetitions: Int = 1,
  setup: @escaping () -> (() -> Void)
) {
  var once: (() -> Void)?
  Benchmark(
    "\(name) (\(kernels.instructionSet))",
    configuration: .init(metrics: [.wallClock, rate.metric], units: [rate.metric: .count])
  ) { benchmark in
    let body = once ?? setup()
    once = body
    benchmark.startMeasurement()
    let start = DispatchTime.now().uptimeNanoseconds
    for _ in 0..<repetitions { body() }
    let time = DispatchTime.now().uptimeNanoseconds - start
    benchmark.stopMeasurement()
    // Amount per microsecond is millions per second.
    benchmark.measurement(rate.metric, Int(Double(amount * repetitions) * 1000 / Double(max(time, 1))))
  } teardown: {
    once = nil
  }
}

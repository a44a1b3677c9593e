import CoreMetrics
import Synchronization

/// The numbers of one metric with certain labels.
protocol Series: AnyObject, Sendable {
  /// Ending of the name, further label as it is written, value.
  var samples: [(suffix: String, label: String, value: Double)] { get }
}

/// A number that counts, or goes up and down.
final class NumberSeries: Series, CounterHandler, FloatingPointCounterHandler, MeterHandler, RecorderHandler {
  private let value = Mutex(0.0)

  var samples: [(suffix: String, label: String, value: Double)] { [("", "", value.withLock { $0 })] }

  func increment(by amount: Int64) { value.withLock { $0 += Double(amount) } }
  func increment(by amount: Double) { value.withLock { $0 += amount } }
  func decrement(by amount: Double) { value.withLock { $0 -= amount } }
  func set(_ number: Int64) { value.withLock { $0 = Double(number) } }
  func set(_ number: Double) { value.withLock { $0 = number } }
  func record(_ number: Int64) { set(number) }
  func record(_ number: Double) { set(number) }
  func reset() { value.withLock { $0 = 0 } }
}

/// How often values up to certain bounds came.
final class HistogramSeries: Series, RecorderHandler, TimerHandler {
  private struct State {
    var counts: [Int]
    var sum = 0.0
    var count = 0
  }

  private let bounds: [Double]
  private let state: Mutex<State>

  init(bounds: [Double]) {
    self.bounds = bounds
    state = Mutex(State(counts: bounds.map { _ in 0 }))
  }

  var samples: [(suffix: String, label: String, value: Double)] {
    let state = state.withLock { $0 }
    var (samples, sum): ([(suffix: String, label: String, value: Double)], Int) = ([], 0)
    for (bound, count) in zip(bounds, state.counts) {
      sum += count
      samples.append(("_bucket", "le=\"\(PrometheusFactory.number(bound))\"", Double(sum)))
    }
    samples.append(("_bucket", "le=\"+Inf\"", Double(state.count)))
    samples.append(("_sum", "", state.sum))
    samples.append(("_count", "", Double(state.count)))
    return samples
  }

  func record(_ value: Double) {
    guard !value.isNaN else { return }
    let bucket = bounds.firstIndex { value <= $0 }
    state.withLock { state in
      if let bucket { state.counts[bucket] += 1 }
      state.sum += value
      state.count += 1
    }
  }

  func record(_ value: Int64) { record(Double(value)) }
  func recordNanoseconds(_ duration: Int64) { record(Double(duration) * 1e-9) }
}

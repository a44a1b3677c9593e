import Dispatch

/// When the processor had its part of each layer, on one clock.
struct HybridTimes {
  /// A stretch of time in a layer, in nanoseconds since the pass began.
  struct Span: Sendable, Equatable {
    var layer: Int
    var begin: UInt64
    var end: UInt64
  }

  /// The processor's parts of the last pass.
  private(set) var neurons: [Span] = []
  private var start: UInt64 = 0

  func now() -> UInt64 { DispatchTime.now().uptimeNanoseconds }

  mutating func begin() { (neurons, start) = ([], now()) }

  mutating func addNeurons(layer: Int, from begin: UInt64) {
    neurons.append(Span(layer: layer, begin: begin &- start, end: now() &- start))
  }
}

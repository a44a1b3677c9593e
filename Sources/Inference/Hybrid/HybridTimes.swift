import Dispatch
import PowerInferGPU

/// What device and processor did in the passes that they shared, and what went from one to the other.
struct HybridTimes {
  private(set) var layers: [HybridStatistics.Layer]
  private(set) var passes = 0
  private(set) var tokens = 0
  private(set) var bytesToProcessor = 0
  private(set) var bytesToDevice = 0
  /// The last pass.
  private(set) var timeline = HybridTimeline()

  init(layers: Int) { self.layers = Array(repeating: HybridStatistics.Layer(), count: layers) }

  static func now() -> UInt64 { DispatchTime.now().uptimeNanoseconds }

  mutating func beginPass(tokens count: Int) {
    passes += 1
    tokens += count
    timeline = HybridTimeline()
  }

  mutating func move(toProcessor: Int = 0, toDevice: Int = 0) {
    bytesToProcessor += toProcessor
    bytesToDevice += toDevice
  }

  /// The processor waited for the device, then computed its neurons.
  mutating func addProcessor(layer: Int, waitedFrom start: UInt64, from begin: UInt64, to end: UInt64) {
    layers[layer].processorWait += Double(begin - start) / 1000
    layers[layer].processor += Double(end - begin) / 1000
    timeline.processor.append(HybridTimeline.Span(layer: layer, label: "cold neurons", begin: begin, end: end))
  }

  /// The processor computed layers of its own.
  mutating func addFirstLayers(_ count: Int, from begin: UInt64, to end: UInt64) {
    guard count > 0 else { return }
    timeline.processor.append(
      HybridTimeline.Span(layer: 0, label: "layers 0 to \(count - 1)", begin: begin, end: end))
    for layer in 0..<count { layers[layer].processor += Double(end - begin) / 1000 / Double(count) }
  }

  /// The device's stages of a pass in their order, by its own clock.
  ///
  /// - Parameters:
  ///   - timings: of a recording with stages.
  ///   - first: the device's first layer.
  ///   - resumed: for each wait of the device the time at which the processor let it go on.
  mutating func addDevice(_ timings: [GPUTiming], firstLayer first: Int, started: UInt64, resumed: [UInt64]) {
    var (layer, clock, turn) = (first - 1, 0.0, 0)
    // Nanoseconds from the device's clock to the processor's: nothing begins before it may.
    var shift = Double(started)
    var spans: [(layer: Int, label: String, begin: Double, end: Double)] = []
    for timing in timings {
      if timing.label == Stage.attentionNorm.title { layer += 1 }
      let end = clock + timing.nanoseconds
      if timing.label == HybridTimeline.waiting {
        if layers.indices.contains(layer) { layers[layer].deviceWait += timing.nanoseconds / 1000 }
        if turn < resumed.count { shift = max(shift, Double(resumed[turn]) - end) }
        turn += 1
      } else {
        if layer >= first, layers.indices.contains(layer), timing.label != Stage.outputNorm.title,
          timing.label != Stage.logits.title
        {
          layers[layer].device += timing.nanoseconds / 1000
        }
        spans.append((layer, timing.label, clock, end))
      }
      clock = end
    }
    timeline.device = spans.map { span in
      HybridTimeline.Span(
        layer: max(first, span.layer), label: span.label, begin: UInt64(max(0, span.begin + shift)),
        end: UInt64(max(0, span.end + shift)))
    }
  }
}

/// What a GPU and the processor did together.
public struct HybridStatistics: Sendable {
  /// Microseconds of all passes together.
  public struct Layer: Sendable, Equatable {
    /// The processor's neurons, or all of a layer that is the processor's.
    public var processor = 0.0
    /// The processor waited for the device.
    public var processorWait = 0.0
    /// The device's part: attention and its neurons; 0 where times are not kept.
    public var device = 0.0
    /// The device waited for the processor; 0 where times are not kept.
    public var deviceWait = 0.0
  }

  public let placement: HybridPlacement
  public internal(set) var layers: [Layer]
  /// Passes, and rows of all of them.
  public internal(set) var passes: Int
  public internal(set) var tokens: Int
  /// What went over the bus in all passes, but for the table that every pass begins with.
  public internal(set) var bytesToProcessor: Int
  public internal(set) var bytesToDevice: Int
  /// Memory of the device that is in use, and what may be.
  public internal(set) var deviceBytes: Int
  public internal(set) var deviceBudget: Int
  /// Share of the neurons that fired for decoded tokens that were the device's; `nil` where nothing was chosen.
  public internal(set) var hitShare: Double?
  /// Seconds of a decoded token that were expected when the model was divided; `nil` on software devices, and where nobody expected any.
  public internal(set) var expectedSeconds: Double?
  /// The last pass; the device's lane is empty where times are not kept.
  public internal(set) var timeline: HybridTimeline
}

/// Which neurons of each layer go to the GPU, so that a token takes the least time: the hottest of each, as many as make both
/// devices finish together or as memory allows.
///
/// A layer takes as long as the slower of its two parts. With the hottest neurons on the GPU, every further one takes less off
/// the CPU's part than the one before, until the GPU's part is the longer and nothing more is gained: the time of a layer is a
/// convex function of their number as far as it falls. So it is best to give memory always to the layer in which the next
/// neurons save most time per byte. The result is optimal where all steps take the same number of bytes; where they do
/// not, it is at most the gain of one step away from it.
///
/// PowerInfer (arXiv:2312.12456, §6) has an integer program for the same end; the solver published with it counts activations
/// alone, and knows no device's speed.
public struct Placement: Sendable, Equatable {
  /// What became of a layer.
  public struct Layer: Sendable, Equatable {
    /// Neurons on the GPU, ascending.
    public let neurons: [UInt32]
    /// Bytes of video memory that they take.
    public let byteCount: Int
    /// Share of the layer's activations that are theirs, 0...1.
    public let activationShare: Double
    /// Expected seconds of the GPU's part for one token.
    public let gpuSeconds: Double
    /// Expected seconds of the CPU's part for one token.
    public let cpuSeconds: Double

    /// Expected seconds of both parts, side by side.
    public var seconds: Double { max(gpuSeconds, cpuSeconds) }
  }

  /// In the order of the model.
  public let layers: [Layer]
  /// Bytes of all neurons on the GPU.
  public var byteCount: Int { layers.reduce(0) { $0 + $1.byteCount } }
  /// Neurons on the GPU, of all layers.
  public var neuronCount: Int { layers.reduce(0) { $0 + $1.neurons.count } }
  /// Expected seconds of all layers for one token.
  public var seconds: Double { layers.reduce(0) { $0 + $1.seconds } }

  /// Neurons that move together unless said otherwise: what PowerInfer's files count in.
  public static let defaultStep = 256

  /// Places neurons.
  ///
  /// - Parameters:
  ///   - loads: of each layer.
  ///   - budget: bytes of video memory for neurons.
  ///   - cost: of both devices.
  ///   - step: neurons that are placed at a time; the last ones of a layer may be fewer.
  /// - Throws: ``PlacementError`` for a budget below 0, a step or bytes below 1.
  public init(
    _ loads: [NeuronLoad], budget: Int, cost: CostModel, step: Int = defaultStep
  ) throws(PlacementError) {
    guard budget >= 0 else { throw .budget(budget) }
    guard step >= 1 else { throw .step(step) }
    for (layer, load) in loads.enumerated() where load.bytesPerNeuron < 1 {
      throw .bytesPerNeuron(layer: layer, load.bytesPerNeuron)
    }
    let curves = loads.map { LayerCurve($0, cost: cost, step: step) }
    let counts = Self.counts(curves, budget: budget)
    layers = zip(curves, counts).map { $0.layer(steps: $1) }
  }

  /// Steps of each layer, those first that save most per byte.
  private static func counts(_ curves: [LayerCurve], budget: Int) -> [Int] {
    struct Step {
      var value: Double  // seconds per byte
      var layer: Int
      var index: Int
      var bytes: Int
    }
    var steps: [Step] = []
    for (layer, curve) in curves.enumerated() {
      // Rounding must not let a step come before the one that it follows.
      var least = Double.infinity
      for index in curve.steps.indices.dropLast() {
        let gain = curve.seconds(steps: index) - curve.seconds(steps: index + 1)
        guard gain > 0 else { break }
        let bytes = curve.bytes(steps: index + 1) - curve.bytes(steps: index)
        least = min(least, gain / Double(bytes))
        steps.append(Step(value: least, layer: layer, index: index, bytes: bytes))
      }
    }
    steps.sort { ($1.value, $0.layer, $0.index) < ($0.value, $1.layer, $1.index) }
    var counts = [Int](repeating: 0, count: curves.count)
    var isFull = [Bool](repeating: false, count: curves.count)
    var left = budget
    for step in steps where !isFull[step.layer] {
      if step.bytes <= left {
        left -= step.bytes
        counts[step.layer] += 1
      } else {
        // Smaller steps of other layers may still fit.
        isFull[step.layer] = true
      }
    }
    return counts
  }
}

/// What a layer takes with none, one, two … steps of its hottest neurons on the GPU.
private struct LayerCurve {
  /// Neurons after so many steps, the sum of their frequencies, and of those that they have on the CPU.
  let steps: [(neurons: Int, active: Double, spared: Double)]
  private let order: [UInt32]
  private let bytesPerNeuron: Int
  private let cost: CostModel

  init(_ load: NeuronLoad, cost: CostModel, step: Int) {
    order = positionsByFallingFrequency(load.frequencies)
    bytesPerNeuron = load.bytesPerNeuron
    self.cost = cost
    var steps = [(neurons: 0, active: 0.0, spared: 0.0)]
    var (active, spared) = (0.0, 0.0)
    let processor = load.processorFrequencies ?? load.frequencies
    var start = 0
    while start < order.count {
      let end = step < order.count - start ? start + step : order.count
      for neuron in order[start..<end] {
        let (own, other) = (load.frequencies[Int(neuron)], processor[Int(neuron)])
        active += own > 0 ? Double(own) : 0
        spared += other > 0 ? Double(other) : 0
      }
      steps.append((end, active, spared))
      start = end
    }
    self.steps = steps
  }

  private var active: Double { steps[steps.count - 1].active }

  func bytes(steps count: Int) -> Int { steps[count].neurons * bytesPerNeuron }

  private func gpuSeconds(_ count: Int) -> Double {
    cost.gpuSeconds(steps[count].active * Double(bytesPerNeuron), neurons: steps[count].neurons)
  }

  private func cpuSeconds(_ count: Int) -> Double {
    cost.cpuSeconds((steps[steps.count - 1].spared - steps[count].spared) * Double(bytesPerNeuron))
  }

  func seconds(steps count: Int) -> Double { max(gpuSeconds(count), cpuSeconds(count)) }

  func layer(steps count: Int) -> Placement.Layer {
    Placement.Layer(
      neurons: ascending(order.prefix(steps[count].neurons)), byteCount: bytes(steps: count),
      activationShare: active > 0 ? steps[count].active / active : 0, gpuSeconds: gpuSeconds(count),
      cpuSeconds: cpuSeconds(count))
  }

  /// The same neurons, ascending, without comparing them: a list is often most of the layer.
  private func ascending(_ neurons: ArraySlice<UInt32>) -> [UInt32] {
    var isListed = [Bool](repeating: false, count: order.count)
    for neuron in neurons { isListed[Int(neuron)] = true }
    var result: [UInt32] = []
    result.reserveCapacity(neurons.count)
    for neuron in 0..<order.count where isListed[neuron] { result.append(UInt32(truncatingIfNeeded: neuron)) }
    return result
  }
}

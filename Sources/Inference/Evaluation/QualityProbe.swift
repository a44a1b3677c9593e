import PowerInferKernels
public import PowerInferModel
public import PowerInferSparsity

/// Sees, while an engine reads a text, which neurons fire and which of them its activation source would have computed.
///
/// What neurons give is looked at before any is left out, so that all figures of a layer are about the same input. A neuron's
/// sums are one worker's at a time, token after token: nothing is locked, and results are the same bits for any number of
/// threads.
// Unchecked: of a layer each neuron is one worker's until the next pass.
public final class QualityProbe: NeuronObserver, @unchecked Sendable {
  /// Neurons whose activations are worked out at once.
  private static let width = 64

  private let sources: [ActivationSource]
  private let activation: Activation
  private let neurons: Int
  private let norms: [[Float]]
  private let kernels = Kernels.active
  private let ones: UnsafeMutablePointer<Float>  // [width]

  private let tokens: UnsafeMutablePointer<Int>  // [layers]
  private let counts: UnsafeMutablePointer<Counts>  // [layers, neurons]

  private struct Counts {
    var magnitude = 0.0  // Σ |h|
    var keptMagnitude = 0.0
    var square = 0.0  // Σ h²
    var keptSquare = 0.0
    var fired: UInt32 = 0
    var listed: UInt32 = 0
    var hits: UInt32 = 0

    @inline(__always)
    mutating func add(_ hidden: Float, isListed: Bool) {
      let magnitude = Double(abs(hidden))
      let (fires, lists): (UInt32, UInt32) = (hidden != 0 ? 1 : 0, isListed ? 1 : 0)
      self.magnitude += magnitude
      keptMagnitude += isListed ? magnitude : 0
      square += magnitude * magnitude
      keptSquare += isListed ? magnitude * magnitude : 0
      fired &+= fires
      listed &+= lists
      hits &+= fires & lists
    }
  }

  /// - Parameters:
  ///   - model: what the engine runs.
  ///   - sources: what each of its layers decodes with.
  ///   - norms: ``NeuronNorms/norms(of:team:)``.
  public init(model: LanguageModel, sources: [ActivationSource], norms: [[Float]]) {
    let configuration = model.configuration
    precondition(
      sources.count == configuration.layerCount && norms.count == sources.count, "there is one of each for every layer")
    self.sources = sources
    self.norms = norms
    activation = configuration.activation
    neurons = configuration.feedForwardSize
    ones = .allocate(capacity: Self.width)
    ones.initialize(repeating: 1, count: Self.width)
    tokens = .allocate(capacity: sources.count)
    tokens.initialize(repeating: 0, count: sources.count)
    counts = .allocate(capacity: sources.count * neurons)
    counts.initialize(repeating: Counts(), count: sources.count * neurons)
  }

  deinit {
    ones.deallocate()
    tokens.deallocate()
    counts.deallocate()
  }

  // MARK: Counting

  public func observe(_ view: NeuronView) {
    // One worker has the layer's first neuron.
    if view.neurons.contains(0) { tokens[view.layer] += view.tokens }
    let gate = view.gate ?? view.up
    switch sources[view.layer] {
    case .dense: count(view) { _ in true }
    case .gate: count(view) { !(gate[$0] <= 0) }
    case .predictor(let threshold):
      // An engine that predicts shows its predictions.
      guard let prediction = view.prediction else { return }
      count(view) { !(prediction[$0] < threshold) }
    case .bits(_, let threshold):
      guard let prediction = view.prediction else { return }
      if let threshold {
        count(view, gate: gate, threshold: threshold, prediction: prediction)
      } else {
        count(view) { !(prediction[$0] < 0) }
      }
    case .threshold(let threshold): count(view, gate: gate, threshold: threshold)
    }
  }

  /// Counts neurons for which `isListed` holds, of an index of the view's arrays.
  @inline(__always)
  private func count(_ view: NeuronView, isListed: (Int) -> Bool) {
    let counts = counts + view.layer * neurons
    for token in 0..<view.tokens {
      let start = token * view.stride
      for neuron in view.neurons {
        counts[neuron].add(view.hidden[start + neuron], isListed: isListed(start + neuron))
      }
    }
  }

  /// Counts neurons whose |act(gate)| reaches the threshold and, with a prediction, of which that is not below 0.
  private func count(
    _ view: NeuronView, gate: UnsafePointer<Float>, threshold: Float, prediction: UnsafePointer<Float>? = nil
  ) {
    let counts = counts + view.layer * neurons
    withUnsafeTemporaryAllocation(of: Float.self, capacity: Self.width) { buffer in
      guard let activated = buffer.baseAddress else { return }
      for token in 0..<view.tokens {
        let hidden = view.hidden + token * view.stride
        for first in stride(from: view.neurons.lowerBound, to: view.neurons.upperBound, by: Self.width) {
          let count = min(Self.width, view.neurons.upperBound - first)
          activate(gate + token * view.stride + first, into: activated, count: count)
          for index in 0..<count {
            let mayFire = prediction.map { !($0[token * view.stride + first + index] < 0) } ?? true
            counts[first + index].add(
              hidden[first + index], isListed: mayFire && !(abs(activated[index]) < threshold))
          }
        }
      }
    }
  }

  /// act(gate), by the kernels that decide for an engine too.
  private func activate(_ gate: UnsafePointer<Float>, into activated: UnsafeMutablePointer<Float>, count: Int) {
    switch activation {
    case .silu: kernels.gateSiLU(gate, up: ones, into: activated, count: count)
    case .relu: kernels.relu(gate, into: activated, count: count)
    case .gelu: kernels.gelu(gate, into: activated, count: count)
    }
  }

  // MARK: Results

  /// What was seen of each layer. Not while an engine reads.
  public var layers: [NeuronQuality] {
    sources.indices.map { layer in
      var quality = NeuronQuality()
      quality.seen = tokens[layer] * neurons
      for (neuron, norm) in norms[layer].enumerated() {
        let counts = counts[layer * neurons + neuron]
        quality.fired += Int(counts.fired)
        quality.listed += Int(counts.listed)
        quality.hits += Int(counts.hits)
        quality.contribution += counts.magnitude * Double(norm)
        quality.keptContribution += counts.keptMagnitude * Double(norm)
        quality.squaredContribution += counts.square * Double(norm) * Double(norm)
        quality.keptSquaredContribution += counts.keptSquare * Double(norm) * Double(norm)
      }
      return quality
    }
  }

  /// What was seen of all layers together. Not while an engine reads.
  public var overall: NeuronQuality { layers.reduce(NeuronQuality(), +) }
}

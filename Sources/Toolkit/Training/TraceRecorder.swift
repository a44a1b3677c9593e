import PowerInfer
import PowerInferKernels
import PowerInferModel

/// Keeps what predictors would read, and which neurons fire with what contribution, of one batch of tokens in all layers.
// Unchecked: every place of the arrays is one worker's during a pass, and they are read between passes only.
final class TraceRecorder: NeuronObserver, @unchecked Sendable {
  let shape: TraceShape
  private let batch: Int
  private let activation: Activation
  private let thresholds: [Float]?
  private let norms: [[Float]]
  private let kernels = Kernels.active

  private let inputs: UnsafeMutablePointer<UInt8>  // [layers, batch, inputBytes]
  private let codes: UnsafeMutablePointer<UInt8>  // [layers, batch, neurons]
  private let rows: UnsafeMutablePointer<Float>  // [workers, max(paddedInputs, neurons)]
  private let ones: UnsafeMutablePointer<Float>  // [neurons]
  private let damaged: UnsafeMutablePointer<Int>  // [workers]
  private let workers: Int

  /// Beyond it the scale of an 8-bit block would be infinite.
  private static let largestInput: Float = 8e6

  /// - Parameters:
  ///   - norms: of the rows of the down projection, [layers][neurons].
  ///   - thresholds: the least |act(gate)| of a neuron that counts as firing, [layers]; nil for any.
  init(configuration: ModelConfiguration, norms: [[Float]], thresholds: [Float]?, batch: Int, workers: Int) {
    shape = TraceShape(configuration)
    self.batch = batch
    self.norms = norms
    self.thresholds = thresholds
    self.workers = workers
    activation = configuration.activation
    inputs = .allocate(capacity: shape.layers * batch * shape.inputBytes)
    inputs.initialize(repeating: 0, count: shape.layers * batch * shape.inputBytes)
    codes = .allocate(capacity: shape.layers * batch * shape.neurons)
    codes.initialize(repeating: 0, count: shape.layers * batch * shape.neurons)
    let rowFloats = workers * max(shape.paddedInputs, shape.neurons)
    rows = .allocate(capacity: rowFloats)
    rows.initialize(repeating: 0, count: rowFloats)
    ones = .allocate(capacity: shape.neurons)
    ones.initialize(repeating: 1, count: shape.neurons)
    damaged = .allocate(capacity: workers)
    damaged.initialize(repeating: .max, count: workers)
  }

  deinit {
    inputs.deallocate()
    codes.deallocate()
    rows.deallocate()
    ones.deallocate()
    damaged.deallocate()
  }

  /// Bytes that a recorder takes.
  static func byteCount(_ shape: TraceShape, batch: Int) -> Int {
    shape.layers * batch * (shape.inputBytes + shape.neurons)
  }

  // MARK: Observing

  func observe(_ input: PredictorInputView) {
    let own = rows + input.worker * max(shape.paddedInputs, shape.neurons)
    (own + shape.inputs).update(repeating: 0, count: shape.paddedInputs - shape.inputs)
    for token in input.tokens {
      own.update(from: input.values + token * input.stride, count: shape.inputs)
      var largest: Float = 0
      for index in 0..<shape.inputs where !(abs(own[index]) <= largest) { largest = abs(own[index]) }
      guard largest <= Self.largestInput else {
        note(input.layer, input.worker)
        continue
      }
      kernels.quantize(
        .q8_0, own, count: shape.paddedInputs, into: inputs + (input.layer * batch + token) * shape.inputBytes)
    }
  }

  func observe(_ view: NeuronView) {
    let norms = norms[view.layer]
    let (first, count) = (view.neurons.lowerBound, view.neurons.count)
    let own = rows + view.worker * max(shape.paddedInputs, shape.neurons)
    var isDamaged = false
    norms.withUnsafeBufferPointer { norms in
      for token in 0..<view.tokens {
        let hidden = view.hidden + token * view.stride + first
        let codes = codes + (view.layer * batch + token) * shape.neurons + first
        let threshold = thresholds?[view.layer]
        if threshold != nil { writeMagnitudes(view, token: token, into: own) }
        for index in 0..<count {
          let value = abs(hidden[index])
          let contribution = value * norms[first + index]
          isDamaged = isDamaged || !contribution.isFinite
          let fires = value > 0 && threshold.map { own[index] >= $0 } ?? true
          // What fires without any weight still counts as firing.
          codes[index] = fires ? ContributionCode.code(contribution) : 0
        }
      }
    }
    if isDamaged { note(view.layer, view.worker) }
  }

  private func note(_ layer: Int, _ worker: Int) { damaged[worker] = min(damaged[worker], layer) }

  /// |act(gate · x)|, or |h| where neurons have no gate.
  private func writeMagnitudes(_ view: NeuronView, token: Int, into magnitudes: UnsafeMutablePointer<Float>) {
    let (start, count) = (token * view.stride + view.neurons.lowerBound, view.neurons.count)
    if let gate = view.gate {
      switch activation {
      case .relu: kernels.relu(gate + start, into: magnitudes, count: count)
      case .gelu: kernels.gelu(gate + start, into: magnitudes, count: count)
      case .silu: kernels.gateSiLU(gate + start, up: ones, into: magnitudes, count: count)
      }
    } else {
      magnitudes.update(from: view.hidden + start, count: count)
    }
    for index in 0..<count { magnitudes[index] = abs(magnitudes[index]) }
  }

  // MARK: Results

  /// The first layer that had a value that is no use; nil if none had.
  var damagedLayer: Int? {
    let layer = (0..<workers).reduce(Int.max) { min($0, damaged[$1]) }
    return layer == .max ? nil : layer
  }

  /// Writes the record of a token of the last batch; returns its bytes, at most `TraceShape.largestRecord`.
  func writeRecord(layer: Int, token: Int, to record: UnsafeMutablePointer<UInt8>) -> Int {
    let place = layer * batch + token
    record.update(from: inputs + place * shape.inputBytes, count: shape.inputBytes)
    let bits = record + shape.inputBytes
    bits.update(repeating: 0, count: shape.bitBytes)
    let codes = codes + place * shape.neurons
    var end = shape.inputBytes + shape.bitBytes
    for neuron in 0..<shape.neurons where codes[neuron] != 0 {
      bits[neuron >> 3] |= 1 << UInt8(neuron & 7)
      record[end] = codes[neuron]
      end += 1
    }
    return end
  }
}

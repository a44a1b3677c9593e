import Foundation
import PowerInferKernels
import PowerInferModel
import PowerInferTestKit

/// A model's weights as numbers, whatever the file stores them as.
struct ReferenceWeights {
  let tokenEmbedding: [[Double]]  // [V][d]
  let positionEmbedding: [[Double]]?  // [offset + positions][d]
  let layers: [ReferenceLayer]
  let outputNorm: ReferenceNorm
  let output: ReferenceMatrix  // [V][d]

  init(_ model: LanguageModel) {
    let (weights, c) = (model.weights, model.configuration)
    let table = ReferenceMatrix(weights.tokenEmbedding)
    tokenEmbedding = table.rows
    positionEmbedding = weights.positionEmbedding.map { ReferenceMatrix($0).rows }
    layers = weights.layers.map { ReferenceLayer($0, c) }
    outputNorm = ReferenceNorm(weights.outputNorm, c)
    output = weights.isOutputTied ? table : ReferenceMatrix(weights.output)
  }

  /// Bytes of all matrices.
  var byteCount: Int {
    let matrices = layers.flatMap { layer in
      [layer.query, layer.key, layer.value, layer.attentionOutput].map(\.matrix)
        + [layer.gate, layer.up, ReferenceMatrix(rows: layer.down), layer.predictor?.fc1, layer.predictor?.fc2]
        .compactMap { $0 }
    }
    let rows = matrices.flatMap(\.rows) + tokenEmbedding + (positionEmbedding ?? []) + output.rows
    return rows.reduce(0) { $0 + $1.count } * MemoryLayout<Double>.stride
  }
}

struct ReferenceLayer {
  let attentionNorm: ReferenceNorm
  let query, key, value, attentionOutput: ReferenceProjection
  let feedForwardNorm: ReferenceNorm?
  let gate: ReferenceMatrix?  // [f][d]
  let up: ReferenceMatrix  // [f][d]
  let gateBias: [Double]?  // [f]
  let upBias: [Double]?  // [f]
  let down: [[Double]]  // [f][d], a row per neuron in either layout
  let downBias: [Double]?  // [d]
  let predictor: (fc1: ReferenceMatrix, fc2: ReferenceMatrix)?  // [rank][d], [f][rank]

  init(_ layer: LayerWeights, _ c: ModelConfiguration) {
    attentionNorm = ReferenceNorm(layer.attentionNorm, c)
    query = ReferenceProjection(layer.query, layer.queryBias)
    key = ReferenceProjection(layer.key, layer.keyBias)
    value = ReferenceProjection(layer.value, layer.valueBias)
    attentionOutput = ReferenceProjection(layer.attentionOutput, layer.attentionOutputBias)
    feedForwardNorm = layer.feedForwardNorm.map { ReferenceNorm($0, c) }
    gate = layer.gate.map { ReferenceMatrix($0) }
    up = ReferenceMatrix(layer.up)
    gateBias = layer.gateBias.map(numbers)
    upBias = layer.upBias.map(numbers)
    switch layer.down {
    case .neurons(let down): self.down = ReferenceMatrix(down).rows
    case .rows(let down):
      let rows = ReferenceMatrix(down).rows
      self.down = (0..<c.feedForwardSize).map { neuron in rows.map { $0[neuron] } }
    }
    downBias = layer.downBias.map(numbers)
    predictor = layer.predictor.map { (ReferenceMatrix($0.fc1), ReferenceMatrix($0.fc2)) }
  }
}

/// A matrix with a row per output.
struct ReferenceMatrix {
  let rows: [[Double]]

  init(rows: [[Double]]) { self.rows = rows }

  init(_ matrix: Matrix) {
    rows = (0..<matrix.rows).map { row in
      let bytes = UnsafeRawBufferPointer(start: matrix.row(row), count: matrix.rowBytes)
      return stride(from: 0, to: bytes.count, by: matrix.format.blockBytes).flatMap { start in
        ReferenceBlock(bytes: UnsafeRawBufferPointer(rebasing: bytes[start..<start + matrix.format.blockBytes]))
          .elements(matrix.format)
      }
    }
  }

  func multiplied(by x: [Double]) -> [Double] { rows.map { dot($0, x) } }
}

/// A matrix with a bias, if it has one.
struct ReferenceProjection {
  let matrix: ReferenceMatrix
  let bias: [Double]?

  init(_ matrix: Matrix, _ bias: Vector?) {
    self.matrix = ReferenceMatrix(matrix)
    self.bias = bias.map(numbers)
  }

  func applied(to x: [Double]) -> [Double] {
    let product = matrix.multiplied(by: x)
    return bias.map { sum(product, $0) } ?? product
  }
}

/// RMS norm where there is no bias, layer norm where there is one.
struct ReferenceNorm {
  let gain: [Double]
  let bias: [Double]?
  let epsilon: Double

  init(_ weights: NormWeights, _ c: ModelConfiguration) {
    gain = numbers(weights.gain)
    bias = weights.bias.map(numbers)
    epsilon = Double(c.normEpsilon)
  }

  func applied(to x: [Double]) -> [Double] {
    let mean = bias == nil ? 0 : x.reduce(0, +) / Double(x.count)
    let variance = x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(x.count)
    let scale = 1 / (variance + epsilon).squareRoot()
    return x.indices.map { (x[$0] - mean) * scale * gain[$0] + (bias?[$0] ?? 0) }
  }
}

private func numbers(_ vector: Vector) -> [Double] { (0..<vector.count).map { Double(vector.values[$0]) } }

// MARK: Arithmetic

/// Σ a[i] · b[start + i]
func dot(_ a: [Double], _ b: [Double], from start: Int = 0) -> Double {
  var (result, index) = (0.0, 0)
  while index < a.count {
    result += a[index] * b[start + index]
    index += 1
  }
  return result
}

/// a[i] += factor · b[start + i]
func add(_ factor: Double, _ b: [Double], from start: Int = 0, to a: inout [Double]) {
  var index = 0
  while index < a.count {
    a[index] += factor * b[start + index]
    index += 1
  }
}

func sum(_ a: [Double], _ b: [Double]) -> [Double] { zip(a, b).map { $0 + $1 } }

func softmax(_ scores: [Double]) -> [Double] {
  let most = scores.max() ?? 0
  let powers = scores.map { exp($0 - most) }
  let total = powers.reduce(0, +)
  return powers.map { $0 / total }
}

func activate(_ x: Double, _ activation: Activation) -> Double {
  switch activation {
  case .silu: x / (1 + exp(-x))
  case .relu: max(x, 0)
  case .gelu: x * (1 + erf(x / 2.0.squareRoot())) / 2
  }
}

func turn(_ angle: Double, magnitude: Double) -> (cosine: Double, sine: Double) {
  (cos(angle) * magnitude, sin(angle) * magnitude)
}

func roundedToHalf(_ x: Double) -> Double { Double(HalfPrecision.float(HalfPrecision.bits(Float(x)))) }

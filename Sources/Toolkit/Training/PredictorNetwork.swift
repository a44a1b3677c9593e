import PowerInfer
import PowerInferKernels
import PowerInferModel

/// A matrix that is learnt: its values, what Adam remembers of each, and the values as they are when stored.
final class LearntMatrix {
  let rows: Int
  let columns: Int
  let format: WeightFormat
  let values: FloatBuffer  // [rows, columns]
  let means: FloatBuffer  // [rows, columns], of gradients
  let squares: FloatBuffer  // [rows, columns], of gradients
  /// The values rounded to the format: what products read.
  let rounded: FloatBuffer  // [rows, columns]

  init(rows: Int, columns: Int, format: WeightFormat) {
    self.rows = rows
    self.columns = columns
    self.format = format
    values = FloatBuffer(rows * columns)
    means = FloatBuffer(rows * columns)
    squares = FloatBuffer(rows * columns)
    rounded = FloatBuffer(rows * columns)
  }

  var rowBytes: Int { format.rowBytes(columns: columns) }

  /// The values as they are stored, [rows, rowBytes].
  func encoded() -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: rows * rowBytes)
    bytes.withUnsafeMutableBytes { buffer in
      guard let start = buffer.baseAddress else { return }
      for row in 0..<rows {
        Kernels.active.quantize(format, values.start + row * columns, count: columns, into: start + row * rowBytes)
      }
    }
    return bytes
  }

  /// Brings ``rounded`` up to date.
  func round() {
    withUnsafeTemporaryAllocation(byteCount: rowBytes, alignment: 64) { bytes in
      guard let scratch = bytes.baseAddress else { return }
      for row in 0..<rows {
        Kernels.active.quantize(format, values.start + row * columns, count: columns, into: scratch)
        Kernels.active.dequantize(format, scratch, count: columns, into: rounded.start + row * columns)
      }
    }
  }

  /// The same with only some of its rows and columns, and Adam's memory of them.
  func picking(rows picked: [Int]? = nil, columns kept: [Int]? = nil) -> LearntMatrix {
    let (picked, kept) = (picked ?? Array(0..<rows), kept ?? Array(0..<columns))
    let result = LearntMatrix(rows: picked.count, columns: kept.count, format: format)
    for (to, from) in [(result.values, values), (result.means, means), (result.squares, squares)] {
      for (row, old) in picked.enumerated() {
        for (column, source) in kept.enumerated() {
          to.start[row * kept.count + column] = from.start[old * columns + source]
        }
      }
    }
    return result
  }

  /// The same with rows or columns of zeros after those it has.
  func growing(rows more: Int = 0, columns wider: Int = 0) -> LearntMatrix {
    let result = LearntMatrix(rows: rows + more, columns: columns + wider, format: format)
    for (to, from) in [(result.values, values), (result.means, means), (result.squares, squares)] {
      for row in 0..<rows {
        (to.start + row * result.columns).update(from: from.start + row * columns, count: columns)
      }
    }
    return result
  }
}

/// The predictor of a layer while it is learnt: which neurons fire is where fc2 · relu(fc1 · p) is not below 0.
struct PredictorNetwork {
  /// [rank, d]
  var fc1: LearntMatrix
  /// [f, rank]
  var fc2: LearntMatrix

  var rank: Int { fc1.rows }
  var inputs: Int { fc1.columns }
  var neurons: Int { fc2.rows }
  /// Bytes that both take in a file.
  var byteCount: Int { Self.byteCount(rank: rank, fc1: fc1, fc2: fc2) }

  /// Bytes that a predictor of the same types and another rank takes.
  func byteCount(rank: Int) -> Int { Self.byteCount(rank: rank, fc1: fc1, fc2: fc2) }

  private static func byteCount(rank: Int, fc1: LearntMatrix, fc2: LearntMatrix) -> Int {
    rank * fc1.rowBytes + fc2.rows * fc2.format.rowBytes(columns: rank)
  }

  /// Random weights, such that what inputs of the given scales give is about 1.
  init(inputScales: [Float], neurons: Int, rank: Int, type: PredictorType, random: inout SplitMix64) {
    let inputs = inputScales.count
    fc1 = LearntMatrix(rows: rank, columns: inputs, format: type.format(columns: inputs))
    fc2 = LearntMatrix(rows: neurons, columns: rank, format: type.format(columns: rank))
    fill(rows: 0..<rank, inputScales: inputScales, random: &random)
    let scale = (3 / Float(rank)).squareRoot()
    for index in 0..<neurons * rank { fc2.values.start[index] = Self.uniform(&random) * scale }
    round()
  }

  /// A network of these matrices.
  init(fc1: LearntMatrix, fc2: LearntMatrix) {
    self.fc1 = fc1
    self.fc2 = fc2
    round()
  }

  /// The predictor that a model has, as it is trained on: with Adam remembering nothing.
  init(_ weights: PredictorWeights, type: PredictorType) {
    fc1 = LearntMatrix(
      rows: weights.fc1.rows, columns: weights.fc1.columns, format: type.format(columns: weights.fc1.columns))
    fc2 = LearntMatrix(
      rows: weights.fc2.rows, columns: weights.fc2.columns, format: type.format(columns: weights.fc2.columns))
    for (matrix, source) in [(fc1, weights.fc1), (fc2, weights.fc2)] {
      for row in 0..<matrix.rows {
        Kernels.active.dequantize(source, row: row, into: matrix.values.start + row * matrix.columns)
      }
    }
    round()
  }

  /// What was saved as ``blocks``; nil where lengths do not fit.
  init?(blocks: [UnsafeRawBufferPointer], inputs: Int, neurons: Int, type: PredictorType) {
    guard blocks.count == 6 else { return nil }
    let rank = blocks[0].count / (MemoryLayout<Float>.stride * inputs)
    guard rank > 0 else { return nil }
    fc1 = LearntMatrix(rows: rank, columns: inputs, format: type.format(columns: inputs))
    fc2 = LearntMatrix(rows: neurons, columns: rank, format: type.format(columns: rank))
    for (buffer, block) in zip(buffers, blocks) {
      guard block.count == buffer.bytes.count, let source = block.baseAddress else { return nil }
      UnsafeMutableRawPointer(buffer.start).copyMemory(from: source, byteCount: block.count)
    }
    round()
  }

  private var buffers: [FloatBuffer] { [fc1, fc2].flatMap { [$0.values, $0.means, $0.squares] } }

  /// All that is learnt, to be saved; valid while the network lives.
  var blocks: [UnsafeRawBufferPointer] { buffers.map(\.bytes) }

  /// With Adam remembering nothing.
  func forgetting() -> PredictorNetwork {
    let result = copy()
    for matrix in [result.fc1, result.fc2] {
      for buffer in [matrix.means, matrix.squares] { buffer.start.update(repeating: 0, count: buffer.count) }
    }
    return result
  }

  func round() {
    fc1.round()
    fc2.round()
  }

  /// What is looked for in the input by each unit of some rows: at random, every input counting alike.
  private func fill(rows: Range<Int>, inputScales: [Float], random: inout SplitMix64) {
    let scale = (3 / Float(inputs)).squareRoot()
    for row in rows {
      for column in 0..<inputs {
        fc1.values.start[row * inputs + column] = Self.uniform(&random) * scale * Self.rate(inputScales[column])
      }
    }
  }

  /// 1 / scale, within what keeps training stable for inputs that are hardly ever there.
  static func rate(_ scale: Float) -> Float { 1 / min(max(scale, 0.05), 20) }

  /// With more units, which change no prediction yet.
  func grown(to rank: Int, inputScales: [Float], random: inout SplitMix64) -> PredictorNetwork {
    let more = rank - self.rank
    let result = PredictorNetwork(fc1: fc1.growing(rows: more), fc2: fc2.growing(columns: more))
    result.fill(rows: self.rank..<rank, inputScales: inputScales, random: &random)
    result.round()
    return result
  }

  /// With only the units that matter most.
  ///
  /// - Parameter activity: mean of each unit's output, [rank].
  func trimmed(to rank: Int, activity: [Double]) -> PredictorNetwork {
    let importance = (0..<self.rank).map { unit in
      var squares = 0.0
      for neuron in 0..<neurons {
        let weight = Double(fc2.values.start[neuron * self.rank + unit])
        squares += weight * weight
      }
      return squares.squareRoot() * activity[unit]
    }
    let order = importance.indices.sorted { (importance[$1], $0) < (importance[$0], $1) }
    let kept = order.prefix(rank).sorted()
    return PredictorNetwork(fc1: fc1.picking(rows: kept), fc2: fc2.picking(columns: kept))
  }

  /// The same numbers in memory of their own.
  func copy() -> PredictorNetwork {
    PredictorNetwork(fc1: fc1.picking(), fc2: fc2.picking())
  }

  /// -1 ..< 1
  private static func uniform(_ random: inout SplitMix64) -> Float { Float(random.nextFraction() * 2 - 1) }
}

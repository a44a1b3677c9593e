public import PowerInferKernels
import PowerInferModel
import PowerInferPlatform

/// The predictor of a layer as it is computed: which neurons are asked about, and the matrices, kept in 4 or 8 bits.
// Unchecked: nothing writes to the copies once they are made.
public final class NeuronPredictor: @unchecked Sendable {
  public let fc1: Matrix  // [d, rank]
  public let fc2: Matrix  // [rank, asked], one row per neuron that is asked about
  /// Neurons that are asked about, ascending; `nil` for all of them.
  public let asked: UnsafeBufferPointer<UInt32>?
  /// Neurons that fire so often that they are computed without asking, ascending.
  public let hot: UnsafeBufferPointer<UInt32>

  /// Bytes of matrices that are not the file's own.
  let copiedBytes: Int
  private let copies: [UnsafeMutableRawPointer]
  private let numbers: UnsafeMutablePointer<UInt32>

  /// Width of the hidden layer.
  public var rank: Int { fc1.rows }
  /// Number of neurons that are asked about.
  public var askedCount: Int { fc2.rows }

  /// - Parameters:
  ///   - weights: as in the file, which must outlive the predictor where its own form is kept.
  ///   - hot: neurons to compute without asking, ascending.
  ///   - format: how to keep the matrices.
  ///   - team: what converts them.
  init(_ weights: PredictorWeights, hot: [UInt32], format: PredictorFormat, team: ThreadTeam) {
    let neurons = weights.fc2.rows
    numbers = .allocate(capacity: max(neurons, 1))
    self.hot = UnsafeBufferPointer(start: numbers, count: hot.count)
    for (index, neuron) in hot.enumerated() { numbers[index] = neuron }
    var copies: [UnsafeMutableRawPointer] = []

    if hot.isEmpty {
      asked = nil
    } else {
      let cold = Set(0..<UInt32(clamping: neurons)).subtracting(hot).sorted()
      let start = numbers + hot.count
      for (index, neuron) in cold.enumerated() { start[index] = neuron }
      asked = UnsafeBufferPointer(start: start, count: cold.count)
    }
    fc1 = Self.kept(weights.fc1, rows: nil, format, team, &copies)
    fc2 = Self.kept(weights.fc2, rows: asked, format, team, &copies)
    self.copies = copies
    let made = Set(copies.map { UnsafeRawPointer($0) })
    copiedBytes = [fc1, fc2].reduce(0) { $0 + (made.contains($1.data) ? $1.rows * $1.rowBytes : 0) }
  }

  deinit {
    for copy in copies { copy.deallocate() }
    numbers.deallocate()
  }

  /// Bytes that the copies of a predictor take at most.
  static func byteBound(_ weights: PredictorWeights) -> Int {
    [weights.fc1, weights.fc2].reduce(0) { $0 + $1.rows * $1.rowBytes }
  }

  /// What the matrix is kept as.
  static func format(of matrix: Matrix, _ wanted: PredictorFormat) -> WeightFormat {
    let fits = matrix.columns % WeightFormat.q8_0.blockElements == 0
    return switch wanted {
    case .file: matrix.format
    case .automatic: fits && !matrix.format.usesQuantizedActivations ? .q8_0 : matrix.format
    case .q8_0: fits ? .q8_0 : matrix.format
    case .q4_0: fits ? .q4_0 : matrix.format
    }
  }

  /// The rows (`nil`: all) of a matrix in the format that is wanted: the file's own pages where nothing changes.
  private static func kept(
    _ matrix: Matrix, rows: UnsafeBufferPointer<UInt32>?, _ wanted: PredictorFormat, _ team: ThreadTeam,
    _ copies: inout [UnsafeMutableRawPointer]
  ) -> Matrix {
    let format = format(of: matrix, wanted)
    if format == matrix.format, rows == nil { return matrix }
    let (count, rowBytes) = (rows?.count ?? matrix.rows, format.rowBytes(columns: matrix.columns))
    // Vector loops may look a little past the last row.
    let copy = UnsafeMutableRawPointer.allocate(byteCount: count * rowBytes + 64, alignment: 64)
    copies.append(copy)
    // Every member writes rows of its own.
    let shared = Unguarded((copy: copy, rows: rows))
    team.run { member in
      let (copy, rows) = shared.value
      let floats = UnsafeMutablePointer<Float>.allocate(capacity: matrix.columns)
      defer { floats.deallocate() }
      for row in member.share(of: count) {
        let (number, target) = (rows.map { Int($0[row]) } ?? row, copy + row * rowBytes)
        if format == matrix.format {
          matrix.copyBlocks(ofRow: number, into: target)
        } else {
          Kernels.active.dequantize(matrix, row: number, into: floats)
          Kernels.active.quantize(format, floats, count: matrix.columns, into: target)
        }
        if format.hasPlanes {
          format.makePlanes(UnsafeMutableRawBufferPointer(start: target, count: rowBytes), columns: matrix.columns)
        }
      }
    }
    return Matrix(
      format: format, rows: count, columns: matrix.columns, data: copy, layout: format.hasPlanes ? .planes : .blocks)
  }
}

import PowerInfer
import PowerInferKernels
import PowerInferModel

/// Sums, for some layers, the second moments Σ x·xᵀ of what goes into their matrices: the upper triangles.
///
/// The output matrix counts as a layer behind the last.
///
/// Each row is summed by one worker, batch after batch: the same bits for any number of threads.
// Unchecked: of a matrix each row is one worker's; the first worker counts tokens.
final class MomentRecorder: ActivationObserver, @unchecked Sendable {
  let layers: Range<Int>
  private let configuration: ModelConfiguration
  private let kernels = Kernels.active
  private let offsets: [MatrixInput: Int]  // within a layer
  private let layerFloats: Int
  private let moments: UnsafeMutablePointer<Float>
  private let tokens: UnsafeMutablePointer<Int>  // [layers]

  /// Rows that a worker takes at once: shares differ, for rows of an upper triangle are of every length.
  private static let pieceRows = 48

  init(configuration c: ModelConfiguration, layers: Range<Int>) {
    configuration = c
    self.layers = layers
    var offsets: [MatrixInput: Int] = [:]
    var next = 0
    for input in MatrixInput.allCases where input != .output {
      offsets[input] = next
      next += c.columns(of: input) * c.columns(of: input)
    }
    offsets[.output] = 0
    self.offsets = offsets
    layerFloats = next
    moments = .allocate(capacity: layers.count * next)
    moments.initialize(repeating: 0, count: layers.count * next)
    tokens = .allocate(capacity: layers.count)
    tokens.initialize(repeating: 0, count: layers.count)
  }

  deinit {
    moments.deallocate()
    tokens.deallocate()
  }

  /// Bytes that a layer takes.
  static func layerBytes(configuration c: ModelConfiguration) -> Int {
    MatrixInput.allCases.reduce(0) { $0 + ($1 == .output ? 0 : c.columns(of: $1) * c.columns(of: $1)) }
      * MemoryLayout<Float>.stride
  }

  func observe(_ view: ActivationView) {
    guard layers.contains(view.layer), let offset = offsets[view.input] else { return }
    let layer = view.layer - layers.lowerBound
    if view.worker == 0, view.input == .attention { tokens[layer] += view.tokens }
    let target = moments + layer * layerFloats + offset
    let pieces = (view.columns + Self.pieceRows - 1) / Self.pieceRows
    for piece in stride(from: view.worker, to: pieces, by: view.workers) {
      let rows = piece * Self.pieceRows..<min(view.columns, (piece + 1) * Self.pieceRows)
      kernels.accumulateGram(
        view.values, stride: view.columns, tokens: view.tokens, columns: view.columns, rows: rows, into: target)
    }
  }

  /// Σ x·xᵀ, [columns, columns], of which what stands below the diagonal is nothing; valid while the recorder lives.
  func moments(layer: Int, input: MatrixInput) -> UnsafePointer<Float>? {
    guard layers.contains(layer), let offset = offsets[input] else { return nil }
    return UnsafePointer(moments + (layer - layers.lowerBound) * layerFloats + offset)
  }
}

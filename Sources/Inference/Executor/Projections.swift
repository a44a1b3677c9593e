import PowerInferKernels
import PowerInferModel

/// The products with weights that attention and feed-forward have in common.
struct Projections {
  let kernels: Kernels

  /// `input`, whose values everyone wrote, ready for products with `matrix`: `form` holds the 8-bit form of a row alone.
  func prepared(
    _ input: Activations, for matrix: Matrix, form: Activations, rows: RowGroup, _ worker: Worker
  ) -> Activations {
    guard matrix.format.usesQuantizedActivations else { return input }
    worker.each(rows) { form.quantize(from: input.row($0), token: $0, using: kernels) }
    return form
  }

  /// output = matrix · input + bias, these rows of it for all rows of the batch.
  func project(
    _ matrix: Matrix, _ outputs: Range<Int>, bias: Vector?, of input: Activations, tokens: Range<Int>,
    into output: UnsafeMutablePointer<Float>
  ) {
    kernels.multiply(matrix, rows: outputs, by: input, tokens: tokens, into: output, stride: matrix.rows)
    guard let bias else { return }
    for t in tokens {
      kernels.add(
        bias.values + outputs.lowerBound, to: output + t * matrix.rows + outputs.lowerBound, count: outputs.count)
    }
  }

  /// The same for all outputs, divided among the workers.
  func project(
    _ matrix: Matrix, bias: Vector?, of input: Activations, tokens: Range<Int>,
    into output: UnsafeMutablePointer<Float>, _ worker: Worker
  ) {
    let pieces = RowPieces(matrix, tokens: tokens.count)
    worker.pieces(pieces.count) {
      project(matrix, pieces[$0].rows, bias: bias, of: input, tokens: tokens, into: output)
    }
  }
}

import PowerInferKernels
import PowerInferModel

/// The products with weights that attention and feed-forward have in common.
struct Projections {
  let kernels: Kernels
  let work: Workspace
  let clock: StageClock

  /// `input`, whose values everyone wrote, ready for products with `matrix`: the 8-bit form is this worker's own for one token.
  func prepared(
    _ input: Activations, for matrix: Matrix, own: Activations, count: Int, _ member: Member
  ) -> Activations {
    guard matrix.format.usesQuantizedActivations else { return input }
    if count == 1 {
      own.quantize(from: input.values, using: kernels)
      return own
    }
    member.pieces(count) { input.quantize(tokens: $0..<$0 + 1, using: kernels) }
    clock.sync(member)
    return input
  }

  /// output = matrix · input + bias, these rows of it.
  func project(
    _ matrix: Matrix, _ rows: Range<Int>, bias: Vector?, of input: Activations, count: Int,
    into output: UnsafeMutablePointer<Float>
  ) {
    kernels.multiply(matrix, rows: rows, by: input, tokens: 0..<count, into: output, stride: matrix.rows)
    guard let bias else { return }
    for t in 0..<count {
      kernels.add(bias.values + rows.lowerBound, to: output + t * matrix.rows + rows.lowerBound, count: rows.count)
    }
  }

  /// residual += matrix · input + bias.
  func addToResidual(
    _ matrix: Matrix, bias: Vector?, of input: Activations, count: Int, _ member: Member
  ) {
    let pieces = RowPieces(matrix, tokens: count)
    member.pieces(pieces.count) { piece in
      let rows = pieces[piece].rows
      project(matrix, rows, bias: bias, of: input, count: count, into: work.projected)
      for t in 0..<count {
        let start = t * matrix.rows + rows.lowerBound
        kernels.add(work.projected + start, to: work.residual + start, count: rows.count)
      }
    }
  }
}

import CPowerInferKernels

/// A view of weights [rows, columns], one contiguous row per output, in one ``WeightFormat``.
///
/// The bytes belong to someone else (a mapped file, usually) and must outlive the view.
// Unchecked: the view only reads, and who makes one of memory that is still written sees to the order of things.
public struct Matrix: @unchecked Sendable {
  public let format: WeightFormat  // of every element
  public let rows: Int  // outputs, or neurons
  public let columns: Int  // inputs; a multiple of the format's block
  public let data: UnsafeRawPointer  // [rows, columns]
  public let rowBytes: Int  // distance between rows
  public let layout: RowLayout  // of every row

  /// - Parameters:
  ///   - format: how elements are stored.
  ///   - rows: outputs, or neurons.
  ///   - columns: inputs; a multiple of the format's block.
  ///   - data: the first row; must outlive the matrix.
  ///   - rowBytes: distance between rows; rows follow one another where it is left out.
  ///   - layout: of every row; planes only where the format has them.
  public init(
    format: WeightFormat, rows: Int, columns: Int, data: UnsafeRawPointer, rowBytes: Int? = nil,
    layout: RowLayout = .blocks
  ) {
    precondition(columns % format.blockElements == 0, "a row holds whole blocks")
    precondition(layout == .blocks || format.hasPlanes, "the format has planes")
    self.format = format
    self.rows = rows
    self.columns = columns
    self.data = data
    self.rowBytes = rowBytes ?? format.rowBytes(columns: columns)
    self.layout = layout
  }

  /// The bytes of row `index`, in the matrix's ``layout``.
  public func row(_ index: Int) -> UnsafeRawPointer {
    data + index * rowBytes
  }

  /// A view of some of the rows: one of several matrices that a file stores as one.
  public func rows(_ range: Range<Int>) -> Matrix {
    precondition(range.lowerBound >= 0 && range.upperBound <= rows, "the rows are the matrix's own")
    return Matrix(
      format: format, rows: range.count, columns: columns, data: row(range.lowerBound), rowBytes: rowBytes,
      layout: layout)
  }

  var view: pi_matrix {
    let planar = layout == .planes ? UInt32(PI_PLANAR) : 0
    return pi_matrix(
      data: data, row_bytes: rowBytes, columns: columns, format: format.rawValue | planar, tile: 0, ahead: 0, cache: 0)
  }
}

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

  /// - Parameters:
  ///   - format: how elements are stored.
  ///   - rows: outputs, or neurons.
  ///   - columns: inputs; a multiple of the format's block.
  ///   - data: the first row; must outlive the matrix.
  ///   - rowBytes: distance between rows; rows follow one another where it is left out.
  public init(
    format: WeightFormat, rows: Int, columns: Int, data: UnsafeRawPointer, rowBytes: Int? = nil
  ) {
    precondition(columns % format.blockElements == 0, "a row holds whole blocks")
    self.format = format
    self.rows = rows
    self.columns = columns
    self.data = data
    self.rowBytes = rowBytes ?? format.rowBytes(columns: columns)
  }

  /// The bytes of row `index`.
  public func row(_ index: Int) -> UnsafeRawPointer {
    data + index * rowBytes
  }

  /// A view of some of the rows: one of several matrices that a file stores as one.
  public func rows(_ range: Range<Int>) -> Matrix {
    precondition(range.lowerBound >= 0 && range.upperBound <= rows, "the rows are the matrix's own")
    return Matrix(format: format, rows: range.count, columns: columns, data: row(range.lowerBound), rowBytes: rowBytes)
  }

  var view: pi_matrix {
    pi_matrix(data: data, row_bytes: rowBytes, columns: columns, format: format.rawValue)
  }
}

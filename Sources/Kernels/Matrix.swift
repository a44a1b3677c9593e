import CPowerInferKernels

/// A view of weights [rows, columns], one row per output, in one ``WeightFormat``. Rows are contiguous but in ``RowLayout/stripes``.
///
/// The bytes belong to someone else (a mapped file, usually) and must outlive the view.
// Unchecked: the view only reads, and who makes one of memory that is still written sees to the order of things.
public struct Matrix: @unchecked Sendable {
  public let format: WeightFormat  // of every element
  public let rows: Int  // outputs, or neurons
  public let columns: Int  // inputs; a multiple of the format's block
  public let data: UnsafeRawPointer  // [rows, columns]; of a view, the stripe with its first row
  public let rowBytes: Int  // distance between rows; in stripes, a row's share
  public let layout: RowLayout  // of every row
  /// Rows of the first stripe that come before the matrix's own; 0 but in views of matrices in ``RowLayout/stripes``.
  let firstRow: Int

  /// - Parameters:
  ///   - format: how elements are stored.
  ///   - rows: outputs, or neurons.
  ///   - columns: inputs; a multiple of the format's block.
  ///   - data: the first row; must outlive the matrix.
  ///   - rowBytes: distance between rows; rows follow one another where it is left out.
  ///   - layout: of every row; planes and stripes only where the format has planes, stripes only where rows follow one another and
  ///     fill whole ones.
  public init(
    format: WeightFormat, rows: Int, columns: Int, data: UnsafeRawPointer, rowBytes: Int? = nil,
    layout: RowLayout = .blocks
  ) {
    precondition(columns % format.blockElements == 0, "a row holds whole blocks")
    precondition(layout == .blocks || format.hasPlanes, "the format has planes")
    precondition(
      layout != .stripes || rows % WeightFormat.stripeRows == 0 && rowBytes == nil,
      "stripes are whole and follow one another")
    self.init(
      format: format, rows: rows, columns: columns, data: data,
      rowBytes: rowBytes ?? format.rowBytes(columns: columns), layout: layout, firstRow: 0)
  }

  private init(
    format: WeightFormat, rows: Int, columns: Int, data: UnsafeRawPointer, rowBytes: Int, layout: RowLayout,
    firstRow: Int
  ) {
    self.format = format
    self.rows = rows
    self.columns = columns
    self.data = data
    self.rowBytes = rowBytes
    self.layout = layout
    self.firstRow = firstRow
  }

  /// The bytes of row `index`, in the matrix's ``layout``, which must not be ``RowLayout/stripes``.
  public func row(_ index: Int) -> UnsafeRawPointer {
    precondition(layout != .stripes, "a row in a stripe has no bytes of its own")
    return data + index * rowBytes
  }

  /// A view of some of the rows: one of several matrices that a file stores as one.
  public func rows(_ range: Range<Int>) -> Matrix {
    precondition(range.lowerBound >= 0 && range.upperBound <= rows, "the rows are the matrix's own")
    let first = firstRow + range.lowerBound
    let before = layout == .stripes ? first % WeightFormat.stripeRows : 0
    return Matrix(
      format: format, rows: range.count, columns: columns, data: data + (first - before) * rowBytes, rowBytes: rowBytes,
      layout: layout, firstRow: before)
  }

  var view: pi_matrix {
    let arranged: UInt32 =
      switch layout {
      case .blocks: 0
      case .planes: UInt32(PI_PLANAR)
      case .stripes: UInt32(PI_STRIPED)
      }
    return pi_matrix(
      data: data, row_bytes: rowBytes, columns: columns, format: format.rawValue | arranged, tile: 0, ahead: 0,
      cache: 0)
  }
}

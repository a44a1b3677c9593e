import CPowerInferKernels

/// A view of weights [rows, columns] whose rows lie in two areas: the scales and the two leading bits of every code in one, all other
/// bits in the second. Together they are as many bytes as the rows of a ``Matrix``.
///
/// The bytes belong to someone else and must outlive the view.
// Unchecked: the view only reads, and who makes one of memory that is still written sees to the order of things.
public struct SplitMatrix: @unchecked Sendable {
  public let format: WeightFormat  // of every element; one that has leading bits
  public let rows: Int  // outputs, or neurons
  public let columns: Int  // inputs; a multiple of the format's block
  public let leading: UnsafeRawPointer  // [rows, leadingBytes], or so many in stripes
  public let rest: UnsafeRawPointer  // [rows, restBytes]
  /// Whether the first area lies in stripes of ``WeightFormat/stripeRows`` rows, the last one padded with arbitrary rows. Stripes are for
  /// kernels with ``Kernels/hasStripes``.
  public let isStriped: Bool

  /// - Parameters:
  ///   - format: how elements are stored; see ``WeightFormat/hasLeadingBits``.
  ///   - rows: outputs, or neurons.
  ///   - columns: inputs; a multiple of the format's block.
  ///   - leading: scales and leading bits of the first row; must outlive the matrix.
  ///   - rest: the other bits of the first row; must outlive the matrix.
  ///   - isStriped: whether the first area lies in stripes; its format must have planes.
  public init(
    format: WeightFormat, rows: Int, columns: Int, leading: UnsafeRawPointer, rest: UnsafeRawPointer,
    isStriped: Bool = false
  ) {
    precondition(format.hasLeadingBits && columns % format.blockElements == 0, "rows hold whole blocks of codes")
    precondition(!isStriped || format.hasPlanes, "stripes are of formats with planes")
    (self.format, self.rows, self.columns) = (format, rows, columns)
    (self.leading, self.rest, self.isStriped) = (leading, rest, isStriped)
  }

  /// Bytes of a row's scales and leading bits.
  public var leadingBytes: Int { format.leadingBytes(columns: columns) }
  /// Bytes of a row's other bits.
  public var restBytes: Int { format.restBytes(columns: columns) }

  var view: pi_split_matrix {
    pi_split_matrix(
      leading: leading.assumingMemoryBound(to: UInt8.self), rest: rest.assumingMemoryBound(to: UInt8.self),
      columns: columns, format: format.rawValue | (isStriped ? UInt32(PI_STRIPED) : 0))
  }
}

extension WeightFormat {
  /// Whether elements are codes, whose leading bits say roughly how large they are.
  public var hasLeadingBits: Bool { blockElements > 1 }

  /// Whether the leading bits of such rows are read faster from stripes, on processors that have stripes: those of nibbles, in rows of up to
  /// 1024 columns. The product with all rows is then up to twice as fast, but completing a few rows of a stripe takes longer, because the
  /// whole stripe is read again. Stripes were measured to be faster with 576 columns, about as fast with 2048, and slower with 4096.
  public func hasLeadingStripes(columns: Int) -> Bool { isNibbles && columns <= 1024 }

  /// Whether codes have four bits, in blocks of 32.
  var isNibbles: Bool { self == .q4_0 || self == .q4_1 }

  /// Bytes of a row's scales and leading bits; 0 for plain floats. `columns` must be a multiple of ``blockElements``.
  public func leadingBytes(columns: Int) -> Int { pi_leading_bytes(rawValue, columns) }

  /// Puts the leading bits of ``stripeRows`` rows side by side. Of formats with planes.
  ///
  /// - Parameters:
  ///   - rows: [stripeRows, `leadingBytes(columns:)`]
  ///   - columns: of the rows; a multiple of ``blockElements``.
  ///   - stripe: room for as many bytes; another place.
  public func makeLeadingStripe(_ rows: UnsafeRawPointer, columns: Int, into stripe: UnsafeMutableRawPointer) {
    precondition(hasPlanes, "stripes are of formats with planes")
    pi_make_leading_stripe(
      rawValue, rows.assumingMemoryBound(to: UInt8.self), columns, stripe.assumingMemoryBound(to: UInt8.self))
  }

  /// Bytes of a row's other bits; 0 for plain floats. `columns` must be a multiple of ``blockElements``.
  public func restBytes(columns: Int) -> Int { pi_rest_bytes(rawValue, columns) }
}

extension Matrix {
  /// Takes row `index` apart, whatever the matrix's own ``layout``.
  ///
  /// - Parameters:
  ///   - index: of the row.
  ///   - leading: room for the format's `leadingBytes(columns:)`.
  ///   - rest: room for its `restBytes(columns:)`.
  public func split(row index: Int, leading: UnsafeMutableRawPointer, rest: UnsafeMutableRawPointer) {
    precondition(format.hasLeadingBits, "rows of codes have leading bits")
    func split(_ format: UInt32, _ row: UnsafeRawPointer) {
      pi_split_row(
        format, row, columns, leading.assumingMemoryBound(to: UInt8.self), rest.assumingMemoryBound(to: UInt8.self))
    }
    if layout == .stripes {
      withBlocks(ofStripedRow: index, columns: 0..<columns) { split(format.rawValue, $0) }
    } else {
      split(view.format, row(index))
    }
  }
}

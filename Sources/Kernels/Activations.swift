import CPowerInferKernels

/// Vectors of a batch of tokens, [capacity, columns] in F32, beside the 8-bit form that products with quantised weights read.
///
/// The 8-bit form has one scale per 32 columns. It is filled by ``quantize(tokens:using:)`` after ``values`` change, with
/// the same kernels that will read it, in the order that suits each token's products (``panelCount``). Several threads may fill and read
/// different tokens at the same time.
public final class Activations {
  /// What kind of product the 8-bit form is written for. Results differ by rounding, those of ``rows`` and ``sixteens`` only where rows of
  /// weights lie by themselves.
  public enum Order: UInt32, Sendable, CaseIterable {
    /// For few tokens: a row of weights is decoded for each token, or small group of tokens, anew.
    case rows = 0
    /// For many: some rows of weights are decoded into scratch and multiplied with all tokens.
    case panels = 1
    /// For some: sixteen rows of weights at a time are decoded in registers. Instruction sets without such products take ``rows``.
    case sixteens = 2
  }

  /// The first tokens, whose 8-bit form is for products of many tokens; that of the others is for products by rows. Change it
  /// while no thread fills or reads.
  public var panelCount = 0
  /// The order of the first ``panelCount`` tokens, ``Order/panels`` or ``Order/sixteens``. Change it as you change their number.
  public var panelOrder = Order.panels

  /// The order of all tokens, where they have the same.
  public var order: Order {
    get { panelCount > 0 ? panelOrder : .rows }
    set {
      panelCount = newValue == .rows ? 0 : capacity
      panelOrder = newValue == .rows ? .panels : newValue
    }
  }

  func order(ofToken index: Int) -> Order { index < panelCount ? panelOrder : .rows }

  /// Elements of a token's vector.
  public let columns: Int
  /// Tokens there is room for.
  public let capacity: Int
  /// [capacity, columns]
  public let values: UnsafeMutablePointer<Float>

  let codes: UnsafeMutablePointer<Int8>  // [capacity, codeStride]
  let scales: UnsafeMutablePointer<Float>  // [capacity, blockStride]
  let sums: UnsafeMutablePointer<Float>  // [capacity, 3, blockStride]: scale × sum of codes: block, first half, second
  let codeStride: Int
  let blockStride: Int

  /// Zeroed space for `tokens` vectors of `columns` elements.
  public init(columns: Int, capacity tokens: Int) {
    self.columns = columns
    capacity = tokens
    // Not a power of two, so that a few tokens' codes do not fall into one set of the cache.
    codeStride = (columns + 127) / 128 * 128 + 64
    blockStride = (columns + 511) / 512 * 16
    values = Self.zeroed(tokens * columns)
    codes = Self.zeroed(tokens * codeStride)
    scales = Self.zeroed(tokens * blockStride)
    sums = Self.zeroed(tokens * 3 * blockStride)
  }

  deinit {
    values.deallocate()
    codes.deallocate()
    scales.deallocate()
    sums.deallocate()
  }

  /// The vector of token `index`, [columns].
  public func row(_ index: Int) -> UnsafeMutablePointer<Float> {
    values + index * columns
  }

  /// Fills the 8-bit form of the given tokens from ``values``.
  public func quantize(tokens: Range<Int>, using kernels: Kernels) {
    for token in tokens {
      kernels.table.quantize_activations(
        values + token * columns, columns, order(ofToken: token).rawValue, codes + token * codeStride, codeStride,
        scales + token * blockStride, sums + token * 3 * blockStride, blockStride)
    }
  }

  /// Fills the 8-bit form of a token from values that lie elsewhere, [columns]; ``values`` stay as they are, and so
  /// only products with quantised weights may read this.
  public func quantize(from source: UnsafePointer<Float>, token: Int = 0, using kernels: Kernels) {
    kernels.table.quantize_activations(
      source, columns, order(ofToken: token).rawValue, codes + token * codeStride, codeStride,
      scales + token * blockStride, sums + token * 3 * blockStride, blockStride)
  }

  func view(_ order: Order) -> pi_activations {
    pi_activations(
      values: values, codes: codes, scales: scales, sums: sums, columns: columns, code_stride: codeStride,
      block_stride: blockStride, order: order.rawValue)
  }

  /// Aligned to a cache line, with a line to spare, so that an empty batch has an address too.
  private static func zeroed<Element: BinaryInteger>(_ count: Int) -> UnsafeMutablePointer<Element> {
    let pointer = allocate(Element.self, count)
    pointer.initialize(repeating: 0, count: count)
    return pointer
  }

  private static func zeroed(_ count: Int) -> UnsafeMutablePointer<Float> {
    let pointer = allocate(Float.self, count)
    pointer.initialize(repeating: 0, count: count)
    return pointer
  }

  private static func allocate<Element>(_: Element.Type, _ count: Int) -> UnsafeMutablePointer<Element> {
    UnsafeMutableRawPointer.allocate(byteCount: count * MemoryLayout<Element>.stride + 64, alignment: 64)
      .assumingMemoryBound(to: Element.self)
  }
}

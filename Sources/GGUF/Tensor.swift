public import PowerInferPlatform

/// A tensor of an opened file: its description, and where its bytes are.
// Unchecked: the bytes are read-only and live as long as this value, which holds their backing.
public struct Tensor: @unchecked Sendable {
  /// The name by which a model finds it, such as "blk.0.attn_q.weight".
  public let name: String
  /// How its elements are stored.
  public let type: TensorType
  /// One to four dimensions, the contiguous one first: `[columns, rows]` for a weight of `rows` outputs.
  public let shape: [Int]
  /// The elements as stored; valid while this tensor (or the file it comes from) lives. Who keeps the pointer must keep one
  /// of the two.
  public let bytes: UnsafeRawBufferPointer
  private let backing: Backing

  init(_ layout: TensorLayout, bytes: UnsafeRawBufferPointer, backing: Backing) {
    name = layout.name
    type = layout.type
    shape = layout.shape
    self.bytes = bytes
    self.backing = backing
  }

  /// Bytes of all elements.
  public var byteCount: Int { bytes.count }

  /// The file that the bytes are mapped from, and where they begin in it; nil for bytes in memory.
  public var place: (file: MappedFile, offset: Int)? {
    guard let file = backing.mapped, let base = file.bytes.baseAddress, let start = bytes.baseAddress else {
      return nil
    }
    return (file, start - base)
  }

  /// The number of elements; the reader has found that it can be counted.
  public var elementCount: Int { shape.reduce(1, *) }

  /// Elements in a row: the contiguous dimension.
  public var columns: Int { shape.first ?? 0 }

  /// The number of rows: the product of all other dimensions.
  public var rows: Int { shape.dropFirst().reduce(1, *) }

  /// What a writer needs to know of the tensor.
  public var layout: TensorLayout { TensorLayout(name: name, type: type, shape: shape) }
}

/// A tensor without its data: name, type and shape.
public struct TensorLayout: Sendable, Equatable {
  /// Unique in a file.
  public let name: String
  /// How the elements are stored.
  public let type: TensorType
  /// The contiguous dimension first.
  public let shape: [Int]

  /// A description taken as it is; ``byteCount(allowingEmpty:)`` checks it.
  public init(name: String, type: TensorType, shape: [Int]) {
    self.name = name
    self.type = type
    self.shape = shape
  }

  /// The bytes the data takes.
  ///
  /// - Parameter allowingEmpty: whether a dimension may be 0, as in PowerInfer's index files.
  /// - Throws: `GGUFError` where the shape is impossible for the type.
  public func byteCount(allowingEmpty: Bool = false) throws(GGUFError) -> Int {
    guard (1...4).contains(shape.count) else {
      throw .dimensionCount(tensor: name, count: UInt32(clamping: shape.count))
    }
    var elements = 1
    for (index, dimension) in shape.enumerated() {
      if dimension == 0, !allowingEmpty { throw .zeroDimension(tensor: name, dimension: index) }
      // A 0 counts as 1 here: what the other dimensions make, rows for example, must be countable too.
      let (product, overflow) = elements.multipliedReportingOverflow(by: max(dimension, 1))
      if overflow || dimension < 0 { throw .tooLarge(tensor: name) }
      elements = product
    }
    if shape.contains(0) { elements = 0 }
    guard shape[0] % type.blockElements == 0 else {
      throw .partialBlock(tensor: name, type: type, row: shape[0])
    }
    guard let bytes = type.byteCount(elements: elements) else { throw .tooLarge(tensor: name) }
    return bytes
  }
}

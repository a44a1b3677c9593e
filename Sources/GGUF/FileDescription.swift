/// What a file holds, for people (`text`) and for machines (`Encodable`).
public struct FileDescription: Sendable, Encodable {
  public let magic: String
  public let version: UInt32
  public let alignment: Int
  public let bytes: Int
  public let parameters: Int
  /// Of all tensors together; nil where there is none.
  public let bitsPerWeight: Double?
  public let types: [TypeTotal]
  /// Nil where only the tensors are shown.
  public private(set) var metadata: [Entry]?
  /// Nil where only the metadata is shown.
  public private(set) var tensors: [TensorLine]?
  public let tensorCount: Int

  /// What of a file is shown.
  public enum Parts: Sendable {
    case all, metadata, tensors
  }

  /// The same description, reduced.
  public func showing(_ parts: Parts) -> FileDescription {
    var copy = self
    if parts == .metadata { copy.tensors = nil }
    if parts == .tensors { copy.metadata = nil }
    return copy
  }

  /// How much of the file is of one tensor type.
  public struct TypeTotal: Sendable, Encodable {
    public let type: String
    public let tensors: Int
    public let parameters: Int
    public let bytes: Int
  }

  /// A key of the metadata.
  public struct Entry: Sendable, Encodable {
    public let key: String
    public let type: String
    /// For arrays, the number of elements.
    public let count: Int?
    public let value: Value
  }

  /// A value as JSON has it.
  public enum Value: Sendable, Encodable {
    case integer(Int)
    case unsigned(UInt64)
    case number(Double)
    case bool(Bool)
    case text(String)
    case list([Value])

    public func encode(to encoder: any Encoder) throws {
      var container = encoder.singleValueContainer()
      switch self {
      case .integer(let value): try container.encode(value)
      case .unsigned(let value): try container.encode(value)
      case .number(let value):
        // JSON has no word for infinity and what is not a number.
        if value.isFinite { try container.encode(value) } else { try container.encode("\(value)") }
      case .bool(let value): try container.encode(value)
      case .text(let value): try container.encode(value)
      case .list(let values): try container.encode(values)
      }
    }
  }

  /// A tensor.
  public struct TensorLine: Sendable, Encodable {
    public let name: String
    public let type: String
    /// The contiguous dimension first.
    public let shape: [Int]
    public let bytes: Int
  }

  /// Describes a file.
  ///
  /// - Parameters:
  ///   - file: the opened file.
  ///   - arrayLimit: how many elements of an array are listed at most; all of them where it is nil.
  public init(_ file: GGUFFile, arrayLimit: Int? = 8) {
    magic = file.magic.rawValue
    version = file.version
    alignment = file.alignment
    bytes = file.byteCount
    tensorCount = file.tensors.count
    // The sum cannot overflow: tensors do not overlap and an element of any type takes at least a bit.
    parameters = file.tensors.reduce(0) { $0 + $1.elementCount }
    let dataBytes = file.tensors.reduce(0) { $0 + $1.byteCount }
    bitsPerWeight = parameters > 0 ? Double(dataBytes) * 8 / Double(parameters) : nil

    let byType = Dictionary(grouping: file.tensors, by: \.type)
    types = byType.map { type, tensors in
      TypeTotal(
        type: type.name, tensors: tensors.count, parameters: tensors.reduce(0) { $0 + $1.elementCount },
        bytes: tensors.reduce(0) { $0 + $1.byteCount })
    }.sorted { ($0.bytes, $1.type) > ($1.bytes, $0.type) }

    metadata = file.metadata.map { key, value in
      let limit = arrayLimit ?? value.array?.count ?? 0
      let type = value.array.map { "array of \($0.elementKind.name)" } ?? value.kind.name
      return Entry(key: key, type: type, count: value.array?.count, value: Value(value, first: limit))
    }
    tensors = file.tensors.map { TensorLine(name: $0.name, type: $0.type.name, shape: $0.shape, bytes: $0.byteCount) }
  }
}

extension FileDescription.Value {
  init(_ value: MetadataValue, first limit: Int) {
    switch value {
    case .string(let text): self = .text(text)
    case .bool(let bool): self = .bool(bool)
    case .float32(let float): self = .number(Double("\(float)") ?? Double(float))
    case .float64(let double): self = .number(double)
    case .uint64(let number): self = .unsigned(number)
    case .array(let array): self = .list(array.values(first: limit).map { Self($0, first: 0) })
    default: self = .integer(value.integer ?? 0)
    }
  }
}

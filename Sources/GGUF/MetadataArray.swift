/// An array of the metadata, kept as the bytes of the file and decoded when asked: a vocabulary costs nothing to open.
public struct MetadataArray: Sendable {
  /// The type of every element; never `.array`.
  public let elementKind: MetadataKind
  /// The number of elements.
  public let count: Int
  private let backing: Backing
  private let range: Range<Int>

  /// - Parameter range: where the elements are, already found to hold `count` of them.
  init(_ elementKind: MetadataKind, count: Int, backing: Backing, range: Range<Int>) {
    self.elementKind = elementKind
    self.count = count
    self.backing = backing
    self.range = range
  }

  /// Calls `body` with the elements as the file stores them (little-endian; strings as length and bytes).
  public func withUnsafeBytes<Result, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try body(UnsafeRawBufferPointer(rebasing: backing.bytes[range]))
  }

  /// Calls `body` with the bytes of each string in order, without making a `String`.
  ///
  /// Does nothing when the elements are no strings. The buffer is valid only during the call.
  public func forEachString<Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Void
  ) throws(Failure) {
    guard elementKind == .string else { return }
    var offset = range.lowerBound
    for _ in 0..<count {
      let length = Int(UInt64(littleEndian: backing.bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)))
      offset += 8
      try body(UnsafeRawBufferPointer(rebasing: backing.bytes[offset..<(offset + length)]))
      offset += length
    }
  }

  /// The strings; bytes that are not valid UTF-8 are replaced by U+FFFD. Nil when the elements are no strings.
  public var strings: [String]? {
    guard elementKind == .string else { return nil }
    var result: [String] = []
    result.reserveCapacity(count)
    forEachString { result.append(String(decoding: $0, as: UTF8.self)) }
    return result
  }

  /// The bytes of the strings, exactly as stored. Nil when the elements are no strings.
  public var stringBytes: [[UInt8]]? {
    guard elementKind == .string else { return nil }
    var result: [[UInt8]] = []
    result.reserveCapacity(count)
    forEachString { result.append(Array($0)) }
    return result
  }

  /// The integers, of any width. Nil when the elements are no integers or one exceeds `Int`.
  public var integers: [Int]? {
    switch elementKind {
    case .uint8: numbers(UInt8.self).map { Int($0) }
    case .int8: numbers(Int8.self).map { Int($0) }
    case .uint16: numbers(UInt16.self).map { Int($0) }
    case .int16: numbers(Int16.self).map { Int($0) }
    case .uint32: numbers(UInt32.self).map { Int($0) }
    case .int32: numbers(Int32.self).map { Int($0) }
    case .int64: numbers(Int64.self).map { Int($0) }
    case .uint64: exactly(numbers(UInt64.self))
    case .float32, .float64, .bool, .string, .array: nil
    }
  }

  /// The numbers, of any type, as doubles. Nil when the elements are no numbers.
  public var doubles: [Double]? {
    switch elementKind {
    case .float32: numbers(UInt32.self).map { Double(Float(bitPattern: $0)) }
    case .float64: numbers(UInt64.self).map(Double.init(bitPattern:))
    case .uint64: numbers(UInt64.self).map { Double($0) }
    default: integers?.map { Double($0) }
    }
  }

  /// The numbers, of any type, as floats. Nil when the elements are no numbers.
  public var floats: [Float]? {
    if elementKind == .float32 { return numbers(UInt32.self).map(Float.init(bitPattern:)) }
    return doubles?.map { Float($0) }
  }

  /// The truth values. Nil when the elements are none.
  public var bools: [Bool]? {
    elementKind == .bool ? numbers(UInt8.self).map { $0 != 0 } : nil
  }

  /// The first `limit` elements as values.
  public func values(first limit: Int) -> [MetadataValue] {
    let limit = max(0, min(limit, count))
    if elementKind == .string {
      var result: [MetadataValue] = []
      var offset = range.lowerBound
      for _ in 0..<limit {
        let length = Int(UInt64(littleEndian: backing.bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)))
        offset += 8
        result.append(.string(String(decoding: backing.bytes[offset..<(offset + length)], as: UTF8.self)))
        offset += length
      }
      return result
    }
    let size = elementKind.size ?? 0
    var reader = ByteReader(UnsafeRawBufferPointer(rebasing: backing.bytes[range].prefix(limit * size)))
    return (0..<limit).compactMap { _ in try? MetadataValue(elementKind, from: &reader, key: "") }
  }

  private func numbers<Number: FixedWidthInteger>(_: Number.Type) -> [Number] {
    let start = range.lowerBound
    return [Number](unsafeUninitializedCapacity: count) { buffer, initialized in
      for index in 0..<count {
        let value = backing.bytes.loadUnaligned(
          fromByteOffset: start + index * MemoryLayout<Number>.size, as: Number.self)
        buffer.initializeElement(at: index, to: Number(littleEndian: value))
      }
      initialized = count
    }
  }

  private func exactly(_ values: [UInt64]) -> [Int]? {
    var result: [Int] = []
    result.reserveCapacity(values.count)
    for value in values {
      guard let fitting = Int(exactly: value) else { return nil }
      result.append(fitting)
    }
    return result
  }
}

extension MetadataArray: Equatable {
  /// Whether type, count and bytes are the same.
  public static func == (left: MetadataArray, right: MetadataArray) -> Bool {
    guard left.elementKind == right.elementKind, left.count == right.count else { return false }
    return left.withUnsafeBytes { a in right.withUnsafeBytes { b in a.elementsEqual(b) } }
  }
}

extension MetadataArray {
  /// An array of texts.
  public init(_ strings: [String]) {
    self.init(stringBytes: strings.map { Array($0.utf8) })
  }

  /// An array of strings given as bytes, which need not be valid UTF-8.
  public init(stringBytes: [[UInt8]]) {
    var encoded: [UInt8] = []
    encoded.reserveCapacity(stringBytes.reduce(0) { $0 + $1.count + 8 })
    for bytes in stringBytes {
      encoded.appendLittleEndian(UInt64(bytes.count))
      encoded += bytes
    }
    self.init(.string, count: stringBytes.count, encoded: encoded)
  }

  // One for each type of number and for truth values.

  public init(_ values: [UInt8]) { self.init(.uint8, integers: values) }
  public init(_ values: [Int8]) { self.init(.int8, integers: values) }
  public init(_ values: [UInt16]) { self.init(.uint16, integers: values) }
  public init(_ values: [Int16]) { self.init(.int16, integers: values) }
  public init(_ values: [UInt32]) { self.init(.uint32, integers: values) }
  public init(_ values: [Int32]) { self.init(.int32, integers: values) }
  public init(_ values: [UInt64]) { self.init(.uint64, integers: values) }
  public init(_ values: [Int64]) { self.init(.int64, integers: values) }
  public init(_ values: [Float]) { self.init(.float32, integers: values.map(\.bitPattern)) }
  public init(_ values: [Double]) { self.init(.float64, integers: values.map(\.bitPattern)) }
  public init(_ values: [Bool]) { self.init(.bool, integers: values.map { $0 ? UInt8(1) : 0 }) }

  private init<Number: FixedWidthInteger>(_ kind: MetadataKind, integers: [Number]) {
    var encoded: [UInt8] = []
    encoded.reserveCapacity(integers.count * MemoryLayout<Number>.size)
    for value in integers { encoded.appendLittleEndian(value) }
    self.init(kind, count: integers.count, encoded: encoded)
  }

  private init(_ kind: MetadataKind, count: Int, encoded: [UInt8]) {
    self.init(kind, count: count, backing: Backing(encoded), range: 0..<encoded.count)
  }
}

extension [UInt8] {
  /// Appends a number as the format stores it.
  mutating func appendLittleEndian<Number: FixedWidthInteger>(_ value: Number) {
    Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
  }
}

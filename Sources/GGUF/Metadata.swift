import OrderedCollections

/// The key/value pairs of a GGUF file, in file order.
public struct Metadata: Sendable, Equatable {
  private var entries: OrderedDictionary<String, MetadataValue>

  /// No keys.
  public init() {
    entries = [:]
  }

  init(capacity: Int) {
    entries = [:]
    entries.reserveCapacity(capacity)
  }

  /// The number of keys.
  public var count: Int { entries.count }

  /// The keys in file order.
  public var keys: [String] { Array(entries.keys) }

  /// The value of a key. Setting nil removes the key; setting a new key appends it.
  public subscript(key: String) -> MetadataValue? {
    get { entries[key] }
    set { entries[key] = newValue }
  }

  /// Gives a key a value: in its place if the key exists, at the end otherwise.
  public mutating func set(_ key: String, _ value: MetadataValue) {
    entries[key] = value
  }

  /// Removes a key, if it exists.
  public mutating func remove(_ key: String) {
    entries.removeValue(forKey: key)
  }

  /// Appends a key that must be new.
  mutating func append(_ key: String, _ value: MetadataValue) throws(GGUFError) {
    guard entries.updateValue(value, forKey: key) == nil else { throw .duplicateKey(key) }
  }
}

extension Metadata: Sequence {
  /// Walks the pairs in file order.
  public func makeIterator() -> some IteratorProtocol<(key: String, value: MetadataValue)> {
    entries.elements.makeIterator()
  }
}

/// What a key holds, as a Swift type: nil when the key is absent, an error when it holds something else.
extension Metadata {
  /// A text.
  public func string(_ key: String) throws(GGUFError) -> String? {
    guard let value = entries[key] else { return nil }
    guard let string = value.string else { throw wrong(key, value, expected: "a string") }
    return string
  }

  /// An integer of any width.
  public func integer(_ key: String) throws(GGUFError) -> Int? {
    guard let value = entries[key] else { return nil }
    if let integer = value.integer { return integer }
    if value.kind.isInteger { throw .outOfRange(key: key, value: value.inWords) }
    throw wrong(key, value, expected: "an integer")
  }

  /// A number of any type.
  public func float(_ key: String) throws(GGUFError) -> Double? {
    guard let value = entries[key] else { return nil }
    guard let double = value.double else { throw wrong(key, value, expected: "a number") }
    return double
  }

  /// A truth value.
  public func bool(_ key: String) throws(GGUFError) -> Bool? {
    guard let value = entries[key] else { return nil }
    guard let bool = value.bool else { throw wrong(key, value, expected: "true or false") }
    return bool
  }

  /// An array of any element type.
  public func array(_ key: String) throws(GGUFError) -> MetadataArray? {
    guard let value = entries[key] else { return nil }
    guard let array = value.array else { throw wrong(key, value, expected: "an array") }
    return array
  }

  /// An array of texts; see `MetadataArray.forEachString` for their exact bytes.
  public func strings(_ key: String) throws(GGUFError) -> [String]? {
    guard let array = try array(key) else { return nil }
    guard let strings = array.strings else { throw wrong(key, .array(array), expected: "an array of strings") }
    return strings
  }

  /// An array of numbers.
  public func floats(_ key: String) throws(GGUFError) -> [Float]? {
    guard let array = try array(key) else { return nil }
    guard let floats = array.floats else { throw wrong(key, .array(array), expected: "an array of numbers") }
    return floats
  }

  /// An array of integers of any width.
  public func integers(_ key: String) throws(GGUFError) -> [Int]? {
    guard let array = try array(key) else { return nil }
    if let integers = array.integers { return integers }
    if array.elementKind.isInteger { throw .outOfRange(key: key, value: "an integer of more than 63 bits") }
    throw wrong(key, .array(array), expected: "an array of integers")
  }

  private func wrong(_ key: String, _ value: MetadataValue, expected: String) -> GGUFError {
    .wrongType(key: key, expected: expected, found: value.inWords)
  }
}

/// The same for keys that must be there: an error when they are not.
extension Metadata {
  /// A text that must be there.
  public func requireString(_ key: String) throws(GGUFError) -> String { try present(string(key), key) }
  /// An integer of any width that must be there.
  public func requireInteger(_ key: String) throws(GGUFError) -> Int { try present(integer(key), key) }
  /// A number of any type that must be there.
  public func requireFloat(_ key: String) throws(GGUFError) -> Double { try present(float(key), key) }
  /// A truth value that must be there.
  public func requireBool(_ key: String) throws(GGUFError) -> Bool { try present(bool(key), key) }
  /// An array of any element type that must be there.
  public func requireArray(_ key: String) throws(GGUFError) -> MetadataArray { try present(array(key), key) }
  /// An array of texts that must be there.
  public func requireStrings(_ key: String) throws(GGUFError) -> [String] { try present(strings(key), key) }
  /// An array of numbers that must be there.
  public func requireFloats(_ key: String) throws(GGUFError) -> [Float] { try present(floats(key), key) }
  /// An array of integers of any width that must be there.
  public func requireIntegers(_ key: String) throws(GGUFError) -> [Int] { try present(integers(key), key) }

  private func present<Value>(_ value: Value?, _ key: String) throws(GGUFError) -> Value {
    guard let value else { throw .missingKey(key) }
    return value
  }
}

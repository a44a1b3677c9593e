import OrderedCollections

/// A hashable value as the key of a dictionary: `1`, `1.0` and `True` are the same key, as in Python.
enum Key: Hashable {
  case none
  case undefined
  case integer(Int)
  case double(Double)
  case string(String)
  case tuple([Key])

  init(_ object: Object) throws {
    var parts = 0
    try self.init(object, &parts)
  }

  /// Counts the parts of a tuple, which may hold another one twice, and so on.
  private init(_ object: Object, _ parts: inout Int) throws {
    parts += 1
    guard parts <= Limits.keyParts else {
      throw JinjaError.limit("the key of a dictionary has more than \(Limits.keyParts) parts.")
    }
    switch object {
    case .none: self = .none
    case .undefined: self = .undefined
    case .integer(let value): self = .integer(value)
    case .boolean(let value): self = .integer(value ? 1 : 0)
    case .double(let value):
      if let whole = Int(exactly: value) { self = .integer(whole) } else { self = .double(value) }
    case .string(let text), .markup(let text): self = .string(text.string)
    case .tuple(let sequence):
      var keys: [Key] = []
      for item in sequence.items { keys.append(try Key(item, &parts)) }
      self = .tuple(keys)
    default: throw JinjaError.runtime("a value of type '\(object.typeName)' cannot be the key of a dictionary.")
    }
  }

  /// Strings are compared scalar by scalar; Swift's own `==` would take composed and decomposed letters for equal.
  static func == (left: Key, right: Key) -> Bool {
    switch (left, right) {
    case (.none, .none), (.undefined, .undefined): true
    case (.integer(let a), .integer(let b)): a == b
    case (.double(let a), .double(let b)): a == b
    case (.string(let a), .string(let b)): a.isSameText(as: b)
    case (.tuple(let a), .tuple(let b)): a == b
    default: false
    }
  }

  func hash(into hasher: inout Hasher) {
    switch self {
    case .none: hasher.combine(0)
    case .undefined: hasher.combine(1)
    case .integer(let value): hasher.combine(value)
    case .double(let value): hasher.combine(value)
    case .string(let text): hasher.combine(text)
    case .tuple(let keys): hasher.combine(keys)
    }
  }
}

extension String {
  /// Equality of the scalars themselves, as Python compares strings.
  func isSameText(as other: String) -> Bool {
    self == other && (utf8.count == other.utf8.count && utf8.elementsEqual(other.utf8))
  }

  /// Python's order of strings: by code point, which is the order of their UTF-8 bytes.
  func precedes(_ other: String) -> Bool { utf8.lexicographicallyPrecedes(other.utf8) }

  init(scalars: some Swift.Sequence<Unicode.Scalar>) {
    var view = String.UnicodeScalarView()
    view.append(contentsOf: scalars)
    self.init(view)
  }
}

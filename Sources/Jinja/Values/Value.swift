public import OrderedCollections

/// A plain value that a caller hands to a template: what JSON can say, with dictionaries in order.
public enum Value: Sendable, Equatable {
  case none
  case boolean(Bool)
  case integer(Int)
  case double(Double)
  case string(String)
  case list([Value])
  case dictionary(OrderedDictionary<String, Value>)
}

extension Value {
  /// The text of a string value; nil for any other kind.
  public var text: String? {
    if case .string(let text) = self { return text }
    return nil
  }

  /// The elements of a list; nil for any other kind.
  public var elements: [Value]? {
    if case .list(let elements) = self { return elements }
    return nil
  }

  /// The entries of a dictionary, in order; nil for any other kind.
  public var entries: OrderedDictionary<String, Value>? {
    if case .dictionary(let entries) = self { return entries }
    return nil
  }
}

extension Value: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByFloatLiteral, ExpressibleByStringLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
  public init(nilLiteral: ()) { self = .none }
  public init(booleanLiteral value: Bool) { self = .boolean(value) }
  public init(integerLiteral value: Int) { self = .integer(value) }
  public init(floatLiteral value: Double) { self = .double(value) }
  public init(stringLiteral value: String) { self = .string(value) }
  public init(arrayLiteral elements: Value...) { self = .list(elements) }
  public init(dictionaryLiteral elements: (String, Value)...) {
    self = .dictionary(OrderedDictionary(elements, uniquingKeysWith: { _, last in last }))
  }
}

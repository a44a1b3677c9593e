/// The `attribute` argument of filters: names and positions joined by dots, as in `"address.0.city"`.
struct AttributePath {
  private let parts: [Object]

  /// Nil when there is no path: the item itself is meant.
  init?(_ path: Object?) throws {
    guard let path, !path.isNone else { return nil }
    guard let text = path.text else {
      parts = [path]
      return
    }
    parts = PythonString.split(text, at: ".", limit: -1).map { part in
      let isNumber = !part.isEmpty && part.string.unicodeScalars.allSatisfy(\.isASCIIDigit)
      return isNumber ? Int(part.string).map { .integer($0) } ?? .string(part) : .string(part)
    }
  }

  func value(in item: Object, default initial: Object? = nil, _ interpreter: Interpreter) throws -> Object {
    var value = item
    for part in parts {
      value = try interpreter.element(part, of: value)
      if let initial, !initial.isNone, value.isUndefined { value = initial }
    }
    return value
  }

  /// Several paths joined by commas, as `sort` takes them.
  static func several(_ path: Object?) throws -> [AttributePath?] {
    guard let text = path?.text else { return [try AttributePath(path)] }
    return try PythonString.split(text, at: ",", limit: -1).map { try AttributePath(.string($0)) }
  }
}

extension Object {
  /// Small letters for a comparison that does not tell them from large ones.
  func folded(_ isSensitive: Bool) -> Object {
    guard !isSensitive, let text else { return self }
    return .string(text.lowercased())
  }
}

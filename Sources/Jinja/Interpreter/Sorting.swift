/// Python's stable sort, with comparisons that may fail.
enum Sorting {
  static func sorted(_ items: [Object], reversed: Bool = false, _ interpreter: Interpreter) throws -> [Object] {
    try sorted(items, reversed: reversed, interpreter) { $0 }
  }

  static func sorted(
    _ items: [Object], reversed: Bool, _ interpreter: Interpreter, by key: (Object) throws -> Object
  ) throws -> [Object] {
    let keys = try items.map(key)
    let order = try items.indices.sorted { left, right in
      let (a, b) = reversed ? (keys[right], keys[left]) : (keys[left], keys[right])
      if try Operators.isLess(a, b, interpreter) { return true }
      return try left < right && !Operators.isLess(b, a, interpreter)
    }
    return order.map { items[$0] }
  }
}

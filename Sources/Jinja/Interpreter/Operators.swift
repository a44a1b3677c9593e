import Foundation
import OrderedCollections

/// Python's operators on objects.
enum Operators {
  static func apply(
    _ operation: Expression.Arithmetic, _ left: Object, _ right: Object, _ interpreter: Interpreter
  ) throws -> Object {
    for side in [left, right] { if case .undefined(let reason) = side { throw JinjaError.runtime(reason.sentence) } }
    if let a = left.integer, let b = right.integer { return try integers(operation, a, b) }
    if let a = left.double, let b = right.double { return try doubles(operation, a, b) }
    switch operation {
    case .add: if let sum = try concatenated(left, right, interpreter) { return sum }
    case .multiply:
      if let count = right.integer, let product = try repeated(left, count, interpreter) { return product }
      if let count = left.integer, let product = try repeated(right, count, interpreter) { return product }
    case .modulo:
      if let format = left.text {
        let arguments: Arguments
        switch right {
        case .tuple(let items): arguments = Arguments(positional: items.items)
        case .dictionary(let mapping): arguments = Arguments(positional: [right], keywords: mapping.namedEntries)
        default: arguments = Arguments(positional: [right])
        }
        return .string(try PercentFormat.format(format, arguments, interpreter))
      }
    default: break
    }
    throw JinjaError.runtime(
      "'\(operation.rawValue)' does not work between '\(left.typeName)' and '\(right.typeName)'.")
  }

  private static let overflow = JinjaError.limit("the result of a calculation does not fit in 64 bits.")
  private static let zero = JinjaError.runtime("division by zero.")

  private static func integers(_ operation: Expression.Arithmetic, _ a: Int, _ b: Int) throws -> Object {
    func checked(_ result: (partialValue: Int, overflow: Bool)) throws -> Object {
      guard !result.overflow else { throw overflow }
      return .integer(result.partialValue)
    }
    switch operation {
    case .add: return try checked(a.addingReportingOverflow(b))
    case .subtract: return try checked(a.subtractingReportingOverflow(b))
    case .multiply: return try checked(a.multipliedReportingOverflow(by: b))
    case .divide:
      guard b != 0 else { throw zero }
      return .double(Double(a) / Double(b))
    case .floorDivide:
      guard b != 0 else { throw zero }
      let (quotient, overflows) = a.dividedReportingOverflow(by: b)
      guard !overflows else { throw overflow }
      return .integer(quotient * b != a && (a < 0) != (b < 0) ? quotient - 1 : quotient)
    case .modulo:
      guard b != 0 else { throw zero }
      let (rest, overflows) = a.remainderReportingOverflow(dividingBy: b)
      guard !overflows else { return .integer(0) }
      return .integer(rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest)
    case .power: return try power(a, b)
    }
  }

  private static func power(_ base: Int, _ exponent: Int) throws -> Object {
    guard exponent >= 0 else {
      guard base != 0 else { throw JinjaError.runtime("zero cannot be raised to a negative power.") }
      return .double(pow(Double(base), Double(exponent)))
    }
    if base == 0 || base == 1 { return .integer(exponent == 0 ? 1 : base) }
    if base == -1 { return .integer(exponent % 2 == 0 ? 1 : -1) }
    guard exponent < 64 else { throw overflow }
    var result = 1
    for _ in 0..<exponent {
      let (next, overflows) = result.multipliedReportingOverflow(by: base)
      guard !overflows else { throw overflow }
      result = next
    }
    return .integer(result)
  }

  private static func doubles(_ operation: Expression.Arithmetic, _ a: Double, _ b: Double) throws -> Object {
    switch operation {
    case .add: return .double(a + b)
    case .subtract: return .double(a - b)
    case .multiply: return .double(a * b)
    case .divide:
      guard b != 0 else { throw zero }
      return .double(a / b)
    case .floorDivide:
      guard b != 0 else { throw zero }
      return .double(((a - floored(a, b)) / b).rounded())
    case .modulo:
      guard b != 0 else { throw zero }
      return .double(floored(a, b))
    case .power:
      guard a != 0 || b >= 0 else { throw JinjaError.runtime("zero cannot be raised to a negative power.") }
      let result = pow(a, b)
      guard !result.isInfinite || a.isInfinite || b.isInfinite else { throw overflow }
      guard !result.isNaN || a.isNaN || b.isNaN else {
        throw JinjaError.runtime("a negative number raised to a fraction is not a real number.")
      }
      return .double(result)
    }
  }

  /// The rest of a division that has the divisor's sign.
  private static func floored(_ a: Double, _ b: Double) -> Double {
    let rest = fmod(a, b)
    if rest == 0 { return b < 0 ? -0.0 : 0.0 }
    return (rest < 0) != (b < 0) ? rest + b : rest
  }

  private static func concatenated(_ left: Object, _ right: Object, _ interpreter: Interpreter) throws -> Object? {
    switch (left, right) {
    case (.string(let a), .string(let b)): return .string(a + b)
    case (.markup(let a), .markup(let b)): return .markup(a + b)
    case (.markup(let a), .string(let b)): return .markup(a + PythonText.escapedHTML(b))
    case (.string(let a), .markup(let b)): return .markup(PythonText.escapedHTML(a) + b)
    case (.list(let a), .list(let b)): return .list(a.items + b.items)
    case (.tuple(let a), .tuple(let b)): return .tuple(a.items + b.items)
    default: return nil
    }
  }

  private static func repeated(_ object: Object, _ count: Int, _ interpreter: Interpreter) throws -> Object? {
    let count = max(count, 0)
    switch object {
    case .string(let text): return .string(try interpreter.repeating(text, count))
    case .markup(let text): return .markup(try interpreter.repeating(text, count))
    case .list(let sequence): return .list(try interpreter.repeating(sequence.items, count))
    case .tuple(let sequence): return .tuple(try interpreter.repeating(sequence.items, count))
    default: return nil
    }
  }

  static func negated(_ operand: Object) throws -> Object {
    switch operand {
    case .double(let value): return .double(-value)
    case .undefined(let reason): throw JinjaError.runtime(reason.sentence)
    default:
      guard let value = operand.integer else {
        throw JinjaError.runtime("'-' does not work on '\(operand.typeName)'.")
      }
      let (result, overflows) = 0.subtractingReportingOverflow(value)
      guard !overflows else { throw overflow }
      return .integer(result)
    }
  }

  static func positive(_ operand: Object) throws -> Object {
    switch operand {
    case .double: return operand
    case .undefined(let reason): throw JinjaError.runtime(reason.sentence)
    default:
      guard let value = operand.integer else {
        throw JinjaError.runtime("'+' does not work on '\(operand.typeName)'.")
      }
      return .integer(value)
    }
  }

  // MARK: Comparison

  /// Bytes of work that a comparison of two values counts as.
  private static let comparisonCost = 64

  static func compare(
    _ relation: Expression.Relation, _ left: Object, _ right: Object, _ interpreter: Interpreter
  ) throws -> Bool {
    switch relation {
    case .equal: try areEqual(left, right, interpreter)
    case .notEqual: try !areEqual(left, right, interpreter)
    case .less: try isLess(left, right, interpreter, "<")
    case .greater: try isLess(right, left, interpreter, ">")
    case .lessOrEqual: try isLessOrEqual(left, right, interpreter, "<=")
    case .greaterOrEqual: try isLessOrEqual(right, left, interpreter, ">=")
    case .within: try contains(right, left, interpreter)
    case .notWithin: try !contains(right, left, interpreter)
    }
  }

  static func areEqual(
    _ left: Object, _ right: Object, _ interpreter: Interpreter, depth: Int = 0
  ) throws -> Bool {
    // A list that holds another one twice may be small and its walk endless.
    try interpreter.charge(comparisonCost)
    guard depth <= Limits.containerDepth else {
      throw JinjaError.limit("a value is nested deeper than \(Limits.containerDepth) levels.")
    }
    if let a = left.text, let b = right.text { return a.string.isSameText(as: b.string) }
    if let a = left.integer, let b = right.integer { return a == b }
    if let a = left.double, let b = right.double { return a == b }
    switch (left, right) {
    case (.none, .none), (.undefined, .undefined): return true
    case (.list(let a), .list(let b)), (.tuple(let a), .tuple(let b)):
      return try a === b || equalItems(a.items, b.items, interpreter, depth)
    case (.dictionary(let a), .dictionary(let b)): return try a === b || equalEntries(a, b, interpreter, depth)
    case (.view(let a), .view(let b)):
      if a.kind == .values || b.kind == .values { return false }
      return try a.kind == b.kind && equalItems(a.objects, b.objects, interpreter, depth)
    case (.range(let a), .range(let b)): return equalRanges(a, b)
    case (.namespace(let a), .namespace(let b)): return a === b
    case (.iterator(let a), .iterator(let b)): return a === b
    case (.function(let a), .function(let b)): return a === b
    case (.loop(let a), .loop(let b)): return a === b
    default: return false
    }
  }

  private static func equalRanges(_ a: Object.Range, _ b: Object.Range) -> Bool {
    a.count == b.count && (a.count == 0 || (a.start == b.start && (a.count == 1 || a.step == b.step)))
  }

  private static func equalItems(
    _ a: [Object], _ b: [Object], _ interpreter: Interpreter, _ depth: Int
  ) throws -> Bool {
    guard a.count == b.count else { return false }
    for (x, y) in zip(a, b) where try !areEqual(x, y, interpreter, depth: depth + 1) { return false }
    return true
  }

  private static func equalEntries(
    _ a: Object.Mapping, _ b: Object.Mapping, _ interpreter: Interpreter, _ depth: Int
  ) throws -> Bool {
    guard a.entries.count == b.entries.count else { return false }
    for (key, entry) in a.entries {
      guard let other = b.entries[key], try areEqual(entry.value, other.value, interpreter, depth: depth + 1)
      else { return false }
    }
    return true
  }

  private static func unordered(_ left: Object, _ right: Object, _ sign: String) -> JinjaError {
    for side in [left, right] { if case .undefined(let reason) = side { return JinjaError.runtime(reason.sentence) } }
    return JinjaError.runtime("'\(sign)' does not work between '\(left.typeName)' and '\(right.typeName)'.")
  }

  static func isLess(
    _ left: Object, _ right: Object, _ interpreter: Interpreter, _ sign: String = "<"
  ) throws -> Bool {
    try interpreter.charge(comparisonCost)
    if let a = left.text, let b = right.text { return a.string.precedes(b.string) }
    if let a = left.integer, let b = right.integer { return a < b }
    if let a = left.double, let b = right.double { return a < b }
    switch (left, right) {
    case (.list(let a), .list(let b)), (.tuple(let a), .tuple(let b)):
      for (x, y) in zip(a.items, b.items) where try !areEqual(x, y, interpreter) {
        return try isLess(x, y, interpreter, sign)
      }
      return a.items.count < b.items.count
    default: throw unordered(left, right, sign)
    }
  }

  private static func isLessOrEqual(
    _ left: Object, _ right: Object, _ interpreter: Interpreter, _ sign: String
  ) throws -> Bool {
    try interpreter.charge(comparisonCost)
    if let a = left.integer, let b = right.integer { return a <= b }
    if let a = left.double, let b = right.double { return a <= b }
    switch (left, right) {
    case (.list(let a), .list(let b)), (.tuple(let a), .tuple(let b)):
      for (x, y) in zip(a.items, b.items) where try !areEqual(x, y, interpreter) {
        return try isLessOrEqual(x, y, interpreter, sign)
      }
      return a.items.count <= b.items.count
    default:
      guard left.text != nil, right.text != nil else { throw unordered(left, right, sign) }
      return try !isLess(right, left, interpreter, sign)
    }
  }

  /// Python's `item in container`.
  static func contains(_ container: Object, _ item: Object, _ interpreter: Interpreter) throws -> Bool {
    switch container {
    case .string(let text), .markup(let text):
      guard let part = item.text else {
        if case .undefined(let reason) = item { throw JinjaError.runtime(reason.sentence) }
        throw JinjaError.runtime("'in' a string needs a string before it, found '\(item.typeName)'.")
      }
      try interpreter.charge(text.byteCount)
      return PythonString.find(part.string, in: text.string) != nil
    case .dictionary(let mapping): return mapping.entries[try Key(item)] != nil
    case .view(let view) where view.kind == .keys: return view.mapping.entries[try Key(item)] != nil
    default:
      for candidate in try interpreter.items(of: container) where try areEqual(candidate, item, interpreter) {
        return true
      }
      return false
    }
  }
}

extension Object.Mapping {
  /// The entries whose keys are strings, by name.
  var namedEntries: OrderedDictionary<String, Object> {
    var result: OrderedDictionary<String, Object> = [:]
    for entry in entries.values { if let name = entry.key.text?.string { result[name] = entry.value } }
    return result
  }
}

import Foundation
import OrderedCollections

/// Filters on numbers and on values of any type.
enum ValueFilters {
  nonisolated(unsafe) static let table: [String: FilterTable.Filter] = [
    "abs": absolute, "int": integer, "float": double, "round": round,
    "default": fallback, "d": fallback,
    "string": { call in
      _ = try call.bind()
      return call.input.text == nil ? .string(try call.text()) : call.input
    },
    "attr": attribute, "tojson": toJSON, "filesizeformat": fileSize,
    "length": length, "count": length,
  ]

  private static func length(_ call: FilterCall) throws -> Object {
    _ = try call.bind()
    switch call.input {
    case .string(let text), .markup(let text): return .integer(text.scalarCount)
    case .undefined, .list, .tuple, .dictionary, .view: return .integer(try call.items().count)
    case .range(let range): return .integer(range.count)
    case .loop(let loop): return .integer(loop.items.count)
    default: throw JinjaError.runtime("a value of type '\(call.input.typeName)' has no length.")
    }
  }

  private static func absolute(_ call: FilterCall) throws -> Object {
    _ = try call.bind()
    if case .double(let value) = call.input { return .double(value.magnitude) }
    guard let value = call.input.integer else {
      throw JinjaError.runtime("the filter 'abs' needs a number, found '\(call.input.typeName)'.")
    }
    return value < 0 ? try Operators.negated(.integer(value)) : .integer(value)
  }

  private static func fallback(_ call: FilterCall) throws -> Object {
    let binding = try call.bind("default_value", "boolean")
    let needsFallback = call.input.isUndefined || (binding.isTrue("boolean") && !call.input.isTrue)
    return needsFallback ? binding["default_value"] ?? .string("") : call.input
  }

  private static func integer(_ call: FilterCall) throws -> Object {
    let binding = try call.bind("default", "base")
    let initial = binding["default"] ?? .integer(0)
    switch call.input {
    case .undefined(let reason): throw JinjaError.runtime(reason.sentence)
    case .double(let value):
      guard !value.isNaN else { return initial }
      guard let whole = Int(exactly: value.rounded(.towardZero)) else {
        throw JinjaError.limit("the number \(PythonText.number(value)) does not fit in 64 bits.")
      }
      return .integer(whole)
    case .string(let text), .markup(let text):
      if let value = parse(text.string, base: try binding.integer("base", default: 10)) { return .integer(value) }
      guard let value = parse(text.string), let whole = Int(exactly: value.rounded(.towardZero)) else { return initial }
      return .integer(whole)
    default: return call.input.integer.map { .integer($0) } ?? initial
    }
  }

  private static func double(_ call: FilterCall) throws -> Object {
    let binding = try call.bind("default")
    if case .undefined(let reason) = call.input { throw JinjaError.runtime(reason.sentence) }
    if let value = call.input.double ?? call.input.text.flatMap({ parse($0.string) }) { return .double(value) }
    return binding["default"] ?? .double(0)
  }

  /// A number in Python's notation; nil for anything else.
  private static func parse(_ text: String) -> Double? {
    let trimmed = PythonString.strip(Text(text), nil)
    guard let digits = withoutUnderscores(trimmed.string), digits.utf8.allSatisfy({ $0 < 0x80 }) else { return nil }
    guard !digits.lowercased().contains("x"), !digits.contains("(") else { return nil }
    return Double(digits)
  }

  private static func parse(_ text: String, base: Int) -> Int? {
    guard var digits = withoutUnderscores(PythonString.strip(Text(text), nil).string) else { return nil }
    let isNegative = digits.hasPrefix("-")
    if isNegative || digits.hasPrefix("+") { digits.removeFirst() }
    guard !digits.hasPrefix("-"), !digits.hasPrefix("+") else { return nil }
    var base = base
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] where digits.lowercased().hasPrefix(prefix) {
      guard base == radix || base == 0 else { continue }
      digits.removeFirst(2)
      base = radix
    }
    if base == 0 { base = 10 }
    guard (2...36).contains(base) else { return nil }
    return Int((isNegative ? "-" : "") + digits, radix: base)
  }

  /// Underscores may stand between digits only.
  private static func withoutUnderscores(_ text: String) -> String? {
    guard text.contains("_") else { return text }
    guard !text.hasPrefix("_"), !text.hasSuffix("_"), !text.contains("__") else { return nil }
    return text.filter { $0 != "_" }
  }

  private static func round(_ call: FilterCall) throws -> Object {
    let binding = try call.bind("precision", "method")
    let precision = try binding.integer("precision", default: 0)
    let method = binding["method"]?.text?.string ?? "common"
    guard ["common", "ceil", "floor"].contains(method) else {
      throw JinjaError.runtime("the filter 'round' knows the methods 'common', 'ceil' and 'floor'.")
    }
    guard let value = call.input.double else {
      throw JinjaError.runtime("the filter 'round' needs a number, found '\(call.input.typeName)'.")
    }
    guard (-300...300).contains(precision) else {
      throw JinjaError.limit("the filter 'round' takes a precision from -300 to 300.")
    }
    if method != "common" {
      let scale = pow(10, Double(precision))
      let scaled = value * scale
      guard scaled.isFinite else { throw JinjaError.runtime("the filter 'round' needs a finite number.") }
      return .double((method == "ceil" ? scaled.rounded(.up) : scaled.rounded(.down)) / scale)
    }
    if let whole = call.input.integer {
      return precision >= 0 ? .integer(whole) : try rounded(whole, toPower: -precision)
    }
    guard value.isFinite else { return .double(value) }
    if precision >= 0 { return .double(Double(String(format: "%.\(precision)f", value)) ?? value) }
    let scale = pow(10, Double(-precision))
    return .double((value / scale).rounded(.toNearestOrEven) * scale)
  }

  private static func rounded(_ value: Int, toPower power: Int) throws -> Object {
    guard power < 19 else {
      // Half of 10^19 is below what 64 bits hold, 10^19 itself is not.
      guard power > 19 || value.magnitude <= 5_000_000_000_000_000_000 else {
        throw JinjaError.limit("a rounded number does not fit in 64 bits.")
      }
      return .integer(0)
    }
    var scale = 1
    for _ in 0..<power { scale *= 10 }
    let rest = ((value % scale) + scale) % scale
    let (base, underflows) = value.subtractingReportingOverflow(rest)
    let half = scale / 2
    let goesUp = rest > half || (rest == half && (base / scale) % 2 != 0)
    let (result, overflows) = base.addingReportingOverflow(goesUp ? scale : 0)
    guard !underflows, !overflows else { throw JinjaError.limit("a rounded number does not fit in 64 bits.") }
    return .integer(result)
  }

  private static func attribute(_ call: FilterCall) throws -> Object {
    let name = try call.bind("name", required: 1).text("name").string
    if case .undefined(let reason) = call.input { throw JinjaError.runtime(reason.sentence) }
    return try call.interpreter.member(name, of: call.input)
      ?? .because("a value of type '\(call.input.typeName)' has no attribute '\(name)'.")
  }

  private static func fileSize(_ call: FilterCall) throws -> Object {
    let isBinary = try call.bind("binary").isTrue("binary")
    guard let bytes = call.input.double ?? call.input.text.flatMap({ parse($0.string) }), bytes.isFinite,
      bytes.magnitude < 1e30
    else {
      throw JinjaError.runtime("the filter 'filesizeformat' needs a number, found '\(call.input.typeName)'.")
    }
    let base: Double = isBinary ? 1024 : 1000
    if bytes == 1 { return .string("1 Byte") }
    if bytes < base {
      guard let whole = Int(exactly: bytes.rounded(.towardZero)) else {
        throw JinjaError.limit("the number \(PythonText.number(bytes)) does not fit in 64 bits.")
      }
      return .string(Text("\(whole) Bytes"))
    }
    var unit = base
    let letters =
      isBinary ? ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"] : ["k", "M", "G", "T", "P", "E", "Z", "Y"]
    for letter in letters {
      unit *= base
      if bytes < unit || letter == letters.last {
        return .string(Text(String(format: "%.1f ", base * bytes / unit) + letter + "B"))
      }
    }
    return .none
  }

  /// `tojson` as `transformers` defines it: plain JSON, no escapes for HTML or for letters beyond ASCII.
  private static func toJSON(_ call: FilterCall) throws -> Object {
    let binding = try call.bind("ensure_ascii", "indent", "separators", "sort_keys")
    var writer = JSONWriter(interpreter: call.interpreter)
    writer.escapesNonASCII = binding.isTrue("ensure_ascii")
    writer.sortsKeys = binding.isTrue("sort_keys")
    if let text = binding["indent"]?.text {
      writer.indent = text
    } else if let width = try binding.integer("indent") {
      writer.indent = try call.interpreter.repeating(" ", width)
    }
    if writer.indent != nil { writer.itemSeparator = "," }
    if let separators = binding["separators"], !separators.isNone {
      let pair = try call.interpreter.items(of: separators)
      guard pair.count == 2, let item = pair[0].text, let key = pair[1].text else {
        throw JinjaError.runtime("the separators of 'tojson' are a pair of strings.")
      }
      (writer.itemSeparator, writer.keySeparator) = (item, key)
    }
    return .string(try writer.text(call.input))
  }

  /// The value of a JSON text; only in the lenient dialect.
  static func fromJSON(_ call: FilterCall) throws -> Object {
    _ = try call.bind()
    let text = try call.string()
    return try Object(try Value(json: text.string), isTrusted: text.isTrusted)
  }
}

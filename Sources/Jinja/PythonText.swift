import OrderedCollections

/// How Python writes values: `str()` and `repr()`.
extension Object {
  /// What printing the value shows.
  func printed() throws -> String {
    switch self {
    case .undefined: return ""
    case .string(let text), .markup(let text): return text
    default: return try represented()
    }
  }

  /// The value as Python's `repr` writes it.
  func represented(depth: Int = 0) throws -> String {
    guard depth <= Limits.containerDepth else {
      throw JinjaError.limit("a value is nested deeper than \(Limits.containerDepth) levels.")
    }
    switch self {
    case .undefined: return "Undefined"
    case .none: return "None"
    case .boolean(let value): return value ? "True" : "False"
    case .integer(let value): return String(value)
    case .double(let value): return PythonText.number(value)
    case .string(let text): return PythonText.quoted(text)
    case .markup(let text): return "Markup(\(PythonText.quoted(text)))"
    case .list(let sequence): return "[" + (try Object.joined(sequence.items, depth)) + "]"
    case .tuple(let sequence):
      return "(" + (try Object.joined(sequence.items, depth)) + (sequence.items.count == 1 ? ",)" : ")")
    case .dictionary(let mapping): return try Object.braced(mapping, depth)
    case .view(let view): return "dict_\(view.kind.rawValue)([" + (try Object.joined(view.objects, depth)) + "])"
    case .range(let range):
      return range.step == 1
        ? "range(\(range.start), \(range.stop))" : "range(\(range.start), \(range.stop), \(range.step))"
    case .namespace(let mapping): return "<Namespace \(try Object.braced(mapping, depth))>"
    case .iterator(let iterator): return "<\(iterator.name) object>"
    case .function(let function):
      guard let macro = function.macro else { return "<function \(function.name)>" }
      return macro.name.map { "<Macro '\($0)'>" } ?? "<Macro anonymous>"
    case .loop(let loop): return "<LoopContext \(loop.index + 1)/\(loop.items.count)>"
    }
  }

  private static func joined(_ items: [Object], _ depth: Int) throws -> String {
    try items.map { try $0.represented(depth: depth + 1) }.joined(separator: ", ")
  }

  private static func braced(_ mapping: Mapping, _ depth: Int) throws -> String {
    let entries = try mapping.entries.values.map {
      try $0.key.represented(depth: depth + 1) + ": " + $0.value.represented(depth: depth + 1)
    }
    return "{" + entries.joined(separator: ", ") + "}"
  }
}

enum PythonText {
  /// A floating-point number in Python's shortest form: `1.0`, `1e+16`, `1e-05`.
  static func number(_ value: Double) -> String {
    if value.isNaN { return "nan" }
    if value.isInfinite { return value < 0 ? "-inf" : "inf" }
    let sign = value.sign == .minus ? "-" : ""
    if value == 0 { return sign + "0.0" }
    // Swift finds the same shortest digits, but sets the exponent at other sizes.
    let parts = value.magnitude.description.split(separator: "e")
    var exponent = parts.count > 1 ? Int(parts[1]) ?? 0 : 0
    let halves = parts[0].split(separator: ".", omittingEmptySubsequences: false)
    var digits = String(halves[0])
    exponent += digits.count - 1
    if halves.count > 1 { digits += halves[1] }
    let zeros = digits.prefix { $0 == "0" }.count
    digits.removeFirst(zeros)
    exponent -= zeros
    while digits.count > 1, digits.hasSuffix("0") { digits.removeLast() }
    if exponent < -4 || exponent >= 16 {
      let tail = digits.count > 1 ? "." + digits.dropFirst() : ""
      let size = exponent.magnitude < 10 ? "0\(exponent.magnitude)" : "\(exponent.magnitude)"
      return sign + digits.prefix(1) + tail + "e" + (exponent < 0 ? "-" : "+") + size
    }
    if exponent < 0 { return sign + "0." + String(repeating: "0", count: -exponent - 1) + digits }
    if digits.count <= exponent + 1 {
      return sign + digits + String(repeating: "0", count: exponent + 1 - digits.count) + ".0"
    }
    return sign + digits.prefix(exponent + 1) + "." + digits.dropFirst(exponent + 1)
  }

  /// A string in quotes, as `repr` writes it: single ones unless only they stand inside.
  static func quoted(_ text: String) -> String {
    let quote: Unicode.Scalar = text.utf8.contains(0x27) && !text.utf8.contains(0x22) ? "\"" : "'"
    var result = String.UnicodeScalarView()
    result.append(quote)
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\\": result.append(contentsOf: "\\\\".unicodeScalars)
      case "\n": result.append(contentsOf: "\\n".unicodeScalars)
      case "\r": result.append(contentsOf: "\\r".unicodeScalars)
      case "\t": result.append(contentsOf: "\\t".unicodeScalars)
      case quote:
        result.append("\\")
        result.append(scalar)
      default:
        if scalar.isPythonPrintable {
          result.append(scalar)
        } else {
          result.append(contentsOf: escape(scalar).unicodeScalars)
        }
      }
    }
    result.append(quote)
    return String(result)
  }

  private static func escape(_ scalar: Unicode.Scalar) -> String {
    let code = String(scalar.value, radix: 16)
    let (letter, width) = scalar.value < 0x100 ? ("x", 2) : scalar.value < 0x10000 ? ("u", 4) : ("U", 8)
    return "\\" + letter + String(repeating: "0", count: width - code.count) + code
  }

  /// `&`, `<`, `>`, `"` and `'` as HTML entities, as markupsafe writes them.
  static func escapedHTML(_ text: String) -> String {
    var result = ""
    result.reserveCapacity(text.utf8.count)
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&#34;"
      case "'": result += "&#39;"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}

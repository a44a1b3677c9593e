import OrderedCollections

/// How Python writes values: `str()` and `repr()`.
extension Object {
  /// What printing the value shows, at most `limit` bytes of it.
  func printed(limit: Int = Limits.standard.text) throws -> Text {
    switch self {
    case .undefined: return ""
    case .string(let text), .markup(let text): return text
    default: return try represented(limit: limit)
    }
  }

  /// The value as Python's `repr` writes it, at most `limit` bytes of it: a list that holds another one twice may be
  /// small and its text endless.
  func represented(limit: Int = Limits.standard.text) throws -> Text {
    var output = Text()
    try represent(into: &output, depth: 0, limit)
    return output
  }

  private func represent(into output: inout Text, depth: Int, _ limit: Int) throws {
    guard depth <= Limits.containerDepth else {
      throw JinjaError.limit("a value is nested deeper than \(Limits.containerDepth) levels.")
    }
    switch self {
    case .list(let sequence): try Object.represent(sequence.items, "[", "]", into: &output, depth, limit)
    case .tuple(let sequence):
      try Object.represent(sequence.items, "(", sequence.items.count == 1 ? ",)" : ")", into: &output, depth, limit)
    case .dictionary(let mapping): try Object.represent(mapping, into: &output, depth, limit)
    case .view(let view):
      try Object.represent(view.objects, Text("dict_\(view.kind.rawValue)(["), "])", into: &output, depth, limit)
    case .namespace(let mapping):
      output += "<Namespace "
      try Object.represent(mapping, into: &output, depth, limit)
      output += ">"
    case .markup(let text): output += "Markup(" + PythonText.quoted(text) + ")"
    case .string(let text): output += PythonText.quoted(text)
    default: output += Text(simpleRepresentation)
    }
    guard output.size <= limit else { throw JinjaError.limit("a text grows beyond \(limit) bytes.") }
  }

  /// What `repr` writes of values that hold no others.
  private var simpleRepresentation: String {
    switch self {
    case .none: return "None"
    case .boolean(let value): return value ? "True" : "False"
    case .integer(let value): return String(value)
    case .double(let value): return PythonText.number(value)
    case .range(let range):
      return range.step == 1
        ? "range(\(range.start), \(range.stop))" : "range(\(range.start), \(range.stop), \(range.step))"
    case .iterator(let iterator): return "<\(iterator.name) object>"
    case .function(let function):
      guard let macro = function.macro else { return "<function \(function.name)>" }
      return macro.name.map { "<Macro '\($0)'>" } ?? "<Macro anonymous>"
    case .loop(let loop): return "<LoopContext \(loop.index + 1)/\(loop.items.count)>"
    default: return typeName
    }
  }

  private static func represent(
    _ items: [Object], _ open: Text, _ close: Text, into output: inout Text, _ depth: Int, _ limit: Int
  ) throws {
    output += open
    for (index, item) in items.enumerated() {
      if index > 0 { output += ", " }
      try item.represent(into: &output, depth: depth + 1, limit)
    }
    output += close
  }

  private static func represent(_ mapping: Mapping, into output: inout Text, _ depth: Int, _ limit: Int) throws {
    output += "{"
    for (index, entry) in mapping.entries.values.enumerated() {
      if index > 0 { output += ", " }
      try entry.key.represent(into: &output, depth: depth + 1, limit)
      output += ": "
      try entry.value.represent(into: &output, depth: depth + 1, limit)
    }
    output += "}"
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
  static func quoted(_ text: Text) -> Text {
    let bytes = text.string.utf8
    let quote: Unicode.Scalar = bytes.contains(0x27) && !bytes.contains(0x22) ? "\"" : "'"
    let inside = text.mapped { scalar in
      switch scalar {
      case "\\": "\\\\"
      case "\n": "\\n"
      case "\r": "\\r"
      case "\t": "\\t"
      case quote: "\\" + String(scalar)
      default: scalar.isPythonPrintable ? String(scalar) : escape(scalar)
      }
    }
    return Text(String(quote)) + inside + Text(String(quote))
  }

  private static func escape(_ scalar: Unicode.Scalar) -> String {
    let code = String(scalar.value, radix: 16)
    let (letter, width) = scalar.value < 0x100 ? ("x", 2) : scalar.value < 0x10000 ? ("u", 4) : ("U", 8)
    return "\\" + letter + String(repeating: "0", count: width - code.count) + code
  }

  /// `&`, `<`, `>`, `"` and `'` as HTML entities, as markupsafe writes them.
  static func escapedHTML(_ text: Text) -> Text {
    text.mapped { scalar in
      switch scalar {
      case "&": "&amp;"
      case "<": "&lt;"
      case ">": "&gt;"
      case "\"": "&#34;"
      case "'": "&#39;"
      default: String(scalar)
      }
    }
  }
}

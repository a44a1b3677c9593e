import OrderedCollections

/// Writes objects as JSON exactly as Python's `json.dumps` does: templates show tools to models in this form.
struct JSONWriter {
  var escapesNonASCII = false
  var indent: Text?
  var itemSeparator: Text = ", "
  var keySeparator: Text = ": "
  var sortsKeys = false
  let interpreter: Interpreter

  func text(_ object: Object) throws -> Text {
    var output = Text()
    try write(object, depth: 0, into: &output)
    return output
  }

  private func write(_ object: Object, depth: Int, into output: inout Text) throws {
    guard depth <= Limits.containerDepth else {
      throw JinjaError.limit("a value is nested deeper than \(Limits.containerDepth) levels.")
    }
    switch object {
    case .none: output += "null"
    case .boolean(let value): output += value ? "true" : "false"
    case .integer(let value): output += Text(String(value))
    case .double(let value): output += Text(number(value))
    case .string(let text), .markup(let text):
      try interpreter.charge(text.byteCount)
      write(text, into: &output)
    case .list(let sequence), .tuple(let sequence):
      try write(sequence.items, "[", "]", depth, into: &output) { item, output in
        try write(item, depth: depth + 1, into: &output)
      }
    case .dictionary(let mapping):
      try write(try entries(mapping), "{", "}", depth, into: &output) { entry, output in
        write(entry.0, into: &output)
        output += keySeparator
        try write(entry.1, depth: depth + 1, into: &output)
      }
    case .undefined(let reason):
      throw JinjaError.runtime("'tojson' cannot write an undefined value: " + reason.sentence)
    default: throw JinjaError.runtime("'tojson' cannot write a value of type '\(object.typeName)'.")
    }
    guard output.size <= interpreter.limits.text else {
      throw JinjaError.limit("a text grows beyond \(interpreter.limits.text) bytes.")
    }
  }

  private func write<Item>(
    _ items: [Item], _ open: Text, _ close: Text, _ depth: Int, into output: inout Text,
    _ writeItem: (Item, inout Text) throws -> Void
  ) throws {
    output += open
    for (index, item) in items.enumerated() {
      if index > 0 { output += itemSeparator }
      try newLine(depth + 1, into: &output)
      try writeItem(item, &output)
    }
    if !items.isEmpty { try newLine(depth, into: &output) }
    output += close
  }

  private func newLine(_ depth: Int, into output: inout Text) throws {
    guard let indent else { return }
    output += "\n" + (try interpreter.repeating(indent, depth))
  }

  private func entries(_ mapping: Object.Mapping) throws -> [(Text, Object)] {
    var entries = mapping.entries.values.map { ($0.key, $0.value) }
    if sortsKeys {
      let order = try Sorting.sorted(entries.indices.map { .tuple([entries[$0].0, .integer($0)]) }, interpreter)
      entries = order.compactMap { pair in
        guard case .tuple(let sequence) = pair, let index = sequence.items[1].integer else { return nil }
        return entries[index]
      }
    }
    return try entries.map { (try key($0.0), $0.1) }
  }

  private func key(_ object: Object) throws -> Text {
    switch object {
    case .string(let text), .markup(let text): return text
    case .none: return "null"
    case .boolean(let value): return value ? "true" : "false"
    case .integer(let value): return Text(String(value))
    case .double(let value): return Text(number(value))
    default: throw JinjaError.runtime("'tojson' cannot write a key of type '\(object.typeName)'.")
    }
  }

  private func number(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value < 0 ? "-Infinity" : "Infinity" }
    return PythonText.number(value)
  }

  private func write(_ text: Text, into output: inout Text) {
    output += "\""
    output += text.mapped { scalar in
      switch scalar {
      case "\"": "\\\""
      case "\\": "\\\\"
      case "\n": "\\n"
      case "\r": "\\r"
      case "\t": "\\t"
      case "\u{8}": "\\b"
      case "\u{c}": "\\f"
      case "\u{7F}": String(scalar)
      default:
        scalar.value < 0x20 || (escapesNonASCII && scalar.value > 0x7F) ? escape(scalar) : String(scalar)
      }
    }
    output += "\""
  }

  private func escape(_ scalar: Unicode.Scalar) -> String {
    String(scalar).utf16.map { unit in
      let code = String(unit, radix: 16)
      return "\\u" + String(repeating: "0", count: 4 - code.count) + code
    }.joined()
  }
}

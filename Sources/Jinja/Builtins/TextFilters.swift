import Foundation
import OrderedCollections

/// Filters on text.
enum TextFilters {
  nonisolated(unsafe) static let table: [String: FilterTable.Filter] = [
    "upper": mapping { $0.uppercased() },
    "lower": mapping { $0.lowercased() },
    "capitalize": mapping(PythonString.capitalized),
    "title": mapping(title),
    "trim": { call in
      let characters = try call.bind("chars").optionalText("chars")
      return call.marked(PythonString.strip(try call.text(), characters))
    },
    "replace": replace, "center": center, "indent": indent, "truncate": truncate, "wordwrap": wordWrap,
    "wordcount": wordCount, "format": format, "striptags": stripTags, "urlencode": urlEncode, "join": join,
    "escape": escape, "e": escape, "forceescape": forceEscape, "safe": safe, "xmlattr": attributes,
  ]

  private static func mapping(_ transform: @escaping (Text) -> Text) -> FilterTable.Filter {
    { call in
      _ = try call.bind()
      return call.marked(transform(try call.text()))
    }
  }

  /// jinja2's own notion of a title: words begin after space, `-`, `(`, `{`, `[` and `<` only.
  private static func title(_ text: Text) -> Text {
    var isWordStart = true
    return text.mapped { scalar in
      let isBoundary = scalar.isPythonSpace || "-({[<".unicodeScalars.contains(scalar)
      defer { isWordStart = isBoundary }
      if isBoundary { return String(scalar) }
      return isWordStart ? scalar.properties.uppercaseMapping : scalar.properties.lowercaseMapping
    }
  }

  private static func replace(_ call: FilterCall) throws -> Object {
    let binding = try call.bind("old", "new", "count", required: 2)
    return .string(
      try PythonString.replace(
        try (binding["old"] ?? .none).printed().string, with: try (binding["new"] ?? .none).printed(),
        in: try call.text(), limit: try binding.integer("count") ?? -1, call.interpreter))
  }

  private static func center(_ call: FilterCall) throws -> Object {
    let width = try call.bind("width").integer("width", default: 80)
    return call.marked(try PythonString.padded(try call.text(), to: width, .center, call.interpreter))
  }

  private static func indent(_ call: FilterCall) throws -> Object {
    let binding = try call.bind("width", "first", "blank")
    let space: Text
    if let text = binding["width"]?.text {
      space = text
    } else {
      space = try call.interpreter.repeating(" ", try binding.integer("width", default: 4))
    }
    let lines = PythonString.splitLines(try call.string() + "\n")
    let isBlankIndented = binding.isTrue("blank")
    try call.interpreter.checkText(space.size.multipliedSaturating(by: lines.count))
    var result = binding.isTrue("first") ? space : ""
    for (index, line) in lines.enumerated() {
      if index > 0 { result += isBlankIndented || !line.isEmpty ? "\n" + space : "\n" }
      result += line
    }
    return call.marked(result)
  }

  private static func truncate(_ call: FilterCall) throws -> Object {
    let binding = try call.bind("length", "killwords", "end", "leeway")
    let length = try binding.integer("length", default: 255)
    let end = binding["end"] == nil ? "..." : try binding.text("end")
    let leeway = try binding.integer("leeway") ?? 5
    guard length >= end.scalarCount, leeway >= 0 else {
      throw JinjaError.runtime(
        "the filter 'truncate' needs a length of at least \(end.scalarCount) and a leeway of at least 0.")
    }
    let letters = try call.string().letters
    guard letters.count > length.addingSaturating(leeway) else { return call.input }
    let kept = Text(letters.prefix(length - end.scalarCount))
    if binding.isTrue("killwords") { return call.marked(kept + end) }
    return call.marked(PythonString.split(kept, at: " ", limit: 1, fromRight: true)[0] + end)
  }

  private static func wordWrap(_ call: FilterCall) throws -> Object {
    let binding = try call.bind("width", "break_long_words", "wrapstring", "break_on_hyphens")
    let separator = try binding.optionalText("wrapstring") ?? "\n"
    let wrapper = WordWrapper(
      width: try binding.integer("width", default: 79),
      breaksLongWords: binding.isTrue("break_long_words", default: true),
      breaksHyphens: binding.isTrue("break_on_hyphens", default: true))
    guard wrapper.width > 0 else { throw JinjaError.runtime("the filter 'wordwrap' needs a width above zero.") }
    let lines = PythonString.splitLines(try call.string()).flatMap { line in
      let wrapped = wrapper.wrap(line)
      return wrapped.isEmpty ? [""] : wrapped
    }
    return call.marked(try PythonString.joined(lines, by: separator, call.interpreter))
  }

  private static func wordCount(_ call: FilterCall) throws -> Object {
    _ = try call.bind()
    var count = 0
    var insideWord = false
    for scalar in try call.text().string.unicodeScalars {
      if scalar.isWordPart, !insideWord { count += 1 }
      insideWord = scalar.isWordPart
    }
    return .integer(count)
  }

  private static func format(_ call: FilterCall) throws -> Object {
    guard call.arguments.positional.isEmpty || call.arguments.keywords.isEmpty else {
      throw JinjaError.runtime("the filter 'format' takes positions or names, not both.")
    }
    return .string(try PercentFormat.format(try call.text(), call.arguments, call.interpreter))
  }

  private static func join(_ call: FilterCall) throws -> Object {
    let binding = try call.bind("d", "attribute")
    var items = try call.items()
    if let path = try AttributePath(binding["attribute"]) {
      items = try items.map { try path.value(in: $0, call.interpreter) }
    }
    let separator = try (binding["d"] ?? .string("")).printed()
    return .string(try PythonString.joined(try items.map { try $0.printed() }, by: separator, call.interpreter))
  }

  // MARK: HTML and addresses

  private static func escape(_ call: FilterCall) throws -> Object {
    _ = try call.bind()
    if case .markup = call.input { return call.input }
    return .markup(PythonText.escapedHTML(try call.text()))
  }

  private static func forceEscape(_ call: FilterCall) throws -> Object {
    _ = try call.bind()
    return .markup(PythonText.escapedHTML(try call.text()))
  }

  private static func safe(_ call: FilterCall) throws -> Object {
    _ = try call.bind()
    return .markup(try call.text())
  }

  private static func attributes(_ call: FilterCall) throws -> Object {
    let binding = try call.bind("autospace")
    guard case .dictionary(let mapping) = call.input else {
      throw JinjaError.runtime("the filter 'xmlattr' needs a dictionary, found '\(call.input.typeName)'.")
    }
    var parts: [Text] = []
    for entry in mapping.entries.values where !entry.value.isNone && !entry.value.isUndefined {
      guard let key = entry.key.text,
        !key.string.unicodeScalars.contains(where: { " \t\n\r\u{b}\u{c}/>=".unicodeScalars.contains($0) })
      else { throw JinjaError.runtime("\(try entry.key.represented().string) is not the name of an attribute.") }
      parts.append(
        PythonText.escapedHTML(key) + "=\"" + PythonText.escapedHTML(try entry.value.printed()) + "\"")
    }
    let text = try PythonString.joined(parts, by: " ", call.interpreter)
    return .string(binding.isTrue("autospace", default: true) && !text.isEmpty ? " " + text : text)
  }

  private static func stripTags(_ call: FilterCall) throws -> Object {
    _ = try call.bind()
    var text = try call.text()
    for (open, close) in [("<!--", "-->"), ("<", ">")] {
      let bytes = Array(text.string.utf8)
      var parts: [Text] = []
      var start = 0
      while let tag = PythonString.find(Array(open.utf8), in: bytes, from: start),
        let end = PythonString.find(Array(close.utf8), in: bytes, from: tag + open.utf8.count)
      {
        parts.append(text.bytes(start..<tag))
        start = end + close.utf8.count
      }
      parts.append(text.dropFirst(bytes: start))
      text = parts.joined()
    }
    let words = PythonString.splitAtSpace(text, limit: -1).joined(by: " ")
    return .string(unescapedHTML(words))
  }

  private static func unescapedHTML(_ text: Text) -> Text {
    let entities = [
      ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#34;", "\""), ("&#39;", "'"), ("&apos;", "'"),
      ("&nbsp;", "\u{a0}"), ("&amp;", "&"),
    ]
    return entities.reduce(text) { PythonString.rewrite($1.0, as: $1.1, in: $0) }
  }

  private static func urlEncode(_ call: FilterCall) throws -> Object {
    _ = try call.bind()
    let pairs: [Object]
    switch call.input {
    case .dictionary(let mapping): pairs = mapping.pairs
    case .list, .tuple, .view, .iterator, .range: pairs = try call.items()
    default: return .string(quoted(try call.text(), space: "%20", keeping: "/"))
    }
    let parts = try pairs.map { pair in
      let items = try call.interpreter.items(of: pair)
      guard items.count == 2 else { throw JinjaError.runtime("the filter 'urlencode' needs pairs of key and value.") }
      return try items.map { quoted(try $0.printed(), space: "+", keeping: nil) }.joined(by: "=")
    }
    return .string(try PythonString.joined(parts, by: "&", call.interpreter))
  }

  /// Letters, digits and a few marks as they are, all else as the numbers of its bytes.
  private static func quoted(_ text: Text, space: String, keeping safe: Unicode.Scalar?) -> Text {
    text.mapped { scalar in
      switch scalar {
      case "A"..."Z", "a"..."z", "0"..."9", "_", ".", "-", "~", safe: String(scalar)
      case " ": space
      default: String(scalar).utf8.map { ($0 < 16 ? "%0" : "%") + String($0, radix: 16, uppercase: true) }.joined()
      }
    }
  }
}

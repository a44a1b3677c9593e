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
      let characters = try call.bind("chars").optionalString("chars")
      return call.marked(PythonString.strip(try call.text(), characters))
    },
    "replace": replace, "center": center, "indent": indent, "truncate": truncate, "wordwrap": wordWrap,
    "wordcount": wordCount, "format": format, "striptags": stripTags, "urlencode": urlEncode, "join": join,
    "escape": escape, "e": escape, "forceescape": forceEscape, "safe": safe, "xmlattr": attributes,
  ]

  private static func mapping(_ transform: @escaping (String) -> String) -> FilterTable.Filter {
    { call in
      _ = try call.bind()
      return call.marked(transform(try call.text()))
    }
  }

  /// jinja2's own notion of a title: words begin after space, `-`, `(`, `{`, `[` and `<` only.
  private static func title(_ text: String) -> String {
    var result = ""
    var isWordStart = true
    for scalar in text.unicodeScalars {
      let isBoundary = scalar.isPythonSpace || "-({[<".unicodeScalars.contains(scalar)
      if isBoundary {
        result.unicodeScalars.append(scalar)
      } else {
        result += isWordStart ? scalar.properties.uppercaseMapping : scalar.properties.lowercaseMapping
      }
      isWordStart = isBoundary
    }
    return result
  }

  private static func replace(_ call: FilterCall) throws -> Object {
    let binding = try call.bind("old", "new", "count", required: 2)
    return .string(
      try PythonString.replace(
        try (binding["old"] ?? .none).printed(), with: try (binding["new"] ?? .none).printed(), in: try call.text(),
        limit: try binding.integer("count") ?? -1, call.interpreter))
  }

  private static func center(_ call: FilterCall) throws -> Object {
    let width = try call.bind("width").integer("width", default: 80)
    return call.marked(try PythonString.padded(try call.text(), to: width, .center, call.interpreter))
  }

  private static func indent(_ call: FilterCall) throws -> Object {
    let binding = try call.bind("width", "first", "blank")
    let space: String
    if let text = binding["width"]?.text {
      space = text
    } else {
      space = try call.interpreter.repeating(" ", try binding.integer("width", default: 4))
    }
    let lines = PythonString.splitLines(try call.string() + "\n")
    let isBlankIndented = binding.isTrue("blank")
    try call.interpreter.checkText(space.utf8.count.multipliedSaturating(by: lines.count))
    var result = binding.isTrue("first") ? space : ""
    for (index, line) in lines.enumerated() {
      if index > 0 { result += "\n" + (isBlankIndented || !line.isEmpty ? space : "") }
      result += line
    }
    return call.marked(result)
  }

  private static func truncate(_ call: FilterCall) throws -> Object {
    let binding = try call.bind("length", "killwords", "end", "leeway")
    let length = try binding.integer("length", default: 255)
    let end = binding["end"] == nil ? "..." : try binding.string("end")
    let leeway = try binding.integer("leeway") ?? 5
    guard length >= end.scalarCount, leeway >= 0 else {
      throw JinjaError.runtime(
        "the filter 'truncate' needs a length of at least \(end.scalarCount) and a leeway of at least 0.")
    }
    let scalars = Array(try call.string().unicodeScalars)
    guard scalars.count > length.addingSaturating(leeway) else { return call.input }
    let kept = String(scalars: scalars.prefix(length - end.scalarCount))
    if binding.isTrue("killwords") { return call.marked(kept + end) }
    return call.marked(PythonString.split(kept, at: " ", limit: 1, fromRight: true)[0] + end)
  }

  private static func wordWrap(_ call: FilterCall) throws -> Object {
    let binding = try call.bind("width", "break_long_words", "wrapstring", "break_on_hyphens")
    let separator = try binding.optionalString("wrapstring") ?? "\n"
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
    for scalar in try call.text().unicodeScalars {
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
    var parts: [String] = []
    for entry in mapping.entries.values where !entry.value.isNone && !entry.value.isUndefined {
      guard let key = entry.key.text,
        !key.unicodeScalars.contains(where: { " \t\n\r\u{b}\u{c}/>=".unicodeScalars.contains($0) })
      else { throw JinjaError.runtime("\(try entry.key.represented()) is not the name of an attribute.") }
      parts.append(PythonText.escapedHTML(key) + "=\"" + PythonText.escapedHTML(try entry.value.printed()) + "\"")
    }
    let text = parts.joined(separator: " ")
    return .string(binding.isTrue("autospace", default: true) && !text.isEmpty ? " " + text : text)
  }

  private static func stripTags(_ call: FilterCall) throws -> Object {
    _ = try call.bind()
    var text = try call.text()
    for (open, close) in [("<!--", "-->"), ("<", ">")] {
      var parts: [String] = []
      var bytes = Array(text.utf8)[...]
      while let start = PythonString.find(Array(open.utf8), in: Array(bytes), from: 0),
        let end = PythonString.find(Array(close.utf8), in: Array(bytes), from: start + open.utf8.count)
      {
        try call.interpreter.charge(bytes.count)
        parts.append(String(decoding: bytes.prefix(start), as: UTF8.self))
        bytes = bytes.dropFirst(end + close.utf8.count)
      }
      parts.append(String(decoding: bytes, as: UTF8.self))
      text = parts.joined()
    }
    let words = PythonString.splitAtSpace(text, limit: -1).joined(separator: " ")
    return .string(unescapedHTML(words))
  }

  private static func unescapedHTML(_ text: String) -> String {
    var result = text
    let entities = [
      ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#34;", "\""), ("&#39;", "'"), ("&apos;", "'"),
      ("&nbsp;", "\u{a0}"), ("&amp;", "&"),
    ]
    for (entity, plain) in entities { result = result.replacing(entity, with: plain) }
    return result
  }

  private static func urlEncode(_ call: FilterCall) throws -> Object {
    _ = try call.bind()
    let pairs: [Object]
    switch call.input {
    case .dictionary(let mapping): pairs = mapping.pairs
    case .list, .tuple, .view, .iterator, .range: pairs = try call.items()
    default: return .string(quoted(try call.text(), keeping: "/"))
    }
    let parts = try pairs.map { pair in
      let items = try call.interpreter.items(of: pair)
      guard items.count == 2 else { throw JinjaError.runtime("the filter 'urlencode' needs pairs of key and value.") }
      return try items.map { quoted(try $0.printed(), keeping: "").replacing("%20", with: "+") }.joined(separator: "=")
    }
    return .string(parts.joined(separator: "&"))
  }

  private static func quoted(_ text: String, keeping safe: String) -> String {
    var allowed = CharacterSet(charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~")
    allowed.insert(charactersIn: safe)
    return text.addingPercentEncoding(withAllowedCharacters: allowed) ?? text
  }
}

/// The methods of Python's `str`.
enum StringMethods {
  typealias Method = (Text, Arguments, Interpreter) throws -> Object

  static func method(_ name: String, of text: Text) -> Object? {
    guard let method = table[name] else { return nil }
    return .function(
      Object.Function(name) { interpreter, arguments in
        try interpreter.charge(text.byteCount)
        return try method(text, arguments, interpreter)
      })
  }

  static var names: [String] { table.keys.sorted() }

  private nonisolated(unsafe) static let table: [String: Method] = {
    var table = trimming
    for more in [searching, shaping, classes] { table.merge(more) { _, new in new } }
    return table
  }()

  private static func plain(_ name: String, _ body: @escaping (Text) -> Object) -> Method {
    { text, arguments, _ in
      _ = try Binding(arguments, to: [], of: name)
      return body(text)
    }
  }

  private nonisolated(unsafe) static let trimming: [String: Method] = [
    "strip": { text, arguments, _ in
      let binding = try Binding(arguments, to: ["chars"], keywords: false, of: "strip")
      return .string(PythonString.strip(text, try binding.optionalText("chars")))
    },
    "lstrip": { text, arguments, _ in
      let binding = try Binding(arguments, to: ["chars"], keywords: false, of: "lstrip")
      return .string(PythonString.strip(text, try binding.optionalText("chars"), right: false))
    },
    "rstrip": { text, arguments, _ in
      let binding = try Binding(arguments, to: ["chars"], keywords: false, of: "rstrip")
      return .string(PythonString.strip(text, try binding.optionalText("chars"), left: false))
    },
    "removeprefix": { text, arguments, _ in
      let binding = try Binding(arguments, to: ["prefix"], required: 1, keywords: false, of: "removeprefix")
      let prefix = try binding.text("prefix")
      let isThere = text.string.utf8.starts(with: prefix.string.utf8)
      return .string(isThere ? text.dropFirst(bytes: prefix.byteCount) : text)
    },
    "removesuffix": { text, arguments, _ in
      let binding = try Binding(arguments, to: ["suffix"], required: 1, keywords: false, of: "removesuffix")
      let suffix = try binding.text("suffix")
      let rest = text.byteCount - suffix.byteCount
      guard rest >= 0, text.string.utf8.dropFirst(rest).elementsEqual(suffix.string.utf8) else { return .string(text) }
      return .string(text.prefix(bytes: rest))
    },
    "split": { text, arguments, interpreter in try split(text, arguments, interpreter, "split") },
    "rsplit": { text, arguments, interpreter in try split(text, arguments, interpreter, "rsplit") },
    "splitlines": { text, arguments, _ in
      let binding = try Binding(arguments, to: ["keepends"], of: "splitlines")
      return .list(PythonString.splitLines(text, keepingEnds: binding.isTrue("keepends")).map { .string($0) })
    },
    "partition": { text, arguments, _ in try partition(text, arguments, "partition") },
    "rpartition": { text, arguments, _ in try partition(text, arguments, "rpartition") },
  ]

  private static func split(
    _ text: Text, _ arguments: Arguments, _ interpreter: Interpreter, _ name: String
  ) throws -> Object {
    let binding = try Binding(arguments, to: ["sep", "maxsplit"], of: name)
    let limit = try binding.integer("maxsplit", default: -1)
    let parts: [Text]
    if let separator = try binding.optionalText("sep") {
      guard !separator.isEmpty else { throw JinjaError.runtime("'\(name)' needs a separator that is not empty.") }
      parts = PythonString.split(text, at: separator.string, limit: limit, fromRight: name == "rsplit")
    } else {
      parts = PythonString.splitAtSpace(text, limit: limit, fromRight: name == "rsplit")
    }
    try interpreter.checkElements(parts.count)
    return .list(parts.map { .string($0) })
  }

  private static func partition(_ text: Text, _ arguments: Arguments, _ name: String) throws -> Object {
    let separator = try Binding(arguments, to: ["sep"], required: 1, keywords: false, of: name).text("sep")
    guard !separator.isEmpty else { throw JinjaError.runtime("'\(name)' needs a separator that is not empty.") }
    let parts = PythonString.split(text, at: separator.string, limit: 1, fromRight: name == "rpartition")
    // What stands between the parts is the text's own, not the argument.
    let between = parts[0].byteCount..<parts[0].byteCount + separator.byteCount
    if parts.count == 2 { return .tuple([.string(parts[0]), .string(text.bytes(between)), .string(parts[1])]) }
    let empty = Object.string("")
    return .tuple(name == "partition" ? [.string(text), empty, empty] : [empty, empty, .string(text)])
  }

  private nonisolated(unsafe) static let searching: [String: Method] = [
    "startswith": { text, arguments, interpreter in try hasEdge(text, arguments, interpreter, "startswith") },
    "endswith": { text, arguments, interpreter in try hasEdge(text, arguments, interpreter, "endswith") },
    "find": { text, arguments, _ in .integer(try position(text, arguments, "find") ?? -1) },
    "rfind": { text, arguments, _ in .integer(try position(text, arguments, "rfind") ?? -1) },
    "index": { text, arguments, _ in .integer(try found(try position(text, arguments, "index"))) },
    "rindex": { text, arguments, _ in .integer(try found(try position(text, arguments, "rindex"))) },
    "count": { text, arguments, _ in
      let (part, window, _) = try search(text, arguments, "count")
      guard let window else { return .integer(0) }
      if part.isEmpty { return .integer(window.count + 1) }
      let finder = PartFinder(part)
      var count = 0
      var index = 0
      while let hit = finder.first(in: window, from: index) {
        count += 1
        index = hit + part.count
      }
      return .integer(count)
    },
    "replace": { text, arguments, interpreter in
      let binding = try Binding(arguments, to: ["old", "new", "count"], required: 2, keywords: false, of: "replace")
      return .string(
        try PythonString.replace(
          try binding.text("old").string, with: try binding.text("new"), in: text,
          limit: try binding.integer("count", default: -1), interpreter))
    },
  ]

  /// The searched part, the scalars between the optional bounds (nil when they are beyond the end), and their start.
  private static func search(
    _ text: Text, _ arguments: Arguments, _ name: String
  ) throws -> (PythonString.Scalars, PythonString.Scalars?, Int) {
    let binding = try Binding(arguments, to: ["sub", "start", "end"], required: 1, keywords: false, of: name)
    let (window, start) = try bounded(Array(text.string.unicodeScalars), binding)
    return (Array(try binding.text("sub").string.unicodeScalars), window, start)
  }

  private static func bounded(
    _ scalars: PythonString.Scalars, _ binding: Binding
  ) throws -> (PythonString.Scalars?, Int) {
    func clamp(_ bound: Int) -> Int {
      max(0, bound < 0 ? bound.addingReportingOverflow(scalars.count).partialValue : bound)
    }
    let start = clamp(try binding.integer("start") ?? 0)
    let end = min(clamp(try binding.integer("end") ?? scalars.count), scalars.count)
    return (start <= end ? Array(scalars[start..<end]) : nil, start)
  }

  private static func position(_ text: Text, _ arguments: Arguments, _ name: String) throws -> Int? {
    let (part, window, start) = try search(text, arguments, name)
    guard let window else { return nil }
    let hit =
      name.hasPrefix("r")
      ? PythonString.findLast(part, in: window, before: window.count) : PythonString.find(part, in: window, from: 0)
    return hit.map { $0 + start }
  }

  private static func found(_ position: Int?) throws -> Int {
    guard let position else { throw JinjaError.runtime("the substring is not found.") }
    return position
  }

  private static func hasEdge(
    _ text: Text, _ arguments: Arguments, _ interpreter: Interpreter, _ name: String
  ) throws -> Object {
    let binding = try Binding(arguments, to: ["affix", "start", "end"], required: 1, keywords: false, of: name)
    var affixes = [binding["affix"] ?? .none]
    if case .tuple(let choices) = affixes[0] { affixes = choices.items }
    let (window, _) = try bounded(Array(text.string.unicodeScalars), binding)
    for affix in affixes {
      guard let affix = affix.text?.string else {
        throw JinjaError.runtime("'\(name)' takes a string or a tuple of strings, found '\(affix.typeName)'.")
      }
      guard let window else { continue }
      let part = Array(affix.unicodeScalars)
      if name == "startswith" ? window.starts(with: part) : window.reversed().starts(with: part.reversed()) {
        return .boolean(true)
      }
    }
    return .boolean(false)
  }

  private nonisolated(unsafe) static let shaping: [String: Method] = [
    "upper": plain("upper") { .string($0.uppercased()) },
    "lower": plain("lower") { .string($0.lowercased()) },
    "casefold": plain("casefold") { text in
      .string(text.lowercased().mapped { $0 == "ß" ? "ss" : String($0) })
    },
    "capitalize": plain("capitalize") { .string(PythonString.capitalized($0)) },
    "title": plain("title") { .string(PythonString.title($0)) },
    "swapcase": plain("swapcase") { .string(PythonString.swapCase($0)) },
    "center": { text, arguments, interpreter in try pad(text, arguments, interpreter, .center, "center") },
    "ljust": { text, arguments, interpreter in try pad(text, arguments, interpreter, .left, "ljust") },
    "rjust": { text, arguments, interpreter in try pad(text, arguments, interpreter, .right, "rjust") },
    "zfill": { text, arguments, interpreter in
      let width = try Binding(arguments, to: ["width"], required: 1, keywords: false, of: "zfill").integer(
        "width", default: 0)
      let sign = text.string.utf8.first
      let hasSign = sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-")
      let digits = try PythonString.padded(
        text.dropFirst(bytes: hasSign ? 1 : 0), to: hasSign ? max(width, 1) - 1 : width, with: "0", .right, interpreter)
      return .string(text.prefix(bytes: hasSign ? 1 : 0) + digits)
    },
    "expandtabs": { text, arguments, interpreter in
      let size = try Binding(arguments, to: ["tabsize"], of: "expandtabs").integer("tabsize", default: 8)
      var result = Text()
      var column = 0
      for letter in text.letters {
        if letter.scalar == "\t" {
          let gap = size > 0 ? size - column % size : 0
          try interpreter.checkText(result.size.addingSaturating(gap))
          result += try interpreter.repeating(" ", gap)
          column += gap
        } else {
          result.append(letter)
          column = letter.scalar == "\n" || letter.scalar == "\r" ? 0 : column + 1
        }
      }
      return .string(result)
    },
    "join": { text, arguments, interpreter in
      let binding = try Binding(arguments, to: ["iterable"], required: 1, keywords: false, of: "join")
      let parts = try interpreter.items(of: binding["iterable"] ?? .none).map { item in
        guard let part = item.text else {
          throw JinjaError.runtime("'join' joins strings, found '\(item.typeName)'.")
        }
        return part
      }
      return .string(try PythonString.joined(parts, by: text, interpreter))
    },
    "format": { text, arguments, interpreter in
      .string(try BraceFormat.format(text, arguments, interpreter))
    },
    "format_map": { text, arguments, interpreter in
      let binding = try Binding(arguments, to: ["mapping"], required: 1, keywords: false, of: "format_map")
      guard case .dictionary(let mapping)? = binding["mapping"] else {
        throw JinjaError.runtime("'format_map' needs a dictionary.")
      }
      return .string(try BraceFormat.format(text, Arguments(keywords: mapping.namedEntries), interpreter))
    },
  ]

  private static func pad(
    _ text: Text, _ arguments: Arguments, _ interpreter: Interpreter, _ side: PythonString.Side, _ name: String
  ) throws -> Object {
    let binding = try Binding(arguments, to: ["width", "fillchar"], required: 1, keywords: false, of: name)
    let fill = binding["fillchar"] == nil ? " " : try binding.text("fillchar")
    return .string(
      try PythonString.padded(text, to: try binding.integer("width", default: 0), with: fill, side, interpreter))
  }

  private static func every(_ name: String, _ test: @escaping (Unicode.Scalar) -> Bool) -> Method {
    plain(name) { text in .boolean(!text.isEmpty && text.string.unicodeScalars.allSatisfy(test)) }
  }

  private nonisolated(unsafe) static let classes: [String: Method] = [
    "isdigit": every("isdigit") { $0.isPythonDigit },
    "isdecimal": every("isdecimal") { $0.isPythonDecimal },
    "isnumeric": every("isnumeric") { $0.isPythonNumeric },
    "isalpha": every("isalpha") { $0.isPythonLetter },
    "isalnum": every("isalnum") { $0.isPythonLetter || $0.isPythonNumeric },
    "isspace": every("isspace") { $0.isPythonSpace },
    "isascii": plain("isascii") { text in .boolean(text.string.utf8.allSatisfy { $0 < 0x80 }) },
    "isprintable": plain("isprintable") { text in
      .boolean(text.string.unicodeScalars.allSatisfy(\.isPythonPrintable))
    },
    "islower": plain("islower") { .boolean(PythonString.isLower($0.string)) },
    "isupper": plain("isupper") { .boolean(PythonString.isUpper($0.string)) },
    "istitle": plain("istitle") { .boolean(PythonString.isTitle($0.string)) },
    "isidentifier": plain("isidentifier") { text in
      let scalars = text.string.unicodeScalars
      guard let first = scalars.first, first == "_" || first.properties.isXIDStart else { return .boolean(false) }
      return .boolean(scalars.allSatisfy { $0 == "_" || $0.properties.isXIDContinue })
    },
  ]
}

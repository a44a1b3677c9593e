import OrderedCollections

/// Python's `str.format`, with the sandbox's rules for attributes.
enum BraceFormat {
  static func format(_ format: Text, _ arguments: Arguments, _ interpreter: Interpreter) throws -> Text {
    var formatter = Formatter(arguments: arguments, interpreter: interpreter)
    return try formatter.format(format.letters, depth: 2)
  }

  private struct Formatter {
    let arguments: Arguments
    let interpreter: Interpreter
    /// The next automatic position; nil once positions are written out.
    var automatic: Int? = 0

    mutating func format(_ letters: [Letter], depth: Int) throws -> Text {
      guard depth >= 0 else { throw JinjaError.runtime("places in a format are nested too deep.") }
      var result = Text()
      var index = 0
      while index < letters.count {
        let scalar = letters[index].scalar
        let isDoubled = index + 1 < letters.count && letters[index + 1].scalar == scalar
        if scalar == "{", !isDoubled {
          let end = try fieldEnd(letters, index + 1)
          result += try field(Array(letters[index + 1..<end]), depth: depth)
          try interpreter.checkText(result.size)
          index = end + 1
          continue
        }
        if scalar == "{" || scalar == "}" {
          guard isDoubled else { throw JinjaError.runtime("the format has a single '}'.") }
          index += 1
        }
        result.append(letters[index])
        index += 1
      }
      return result
    }

    private func fieldEnd(_ letters: [Letter], _ start: Int) throws -> Int {
      var open = 1
      for index in start..<letters.count {
        if letters[index].scalar == "{" { open += 1 }
        if letters[index].scalar == "}" { open -= 1 }
        if open == 0 { return index }
      }
      throw JinjaError.runtime("a place in the format has no '}'.")
    }

    /// `name!conversion:specification`
    private mutating func field(_ letters: [Letter], depth: Int) throws -> Text {
      let scalars = letters.map(\.scalar)
      var bracket = false
      let nameEnd =
        scalars.firstIndex { scalar in
          if scalar == "[" { bracket = true }
          if scalar == "]" { bracket = false }
          return !bracket && (scalar == "!" || scalar == ":")
        } ?? scalars.count
      var object = try lookUp(Array(scalars[..<nameEnd]))
      var rest = scalars[nameEnd...]
      if rest.first == "!" {
        guard rest.count >= 2 else { throw JinjaError.runtime("a conversion in the format has no letter.") }
        switch rest[rest.startIndex + 1] {
        case "r", "a": object = .string(try object.represented())
        case "s": object = .string(try object.printed())
        default: throw JinjaError.runtime("the format knows the conversions '!r' and '!s' only.")
        }
        rest = rest.dropFirst(2)
        guard rest.isEmpty || rest.first == ":" else {
          throw JinjaError.runtime("expected ':' after a conversion in the format.")
        }
      }
      let specification = try format(letters.suffix(max(rest.count - 1, 0)), depth: depth - 1)
      return try show(object, specification)
    }

    private mutating func lookUp(_ name: [Unicode.Scalar]) throws -> Object {
      let firstEnd = name.firstIndex { $0 == "." || $0 == "[" } ?? name.count
      let first = String(scalars: name[..<firstEnd])
      var object: Object
      if first.isEmpty {
        guard let position = automatic else {
          throw JinjaError.runtime("the format mixes numbered and unnumbered places.")
        }
        object = try positional(position)
        automatic = position + 1
      } else if let position = Int(first), first.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) {
        guard automatic == nil || automatic == 0 else {
          throw JinjaError.runtime("the format mixes numbered and unnumbered places.")
        }
        automatic = nil
        object = try positional(position)
      } else {
        guard let named = arguments.keywords[first] else {
          throw JinjaError.runtime("the format needs a value named '\(first)'.")
        }
        object = named
      }
      var index = firstEnd
      while index < name.count {
        let isElement = name[index] == "["
        let start = index + 1
        let end = name[start...].firstIndex { isElement ? $0 == "]" : $0 == "." || $0 == "[" } ?? name.count
        let part = String(scalars: name[start..<end])
        guard !part.isEmpty else { throw JinjaError.runtime("a place in the format has an empty name.") }
        if isElement {
          object = try interpreter.element(Int(part).map { .integer($0) } ?? .string(Text(part)), of: object)
          index = end + 1
        } else {
          object = try interpreter.attribute(part, of: object)
          index = end
        }
      }
      return object
    }

    private func positional(_ index: Int) throws -> Object {
      guard arguments.positional.indices.contains(index) else {
        throw JinjaError.runtime(
          "the format has no value at position \(index), found \(arguments.positional.count) values.")
      }
      return arguments.positional[index]
    }

    private func show(_ object: Object, _ specification: Text) throws -> Text {
      if specification.isEmpty { return try object.printed() }
      let field = try parse(specification.letters)
      switch object {
      case .string(let text), .markup(let text):
        guard field.type == nil || field.type == "s" else { throw unknown(specification, object) }
        return try field.laidOut(text, interpreter)
      case .boolean(let value) where field.type == nil:
        return try field.laidOut(value ? "True" : "False", interpreter)
      case .integer, .boolean:
        let value = object.integer ?? 0
        switch field.type {
        case nil, "d", "n", "x", "X", "o", "b", "c": return try field.laidOut(value, interpreter)
        case "f", "F", "e", "E", "g", "G", "%": return try field.laidOut(Double(value), interpreter)
        default: throw unknown(specification, object)
        }
      case .double(let value):
        switch field.type {
        case nil, "f", "F", "e", "E", "g", "G", "n", "%": return try field.laidOut(value, interpreter)
        default: throw unknown(specification, object)
        }
      default: throw unknown(specification, object)
      }
    }

    private func unknown(_ specification: Text, _ object: Object) -> JinjaError {
      .runtime("the format '\(specification.string)' does not fit a value of type '\(object.typeName)'.")
    }

    /// `[[fill]align][sign][#][0][width][,][.precision][type]`
    private func parse(_ letters: [Letter]) throws -> FieldFormat {
      let scalars = letters.map(\.scalar)
      var field = FieldFormat()
      var index = 0
      func at(_ offset: Int) -> Unicode.Scalar { index + offset < scalars.count ? scalars[index + offset] : "\0" }
      func isAlignment(_ scalar: Unicode.Scalar) -> Bool {
        scalar == "<" || scalar == ">" || scalar == "^" || scalar == "="
      }
      func number() -> Int? {
        var value: Int?
        while at(0).isASCIIDigit {
          value = min((value ?? 0) * 10 + Int(at(0).value) - 48, 1 << 40)
          index += 1
        }
        return value
      }
      if isAlignment(at(1)) {
        field.fill = letters[index]
        field.alignment = at(1)
        index += 2
      } else if isAlignment(at(0)) {
        field.alignment = at(0)
        index += 1
      }
      if at(0) == "+" || at(0) == "-" || at(0) == " " {
        field.sign = at(0)
        index += 1
      }
      if at(0) == "#" {
        field.isAlternate = true
        index += 1
      }
      if at(0) == "0" {
        if field.alignment == nil {
          field.fill = Letter(scalar: "0", isTrusted: false)
          field.alignment = "="
        }
        index += 1
      }
      field.width = number() ?? 0
      if at(0) == "," || at(0) == "_" {
        field.separator = at(0)
        index += 1
      }
      if at(0) == "." {
        index += 1
        guard let precision = number() else { throw JinjaError.runtime("a format has a point without a precision.") }
        field.precision = precision
      }
      if index < scalars.count {
        field.type = at(0)
        index += 1
      }
      guard index == scalars.count else {
        throw JinjaError.runtime("the format '\(String(scalars: scalars))' is not understood.")
      }
      return field
    }
  }
}

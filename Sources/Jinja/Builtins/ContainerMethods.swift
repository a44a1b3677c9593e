import OrderedCollections

/// The methods of Python's `dict`. Those that change it need a dialect that allows it.
enum DictionaryMethods {
  private static let changing: Set<String> = ["clear", "pop", "popitem", "setdefault", "update"]

  static func method(_ name: String, of mapping: Object.Mapping, _ interpreter: Interpreter) -> Object? {
    if let kind = Object.View.Kind(rawValue: name) {
      return function(name) { arguments in
        _ = try Binding(arguments, to: [], of: name)
        return .view(Object.View(kind: kind, mapping: mapping))
      }
    }
    switch name {
    case "get":
      return function(name) { arguments in
        let binding = try Binding(arguments, to: ["key", "default"], required: 1, keywords: false, of: name)
        return mapping.entries[try Key(binding["key"] ?? .none)]?.value ?? binding["default"] ?? .none
      }
    case "copy":
      return function(name) { arguments in
        _ = try Binding(arguments, to: [], of: name)
        let copy = Object.Mapping()
        copy.entries = mapping.entries
        copy.depth = mapping.depth
        return .dictionary(copy)
      }
    case _ where changing.contains(name):
      guard interpreter.dialect == .lenient else { return ListMethods.forbidden(name, "dict") }
      interpreter.register(mapping)
      return function(name) { try change(name, mapping, $0, interpreter) }
    default: return nil
    }
  }

  private static func function(_ name: String, _ body: @escaping (Arguments) throws -> Object) -> Object {
    .function(Object.Function(name) { _, arguments in try body(arguments) })
  }

  private static func change(
    _ name: String, _ mapping: Object.Mapping, _ arguments: Arguments, _ interpreter: Interpreter
  ) throws -> Object {
    switch name {
    case "clear":
      _ = try Binding(arguments, to: [], of: name)
      mapping.entries = [:]
    case "pop":
      let binding = try Binding(arguments, to: ["key", "default"], required: 1, keywords: false, of: name)
      let key = binding["key"] ?? .none
      if let entry = mapping.entries.removeValue(forKey: try Key(key)) { return entry.value }
      guard let value = binding["default"] else {
        throw JinjaError.runtime("the dictionary has no key \(try key.represented().string).")
      }
      return value
    case "popitem":
      _ = try Binding(arguments, to: [], of: name)
      guard let last = mapping.entries.values.last else { throw JinjaError.runtime("the dictionary is empty.") }
      mapping.entries.removeLast()
      return .tuple([last.key, last.value])
    case "setdefault":
      let binding = try Binding(arguments, to: ["key", "default"], required: 1, keywords: false, of: name)
      let key = binding["key"] ?? .none
      if let entry = mapping.entries[try Key(key)] { return entry.value }
      let value = binding["default"] ?? .none
      try mapping.set(key, value)
      try ListMethods.check(mapping.depth)
      return value
    default:
      try Globals.fill(mapping, from: arguments, interpreter, of: name)
      try ListMethods.check(mapping.depth)
    }
    return .none
  }
}

/// The methods of Python's `list` and `tuple`.
enum ListMethods {
  private static let changing: Set<String> = [
    "append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort",
  ]

  static func method(_ name: String, of sequence: Object.Sequence, _ interpreter: Interpreter) -> Object? {
    if name == "copy" {
      return .function(
        Object.Function(name) { _, arguments in
          _ = try Binding(arguments, to: [], of: name)
          return .list(sequence.items)
        })
    }
    guard changing.contains(name) else { return search(name, sequence) }
    guard interpreter.dialect == .lenient else { return forbidden(name, "list") }
    interpreter.register(sequence)
    return .function(
      Object.Function(name) { interpreter, arguments in
        let result = try change(name, sequence, arguments, interpreter)
        try interpreter.checkElements(sequence.items.count)
        try check(sequence.depth)
        return result
      })
  }

  /// What a method that changes its object is in the strict dialect: a call of it fails.
  static func forbidden(_ name: String, _ type: String) -> Object {
    .because("'\(name)' changes a value of type '\(type)', which the strict dialect does not allow.")
  }

  static func check(_ depth: Int) throws {
    guard depth <= Limits.containerDepth else {
      throw JinjaError.limit("a value is nested deeper than \(Limits.containerDepth) levels.")
    }
  }

  static func search(_ name: String, _ sequence: Object.Sequence) -> Object? {
    switch name {
    case "count":
      return .function(
        Object.Function(name) { interpreter, arguments in
          let binding = try Binding(arguments, to: ["value"], required: 1, keywords: false, of: name)
          let wanted = binding["value"] ?? .none
          return .integer(try sequence.items.filter { try Operators.areEqual($0, wanted, interpreter) }.count)
        })
    case "index":
      return .function(
        Object.Function(name) { interpreter, arguments in
          let binding = try Binding(arguments, to: ["value", "start", "stop"], required: 1, keywords: false, of: name)
          let wanted = binding["value"] ?? .none
          let range = try Slicing.positions(
            count: sequence.items.count, from: try binding.integer("start"), to: try binding.integer("stop"), by: nil)
          guard let index = try range.first(where: { try Operators.areEqual(sequence.items[$0], wanted, interpreter) })
          else {
            throw JinjaError.runtime("the list does not hold \(try wanted.represented().string).")
          }
          return .integer(index)
        })
    default: return nil
    }
  }

  private static func change(
    _ name: String, _ sequence: Object.Sequence, _ arguments: Arguments, _ interpreter: Interpreter
  ) throws -> Object {
    switch name {
    case "append":
      let binding = try Binding(arguments, to: ["value"], required: 1, keywords: false, of: name)
      sequence.append(binding["value"] ?? .none)
    case "extend":
      let binding = try Binding(arguments, to: ["values"], required: 1, keywords: false, of: name)
      for item in try interpreter.items(of: binding["values"] ?? .none) { sequence.append(item) }
    case "insert":
      let binding = try Binding(arguments, to: ["index", "value"], required: 2, keywords: false, of: name)
      let index = try binding.integer("index", default: 0)
      let count = sequence.items.count
      let value = binding["value"] ?? .none
      sequence.items.insert(
        value, at: index < 0 ? max(0, index.addingReportingOverflow(count).partialValue) : min(index, count))
      sequence.depth = max(sequence.depth, value.depth + 1)
    case "pop":
      let binding = try Binding(arguments, to: ["index"], keywords: false, of: name)
      let index = try binding.integer("index", default: -1)
      let position = index < 0 ? index.addingReportingOverflow(sequence.items.count).partialValue : index
      guard sequence.items.indices.contains(position) else {
        throw JinjaError.runtime("'pop' finds no element \(index) in a list of \(sequence.items.count).")
      }
      return sequence.items.remove(at: position)
    case "remove":
      let binding = try Binding(arguments, to: ["value"], required: 1, keywords: false, of: name)
      let wanted = binding["value"] ?? .none
      guard let index = try sequence.items.firstIndex(where: { try Operators.areEqual($0, wanted, interpreter) })
      else {
        throw JinjaError.runtime("the list does not hold \(try wanted.represented().string).")
      }
      sequence.items.remove(at: index)
    case "sort":
      let binding = try Binding(arguments, to: ["reverse"], of: name)
      sequence.items = try Sorting.sorted(sequence.items, reversed: binding.isTrue("reverse"), interpreter)
    case "reverse":
      _ = try Binding(arguments, to: [], of: name)
      sequence.items.reverse()
    default:
      _ = try Binding(arguments, to: [], of: name)
      sequence.items = []
    }
    return .none
  }
}

/// The few methods of numbers and ranges that Python has.
enum NumberMethods {
  static func method(_ name: String, of object: Object) -> Object? {
    switch (name, object) {
    case ("is_integer", .double(let value)): constant(name, .boolean(value.rounded() == value))
    case ("bit_length", .integer(let value)):
      constant(name, .integer(Int.bitWidth - value.magnitude.leadingZeroBitCount))
    case ("real", _), ("numerator", .integer): object
    case ("imag", _): .integer(0)
    case ("denominator", .integer): .integer(1)
    default: nil
    }
  }

  static func attribute(_ name: String, of range: Object.Range) -> Object? {
    switch name {
    case "start": .integer(range.start)
    case "stop": .integer(range.stop)
    case "step": .integer(range.step)
    default: nil
    }
  }

  private static func constant(_ name: String, _ value: Object) -> Object {
    .function(
      Object.Function(name) { _, arguments in
        _ = try Binding(arguments, to: [], of: name)
        return value
      })
  }
}

import Foundation
import OrderedCollections

/// The functions that every template can call.
enum Globals {
  nonisolated(unsafe) static let functions: [(String, Object.Function)] = [
    ("range", Object.Function("range") { _, arguments in try range(arguments) }),
    (
      "dict",
      Object.Function("dict") { interpreter, arguments in
        let mapping = Object.Mapping()
        try fill(mapping, from: arguments, interpreter, of: "dict")
        return .dictionary(mapping)
      }
    ),
    (
      "namespace",
      Object.Function("namespace") { interpreter, arguments in
        let mapping = Object.Mapping()
        try fill(mapping, from: arguments, interpreter, of: "namespace")
        interpreter.register(mapping)
        return .namespace(mapping)
      }
    ),
    ("cycler", Object.Function("cycler") { _, arguments in try cycler(arguments) }),
    ("joiner", Object.Function("joiner") { _, arguments in try joiner(arguments) }),
    (
      "raise_exception",
      Object.Function("raise_exception") { _, arguments in
        let binding = try Binding(arguments, to: ["message"], required: 1, of: "raise_exception")
        throw JinjaError(kind: .raised, message: try (binding["message"] ?? .none).printed().string)
      }
    ),
    (
      "strftime_now",
      Object.Function("strftime_now") { interpreter, arguments in
        let binding = try Binding(arguments, to: ["format"], required: 1, of: "strftime_now")
        // The digits are the clock's, all else is the format's.
        let format = try binding.text("format")
        return .string(Text(try interpreter.clock.formatted(format.string), isTrusted: format.isTrusted))
      }
    ),
  ]

  private static func range(_ arguments: Arguments) throws -> Object {
    let binding = try Binding(arguments, to: ["start", "stop", "step"], required: 1, keywords: false, of: "range")
    let first = try binding.integer("start", default: 0)
    let hasStop = binding["stop"] != nil
    let range = Object.Range(
      start: hasStop ? first : 0, stop: hasStop ? try binding.integer("stop", default: 0) : first,
      step: try binding.integer("step", default: 1))
    guard range.step != 0 else { throw JinjaError.runtime("the step of a range cannot be zero.") }
    guard range.count <= Limits.range else {
      throw JinjaError.limit("a range has more than \(Limits.range) elements.")
    }
    return .range(range)
  }

  /// Adds what the constructor of a dictionary takes: a mapping or pairs, and named entries.
  static func fill(
    _ mapping: Object.Mapping, from arguments: Arguments, _ interpreter: Interpreter, of name: String
  ) throws {
    guard arguments.positional.count <= 1 else {
      throw JinjaError.runtime("'\(name)' takes at most 1 argument, found \(arguments.positional.count).")
    }
    switch arguments.positional.first {
    case .dictionary(let source)?: for entry in source.entries.values { try mapping.set(entry.key, entry.value) }
    case let source?:
      for item in try interpreter.items(of: source) {
        let pair = try interpreter.items(of: item)
        guard pair.count == 2 else {
          throw JinjaError.runtime("'\(name)' needs pairs of key and value, found \(pair.count) elements.")
        }
        try mapping.set(pair[0], pair[1])
      }
    case nil: break
    }
    for (key, value) in arguments.keywords { try mapping.set(.string(Text(key)), value) }
  }

  private static func cycler(_ arguments: Arguments) throws -> Object {
    let choices = arguments.positional
    guard !choices.isEmpty else { throw JinjaError.runtime("'cycler' needs at least one item.") }
    var position = 0
    let next = Object.Function("next") { _, _ in
      defer { position = (position + 1) % choices.count }
      return choices[position]
    }
    let reset = Object.Function("reset") { _, _ in
      position = 0
      return .none
    }
    return .function(
      Object.Function(
        "cycler",
        attributes: { name in
          switch name {
          case "next": .function(next)
          case "reset": .function(reset)
          case "current": choices[position]
          default: nil
          }
        }, { _, _ in throw JinjaError.runtime("a cycler is not a function; call its 'next'.") }))
  }

  private static func joiner(_ arguments: Arguments) throws -> Object {
    let binding = try Binding(arguments, to: ["sep"], of: "joiner")
    let separator = binding["sep"] ?? .string(", ")
    var isUsed = false
    return .function(
      Object.Function("joiner") { _, _ in
        defer { isUsed = true }
        return isUsed ? separator : .string("")
      })
  }
}

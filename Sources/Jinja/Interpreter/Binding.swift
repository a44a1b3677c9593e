import OrderedCollections

/// Matches the arguments of a call to a function's parameters, as Python does.
struct Binding {
  private let function: String
  private let values: [String: Object]

  /// - Parameters:
  ///   - parameters: the names in order; those after `required` may be left out.
  ///   - keywords: whether arguments may be given by name.
  init(
    _ arguments: Arguments, to parameters: [String], required: Int = 0, keywords: Bool = true, of function: String
  ) throws {
    guard arguments.positional.count <= parameters.count else {
      throw JinjaError.runtime(
        "'\(function)' takes at most \(parameters.count) arguments, found \(arguments.positional.count).")
    }
    var values: [String: Object] = [:]
    for (name, value) in zip(parameters, arguments.positional) { values[name] = value }
    for (name, value) in arguments.keywords {
      guard keywords, parameters.contains(name) else {
        throw JinjaError.runtime("'\(function)' has no argument named '\(name)'.")
      }
      guard values.updateValue(value, forKey: name) == nil else {
        throw JinjaError.runtime("'\(function)' is given two values for '\(name)'.")
      }
    }
    for name in parameters.prefix(required) where values[name] == nil {
      throw JinjaError.runtime("'\(function)' needs the argument '\(name)'.")
    }
    self.function = function
    self.values = values
  }

  subscript(_ name: String) -> Object? { values[name] }

  private func wrong(_ name: String, _ expected: String, _ value: Object) -> JinjaError {
    if case .undefined(let reason) = value { return .runtime(reason.sentence) }
    return .runtime("the argument '\(name)' of '\(function)' is \(expected), found '\(value.typeName)'.")
  }

  func integer(_ name: String, default initial: Int) throws -> Int {
    guard let value = values[name] else { return initial }
    guard let integer = value.integer else { throw wrong(name, "an integer", value) }
    return integer
  }

  /// An integer that `None` leaves open.
  func integer(_ name: String) throws -> Int? {
    guard let value = values[name], !value.isNone else { return nil }
    return try integer(name, default: 0)
  }

  func text(_ name: String) throws -> Text {
    guard let value = values[name] else { throw JinjaError.runtime("'\(function)' needs the argument '\(name)'.") }
    guard let text = value.text else { throw wrong(name, "a string", value) }
    return text
  }

  /// A string that `None` leaves open.
  func optionalText(_ name: String) throws -> Text? {
    guard let value = values[name], !value.isNone else { return nil }
    return try text(name)
  }

  func isTrue(_ name: String, default initial: Bool = false) -> Bool { values[name]?.isTrue ?? initial }
}

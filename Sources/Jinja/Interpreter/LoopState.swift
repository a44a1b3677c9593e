import OrderedCollections

/// The `loop` variable inside a `for` block.
final class LoopState {
  let items: [Object]
  /// The turn, counted from 0.
  var index = 0
  /// How many recursive loops are around this one.
  let outer: Int
  private let recurse: ((Object, Int) throws -> Object)?
  private var changedValue: [Object]?

  init(_ items: [Object], outer: Int, recurse: ((Object, Int) throws -> Object)?) {
    self.items = items
    self.outer = outer
    self.recurse = recurse
  }

  /// Renders the loop's body over other items: a call of `loop(…)`.
  func callAsFunction(_ arguments: Arguments) throws -> Object {
    guard let recurse else {
      throw JinjaError.runtime("'loop' can be called only in a loop that is marked 'recursive'.")
    }
    guard arguments.positional.count == 1, arguments.keywords.isEmpty else {
      throw JinjaError.runtime("'loop' takes one sequence.")
    }
    return try recurse(arguments.positional[0], outer + 1)
  }

  func attribute(_ name: String) -> Object? {
    switch name {
    case "index": .integer(index + 1)
    case "index0": .integer(index)
    case "revindex": .integer(items.count - index)
    case "revindex0": .integer(items.count - index - 1)
    case "first": .boolean(index == 0)
    case "last": .boolean(index == items.count - 1)
    case "length": .integer(items.count)
    case "depth": .integer(outer + 1)
    case "depth0": .integer(outer)
    case "previtem": index > 0 ? items[index - 1] : .because("there is no previous item.")
    case "nextitem": index + 1 < items.count ? items[index + 1] : .because("there is no next item.")
    case "cycle": .function(Object.Function("cycle") { [self] _, arguments in try cycle(arguments.positional) })
    case "changed": .function(Object.Function("changed") { [self] in try changed($1.positional, $0) })
    default: nil
    }
  }

  private func cycle(_ choices: [Object]) throws -> Object {
    guard !choices.isEmpty else { throw JinjaError.runtime("'loop.cycle' needs at least one item.") }
    return choices[index % choices.count]
  }

  private func changed(_ value: [Object], _ interpreter: Interpreter) throws -> Object {
    if let last = changedValue, try Operators.areEqual(.tuple(last), .tuple(value), interpreter) {
      return .boolean(false)
    }
    changedValue = value
    return .boolean(true)
  }
}

import OrderedCollections

/// Expressions. Each kind of node has a function of its own, which keeps the stack's frames small.
extension Interpreter {
  func evaluate(_ expression: Expression) throws -> Object {
    try step()
    switch expression.kind {
    case .none: return .none
    case .boolean(let value): return .boolean(value)
    case .integer(let value): return .integer(value)
    case .double(let value): return .double(value)
    case .string(let text): return .string(Text(text, isTrusted: true))
    case .captured: return captured
    case .name(let name): return scope.value(name) ?? .because("'\(name)' is undefined.")
    default: return try deeper { try checked(try evaluateOperation(expression)) }
    }
  }

  /// Refuses results that have grown too large or too deep.
  private func checked(_ object: Object) throws -> Object {
    switch object {
    case .string(let text), .markup(let text): try checkText(text.size)
    case .list(let sequence), .tuple(let sequence):
      guard sequence.items.count <= limits.elements else {
        throw JinjaError.limit("a list grows beyond \(limits.elements) elements.")
      }
      fallthrough
    default:
      guard object.depth <= Limits.containerDepth else {
        throw JinjaError.limit("a value is nested deeper than \(Limits.containerDepth) levels.")
      }
    }
    return object
  }

  private func evaluateOperation(_ expression: Expression) throws -> Object {
    switch expression.kind {
    case .list(let items): return .list(try evaluate(items))
    case .tuple(let items): return .tuple(try evaluate(items))
    case .dictionary(let entries): return try evaluateDictionary(entries)
    case .attribute(let base, let name): return try attribute(name, of: try evaluate(base))
    case .element(let base, let index): return try element(try evaluate(index), of: try evaluate(base))
    case .slice(let base, let bounds): return try evaluateSlice(base, bounds)
    case .call(let callee, let call): return try evaluateCall(callee, call)
    case .filter(let input, let name, let call): return try evaluateFilter(input, name, call)
    case .test(let input, let name, let call): return try evaluateTest(input, name, call)
    case .conditional(let test, let then, let otherwise):
      return try evaluateConditional(test, then, otherwise, line: expression.line)
    default: return try evaluateOperator(expression)
    }
  }

  private func evaluateOperator(_ expression: Expression) throws -> Object {
    switch expression.kind {
    case .not(let operand): return .boolean(try !evaluate(operand).isTrue)
    case .negative(let operand): return try Operators.negated(try evaluate(operand))
    case .positive(let operand): return try Operators.positive(try evaluate(operand))
    case .all(let items): return try evaluateUntil(false, items)
    case .any(let items): return try evaluateUntil(true, items)
    case .arithmetic(let operation, let left, let right):
      return try Operators.apply(operation, try evaluate(left), try evaluate(right), self)
    case .concatenation(let items): return try evaluateConcatenation(items)
    case .comparison(let left, let others): return try evaluateComparison(left, others)
    default: return .none
    }
  }

  private func evaluate(_ items: [Expression]) throws -> [Object] {
    var result: [Object] = []
    result.reserveCapacity(items.count)
    for item in items { result.append(try evaluate(item)) }
    return result
  }

  private func evaluateDictionary(_ entries: [Expression.Entry]) throws -> Object {
    let mapping = Object.Mapping()
    for entry in entries { try mapping.set(try evaluate(entry.key), try evaluate(entry.value)) }
    return .dictionary(mapping)
  }

  private func evaluateConditional(
    _ test: Expression, _ then: Expression, _ otherwise: Expression?, line: Int
  ) throws -> Object {
    if try evaluate(test).isTrue { return try evaluate(then) }
    if let otherwise { return try evaluate(otherwise) }
    return .because("the 'if' on line \(line) has no 'else', and its condition is false.")
  }

  /// `and` and `or`: the first operand that decides, as it is.
  private func evaluateUntil(_ deciding: Bool, _ items: [Expression]) throws -> Object {
    var result = Object.none
    for item in items {
      result = try evaluate(item)
      if result.isTrue == deciding { break }
    }
    return result
  }

  private func evaluateConcatenation(_ items: [Expression]) throws -> Object {
    var text = Text()
    for item in items {
      text += try evaluate(item).printed(limit: limits.text)
      try checkText(text.size)
    }
    return .string(text)
  }

  private func evaluateComparison(_ first: Expression, _ others: [Expression.Comparison]) throws -> Object {
    var left = try evaluate(first)
    for other in others {
      let right = try evaluate(other.right)
      guard try Operators.compare(other.relation, left, right, self) else { return .boolean(false) }
      left = right
    }
    return .boolean(true)
  }

  private func evaluateSlice(_ base: Expression, _ bounds: Expression.Bounds) throws -> Object {
    let object = try evaluate(base)
    func bound(_ expression: Expression?) throws -> Int? {
      guard let value = try expression.map(evaluate), !value.isNone else { return nil }
      guard let integer = value.integer else {
        throw JinjaError.runtime("the bounds of a slice are integers, found '\(value.typeName)'.")
      }
      return integer
    }
    return try Slicing.slice(object, from: bound(bounds.from), to: bound(bounds.to), by: bound(bounds.by), self)
  }

  // MARK: Calls

  func evaluate(_ call: Expression.Call) throws -> Arguments {
    var arguments = Arguments(positional: try evaluate(call.positional))
    for keyword in call.keywords { arguments.keywords[keyword.name] = try evaluate(keyword.value) }
    if let spread = call.spread { arguments.positional += try items(of: try evaluate(spread)) }
    if let spread = call.keywordSpread {
      guard case .dictionary(let mapping) = try evaluate(spread) else {
        throw JinjaError.runtime("'**' in a call needs a dictionary.")
      }
      for (name, value) in mapping.namedEntries {
        guard arguments.keywords.updateValue(value, forKey: name) == nil else {
          throw JinjaError.runtime("the keyword argument '\(name)' is repeated.")
        }
      }
    }
    return arguments
  }

  private func evaluateCall(_ callee: Expression, _ call: Expression.Call) throws -> Object {
    let function = try evaluate(callee)
    return try self.call(function, try evaluate(call))
  }

  func call(_ callee: Object, _ arguments: Arguments) throws -> Object {
    switch callee {
    case .function(let function): return try function.body(self, arguments)
    case .loop(let loop): return try loop(arguments)
    case .undefined(let reason): throw JinjaError.runtime(reason.sentence)
    default: throw JinjaError.runtime("a value of type '\(callee.typeName)' cannot be called.")
    }
  }

  private func evaluateFilter(_ input: Expression, _ name: String, _ call: Expression.Call) throws -> Object {
    let object = try evaluate(input)
    return try apply(filter: name, to: object, try evaluate(call))
  }

  func apply(filter name: String, to object: Object, _ arguments: Arguments) throws -> Object {
    guard let filter = FilterTable.filter(named: name, dialect: dialect) else {
      throw JinjaError.runtime("there is no filter named '\(name)'.")
    }
    if let text = object.text { try charge(text.byteCount) }
    return try filter(FilterCall(name: name, input: object, arguments: arguments, interpreter: self))
  }

  private func evaluateTest(_ input: Expression, _ name: String, _ call: Expression.Call) throws -> Object {
    let object = try evaluate(input)
    return .boolean(try apply(test: name, to: object, try evaluate(call)))
  }

  func apply(test name: String, to object: Object, _ arguments: Arguments) throws -> Bool {
    guard let test = TestTable.test(named: name) else {
      throw JinjaError.runtime("there is no test named '\(name)'.")
    }
    guard arguments.keywords.isEmpty, arguments.positional.count == test.arguments else {
      throw JinjaError.runtime(
        "the test '\(name)' takes \(test.arguments) arguments, found "
          + "\(arguments.positional.count + arguments.keywords.count).")
    }
    return try test.body(object, arguments.positional.first ?? .none, self)
  }

  // MARK: Iteration

  /// The elements that a `for` block or a filter would see.
  func items(of object: Object) throws -> [Object] {
    switch object {
    case .undefined: return []
    case .list(let sequence), .tuple(let sequence): return sequence.items
    case .dictionary(let mapping): return mapping.keys
    case .view(let view): return view.objects
    case .range(let range): return range.objects
    case .iterator(let iterator): return try iterator.drain()
    case .string(let text):
      try checkElements(text.byteCount)
      return text.letters.map { .string(Text([$0])) }
    case .markup(let text):
      try checkElements(text.byteCount)
      return text.letters.map { .markup(Text([$0])) }
    default: throw JinjaError.runtime("a value of type '\(object.typeName)' has no elements to go through.")
    }
  }
}

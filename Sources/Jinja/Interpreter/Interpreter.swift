import OrderedCollections

/// Executes a template's statements. Expressions are in `Interpreter+Evaluation.swift`.
final class Interpreter {
  /// How a body ended.
  enum Signal { case end, leaveLoop, nextTurn }

  let dialect: Template.Dialect
  let clock: Clock
  let limits: Limits
  private(set) var line = 1
  var scope: Scope
  /// The text written so far; while a macro or a block captures its text, only that.
  private var output = Text()
  /// The input of the first filter of a filter block.
  var captured: Object = .none
  private var steps = 0
  private var work = 0
  private var depth = 0
  /// What may refer to itself: scopes that define macros, and containers that change. Emptied at the end.
  private var scopes: [Scope] = []
  private var mutables: [Object.Mapping] = []
  private var mutableLists: [Object.Sequence] = []

  init(dialect: Template.Dialect, clock: Clock, limits: Limits) {
    self.dialect = dialect
    self.clock = clock
    self.limits = limits
    scope = Scope(parent: nil)
    for (name, function) in Globals.functions { scope.set(name, .function(function)) }
  }

  func render(_ statements: [Statement]) throws -> Text {
    defer {
      for scope in scopes { scope.clear() }
      for mapping in mutables { mapping.entries = [:] }
      for list in mutableLists { list.items = [] }
    }
    pushScope()
    _ = try execute(statements)
    return output
  }

  // MARK: Guards

  func step() throws {
    steps += 1
    guard steps <= limits.steps else {
      throw JinjaError.limit("it takes more than \(limits.steps) steps to render.")
    }
  }

  /// Counts bytes that an operation reads or makes.
  func charge(_ bytes: Int) throws {
    work = work.addingSaturating(max(bytes, 0))
    guard work <= limits.work else {
      throw JinjaError.limit("it works through more than \(limits.work) bytes of text.")
    }
  }

  /// Refuses a text before it is made.
  func checkText(_ bytes: Int) throws {
    guard bytes <= limits.text else { throw JinjaError.limit("a text grows beyond \(limits.text) bytes.") }
    try charge(bytes)
  }

  /// Refuses a list before it is made.
  func checkElements(_ count: Int) throws {
    guard count <= limits.elements else { throw JinjaError.limit("a list grows beyond \(limits.elements) elements.") }
    try charge(count.multipliedSaturating(by: 16))
  }

  func repeating(_ text: Text, _ count: Int) throws -> Text {
    let size = text.size.multipliedSaturating(by: count)
    try checkText(size)
    return text.repeated(size == 0 ? 0 : count)
  }

  func repeating(_ items: [Object], _ count: Int) throws -> [Object] {
    let total = items.count.multipliedSaturating(by: count)
    try checkElements(total)
    var result: [Object] = []
    result.reserveCapacity(total)
    if total > 0 { for _ in 0..<count { result += items } }
    return result
  }

  /// Runs a nested evaluation, refusing to go deeper than the stack allows.
  func deeper<Result>(_ body: () throws -> Result) throws -> Result {
    depth += 1
    defer { depth -= 1 }
    guard depth <= Limits.recursion else {
      throw JinjaError.limit("macros and blocks call each other deeper than \(Limits.recursion) levels.")
    }
    return try body()
  }

  // MARK: Scopes and output

  func pushScope() {
    scope = Scope(parent: scope)
  }

  /// Runs `body` in a new block of variables inside `parent`, the current one by default.
  func scoped<Result>(in parent: Scope? = nil, _ body: () throws -> Result) rethrows -> Result {
    let outer = scope
    if let parent { scope = parent }
    pushScope()
    defer { scope = outer }
    return try body()
  }

  /// Remembers a container that a template may change, and so might tie into a knot.
  func register(_ mapping: Object.Mapping) { mutables.append(mapping) }
  func register(_ list: Object.Sequence) { mutableLists.append(list) }

  func write(_ text: Text) throws {
    guard output.size.addingSaturating(text.size) <= limits.text else {
      throw JinjaError.limit("the rendered text grows beyond \(limits.text) bytes.")
    }
    try charge(text.byteCount)
    output += text
  }

  /// The text that `body` writes, kept out of the output; nil for the signal means it ran to its end.
  func capture(_ body: () throws -> Signal) throws -> (text: Text, signal: Signal) {
    let outer = output
    output = Text()
    let signal: Signal
    do {
      signal = try body()
    } catch {
      output = outer
      throw error
    }
    defer { output = outer }
    return (output, signal)
  }

  // MARK: Statements

  func execute(_ statements: [Statement]) throws -> Signal {
    for statement in statements {
      line = statement.line
      try step()
      let signal = try execute(statement)
      if signal != .end { return signal }
    }
    return .end
  }

  private func execute(_ statement: Statement) throws -> Signal {
    switch statement.kind {
    case .text(let text): try write(Text(text, isTrusted: true))
    case .print(let expression): try write(try evaluate(expression).printed(limit: limits.text))
    case .assign(let target, let value): try assign(try evaluate(value), to: target)
    case .macro(let macro):
      if let name = macro.name { scope.set(name, .function(function(of: macro, in: scope))) }
    case .break: return .leaveLoop
    case .continue: return .nextTurn
    default: return try deeper { try executeBlock(statement) }
    }
    return .end
  }

  private func executeBlock(_ statement: Statement) throws -> Signal {
    switch statement.kind {
    case .branch(let branches, let otherwise): return try executeBranches(branches, otherwise)
    case .loop(let loop): return try execute(loop, over: try evaluate(loop.sequence), outer: 0)
    case .assignBlock(let target, let filter, let body):
      let (text, signal) = try scoped { try capture { try execute(body) } }
      guard signal == .end else { return signal }
      try assign(try filtered(text, by: filter), to: target)
    case .filterBlock(let filter, let body):
      let (text, signal) = try scoped { try capture { try execute(body) } }
      guard signal == .end else { return signal }
      try write(try filtered(text, by: filter).printed(limit: limits.text))
    case .with(let bindings, let body):
      let values = try bindings.map { try evaluate($0.value) }
      return try scoped {
        for (binding, value) in zip(bindings, values) { try assign(value, to: binding.target) }
        return try execute(body)
      }
    case .generation(let body): return try scoped { try execute(body) }
    case .callBlock(let macro, let call):
      let caller = Object.function(function(of: macro, in: scope))
      guard case .call(let callee, let arguments) = call.kind else { return .end }
      var values = try evaluate(arguments)
      values.keywords["caller"] = caller
      try write(try self.call(try evaluate(callee), values).printed(limit: limits.text))
    default: break
    }
    return .end
  }

  private func filtered(_ text: Text, by filter: Expression) throws -> Object {
    let outer = captured
    defer { captured = outer }
    captured = .string(text)
    return try evaluate(filter)
  }

  private func executeBranches(_ branches: [Statement.Branch], _ otherwise: [Statement]) throws -> Signal {
    for branch in branches where try evaluate(branch.condition).isTrue { return try execute(branch.body) }
    return try execute(otherwise)
  }

  private func execute(_ loop: Statement.Loop, over sequence: Object, outer: Int) throws -> Signal {
    var items = try self.items(of: sequence)
    if let condition = loop.condition {
      items = try items.filter { item in
        try step()
        return try scoped {
          try assign(item, to: loop.target)
          return try evaluate(condition).isTrue
        }
      }
    }
    guard !items.isEmpty else { return try scoped { try execute(loop.otherwise) } }
    let home = scope
    let recurse: ((Object, Int) throws -> Object)? =
      !loop.isRecursive
      ? nil
      : { [unowned self] object, outer in
        try deeper {
          let inner = scope
          scope = home
          defer { scope = inner }
          return .string(try capture { try execute(loop, over: object, outer: outer) }.text)
        }
      }
    let state = LoopState(items, outer: outer, recurse: recurse)
    for (index, item) in items.enumerated() {
      try step()
      state.index = index
      let signal = try scoped {
        scope.set("loop", .loop(state))
        try assign(item, to: loop.target)
        return try execute(loop.body)
      }
      if signal == .leaveLoop { break }
    }
    return .end
  }

  // MARK: Assignment

  private func assign(_ value: Object, to target: Statement.Target) throws {
    switch target {
    case .name(let name): scope.set(name, value)
    case .namespace(let name, let attribute):
      guard case .namespace(let mapping)? = scope.value(name) else {
        throw JinjaError.runtime("'\(name)' is not a namespace, so that '\(name).\(attribute)' cannot be set.")
      }
      try mapping.set(.string(Text(attribute)), value)
      guard mapping.depth <= Limits.containerDepth else {
        throw JinjaError.limit("a value is nested deeper than \(Limits.containerDepth) levels.")
      }
    case .tuple(let targets):
      let items = try self.items(of: value)
      guard items.count == targets.count else {
        throw JinjaError.runtime("expected \(targets.count) values to unpack, found \(items.count).")
      }
      for (item, target) in zip(items, targets) { try assign(item, to: target) }
    }
  }

  // MARK: Macros

  /// A macro as a value. It sees the variables of the block that defines it.
  private func function(of macro: Statement.Macro, in home: Scope) -> Object.Function {
    scopes.append(home)
    let attributes: (String) -> Object? = { name in
      switch name {
      case "name": macro.name.map { .string(Text($0)) } ?? Object.none
      case "arguments": .tuple(macro.parameters.map { .string(Text($0.name)) })
      case "catch_kwargs": .boolean(macro.usesKeywords)
      case "catch_varargs": .boolean(macro.usesExtras)
      case "caller": .boolean(macro.usesCaller)
      default: nil
      }
    }
    return Object.Function(macro.name ?? "caller", macro: macro, attributes: attributes) { interpreter, arguments in
      try interpreter.run(macro, arguments, in: home)
    }
  }

  private func run(_ macro: Statement.Macro, _ arguments: Arguments, in home: Scope) throws -> Object {
    let callLine = line
    let text = try deeper {
      try scoped(in: home) {
        try bind(arguments, to: macro)
        return try capture { try execute(macro.body) }.text
      }
    }
    line = callLine
    return .string(text)
  }

  private func bind(_ arguments: Arguments, to macro: Statement.Macro) throws {
    let name = macro.name ?? "caller"
    var keywords = arguments.keywords
    let extras = arguments.positional.dropFirst(macro.parameters.count)
    guard extras.isEmpty || macro.usesExtras else {
      throw JinjaError.runtime(
        "the macro '\(name)' takes \(macro.parameters.count) arguments, found \(arguments.positional.count).")
    }
    let takesCaller = macro.parameters.contains { $0.name == "caller" }
    if macro.usesCaller, !takesCaller {
      scope.set("caller", keywords.removeValue(forKey: "caller") ?? .because("no caller is defined."))
    }
    var missing: [Statement.Macro.Parameter] = []
    for (index, parameter) in macro.parameters.enumerated() {
      if index < arguments.positional.count {
        scope.set(parameter.name, arguments.positional[index])
      } else if let value = keywords.removeValue(forKey: parameter.name) {
        scope.set(parameter.name, value)
      } else {
        missing.append(parameter)
      }
    }
    // A default may refer to another parameter, which is undefined until its own turn comes.
    for parameter in missing {
      scope.set(parameter.name, .because("the parameter '\(parameter.name)' was not provided."))
    }
    for parameter in missing {
      if let initial = parameter.initial { scope.set(parameter.name, try evaluate(initial)) }
    }
    if macro.usesKeywords {
      let rest = Object.Mapping()
      for (key, value) in keywords { try rest.set(.string(Text(key)), value) }
      scope.set("kwargs", .dictionary(rest))
    } else if let unknown = keywords.keys.first {
      throw JinjaError.runtime("the macro '\(name)' has no parameter '\(unknown)'.")
    }
    if macro.usesExtras { scope.set("varargs", .tuple(Array(extras))) }
  }
}

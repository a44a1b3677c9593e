/// The tests behind `is`.
enum TestTable {
  struct Test {
    /// How many arguments it takes: none or one.
    let arguments: Int
    let body: (Object, Object, Interpreter) throws -> Bool
  }

  static func test(named name: String) -> Test? { table[name] }

  private static func plain(_ body: @escaping (Object) throws -> Bool) -> Test {
    Test(arguments: 0) { object, _, _ in try body(object) }
  }

  private static func relation(_ relation: Expression.Relation) -> Test {
    Test(arguments: 1) { try Operators.compare(relation, $0, $1, $2) }
  }

  private static func rest(_ object: Object, _ divisor: Object, _ interpreter: Interpreter) throws -> Object {
    try Operators.apply(.modulo, object, divisor, interpreter)
  }

  private nonisolated(unsafe) static let table: [String: Test] = [
    "defined": plain { !$0.isUndefined },
    "undefined": plain { $0.isUndefined },
    "none": plain { $0.isNone },
    "boolean": plain { if case .boolean = $0 { true } else { false } },
    "true": plain { if case .boolean(true) = $0 { true } else { false } },
    "false": plain { if case .boolean(false) = $0 { true } else { false } },
    "integer": plain { if case .integer = $0 { true } else { false } },
    "float": plain { if case .double = $0 { true } else { false } },
    "number": plain { $0.double != nil },
    "string": plain { $0.text != nil },
    "mapping": plain { if case .dictionary = $0 { true } else { false } },
    "sequence": plain { object in
      switch object {
      case .undefined, .string, .markup, .list, .tuple, .dictionary, .range: true
      default: false
      }
    },
    "iterable": plain { object in
      switch object {
      case .undefined, .string, .markup, .list, .tuple, .dictionary, .range, .view, .iterator, .loop: true
      default: false
      }
    },
    "callable": plain { object in
      switch object {
      case .function, .undefined, .loop: true
      default: false
      }
    },
    "escaped": plain { if case .markup = $0 { true } else { false } },
    "lower": plain { PythonString.isLower(try $0.printed().string) },
    "upper": plain { PythonString.isUpper(try $0.printed().string) },
    "odd": Test(arguments: 0) { object, _, interpreter in
      try Operators.areEqual(try rest(object, .integer(2), interpreter), .integer(1), interpreter)
    },
    "even": Test(arguments: 0) { object, _, interpreter in
      try Operators.areEqual(try rest(object, .integer(2), interpreter), .integer(0), interpreter)
    },
    "divisibleby": Test(arguments: 1) { object, divisor, interpreter in
      try Operators.areEqual(try rest(object, divisor, interpreter), .integer(0), interpreter)
    },
    "filter": Test(arguments: 0) { object, _, interpreter in
      guard let name = object.text?.string else { return false }
      return FilterTable.filter(named: name, dialect: interpreter.dialect) != nil
    },
    "test": plain { object in object.text.map { test(named: $0.string) != nil } ?? false },
    "sameas": Test(arguments: 1) { try areSame($0, $1, $2) },
    "in": relation(.within),
    "eq": relation(.equal), "==": relation(.equal), "equalto": relation(.equal),
    "ne": relation(.notEqual), "!=": relation(.notEqual),
    "lt": relation(.less), "<": relation(.less), "lessthan": relation(.less),
    "le": relation(.lessOrEqual), "<=": relation(.lessOrEqual),
    "gt": relation(.greater), ">": relation(.greater), "greaterthan": relation(.greater),
    "ge": relation(.greaterOrEqual), ">=": relation(.greaterOrEqual),
  ]

  /// Identity for what can change; equality of kind and value for the rest.
  private static func areSame(_ left: Object, _ right: Object, _ interpreter: Interpreter) throws -> Bool {
    switch (left, right) {
    case (.list(let a), .list(let b)), (.tuple(let a), .tuple(let b)): a === b
    case (.dictionary(let a), .dictionary(let b)): a === b
    default: left.typeName == right.typeName ? try Operators.areEqual(left, right, interpreter) : false
    }
  }
}

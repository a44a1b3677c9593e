import OrderedCollections

/// A value while a template renders: Python's data model as far as templates can see it.
///
/// Lists and dictionaries are references, as in Python; `Value` is copied in at the start of a rendering.
enum Object {
  case undefined(Undefined)
  case none
  case boolean(Bool)
  case integer(Int)
  case double(Double)
  case string(Text)
  /// A string that `safe` or `escape` has marked as HTML.
  case markup(Text)
  case list(Sequence)
  case tuple(Sequence)
  case dictionary(Mapping)
  case view(View)
  case range(Range)
  case iterator(Iterator)
  case namespace(Mapping)
  case function(Function)
  case loop(LoopState)

  /// A name or an element that is not there. Prints as nothing; most other uses fail with `sentence`.
  struct Undefined {
    let sentence: String
  }

  /// The elements of a list or a tuple.
  final class Sequence {
    var items: [Object]
    /// Nested containers; kept so that no walk overflows the stack.
    var depth: Int
    /// The names of the elements, for the pairs that `groupby` makes.
    let labels: [String]

    init(_ items: [Object], labels: [String] = []) {
      self.items = items
      self.labels = labels
      depth = 1 + (items.lazy.map(\.depth).max() ?? 0)
    }

    func append(_ item: Object) {
      items.append(item)
      depth = max(depth, 1 + item.depth)
    }
  }

  /// The entries of a dictionary or a namespace, in the order of insertion.
  final class Mapping {
    var entries: OrderedDictionary<Key, Entry> = [:]
    var depth = 1

    struct Entry {
      let key: Object
      var value: Object
    }

    func set(_ key: Object, _ value: Object) throws {
      let hashed = try Key(key)
      depth = max(depth, 1 + max(key.depth, value.depth))
      let original = entries[hashed]?.key ?? key
      entries[hashed] = Entry(key: original, value: value)
    }

    subscript(_ name: String) -> Object? { entries[.string(name)]?.value }
    var keys: [Object] { entries.values.map(\.key) }
    var values: [Object] { entries.values.map(\.value) }
    var pairs: [Object] { entries.values.map { .tuple(Sequence([$0.key, $0.value])) } }
  }

  /// What `items()`, `keys()` and `values()` give: it follows the dictionary.
  struct View {
    enum Kind: String { case items, keys, values }
    let kind: Kind
    let mapping: Mapping

    var objects: [Object] {
      switch kind {
      case .items: mapping.pairs
      case .keys: mapping.keys
      case .values: mapping.values
      }
    }
  }

  struct Range: Equatable {
    let start: Int
    let stop: Int
    let step: Int

    /// The elements; `Int.max` stands for more than that.
    var count: Int {
      guard step > 0 ? start < stop : start > stop else { return 0 }
      // The bounds may be further apart than an `Int` reaches; their distance as unsigned numbers is right.
      let (low, high) = step > 0 ? (start, stop) : (stop, start)
      let distance = UInt(bitPattern: high) &- UInt(bitPattern: low)
      return Int(clamping: (distance - 1) / step.magnitude + 1)
    }

    /// The element at a position below `count`. It lies between the bounds, though the product may overflow on the way.
    func element(_ position: Int) -> Int { start &+ position &* step }

    var objects: [Object] { (0..<count).map { .integer(element($0)) } }
  }

  /// What a lazy filter gives: it can be read once.
  final class Iterator {
    private var source: (() throws -> [Object])?
    private var rest: ArraySlice<Object> = []
    let depth: Int
    let name: String

    init(_ name: String, depth: Int = 1, _ source: @escaping () throws -> [Object]) {
      self.name = name
      self.depth = depth
      self.source = source
    }

    private func load() throws {
      guard let source else { return }
      self.source = nil
      rest = try source()[...]
    }

    func next() throws -> Object? {
      try load()
      return rest.popFirst()
    }

    func drain() throws -> [Object] {
      try load()
      defer { rest = [] }
      return Array(rest)
    }
  }

  final class Function {
    let name: String
    let macro: Statement.Macro?
    let attributes: (String) -> Object?
    let body: (Interpreter, Arguments) throws -> Object

    init(
      _ name: String, macro: Statement.Macro? = nil, attributes: @escaping (String) -> Object? = { _ in nil },
      _ body: @escaping (Interpreter, Arguments) throws -> Object
    ) {
      self.name = name
      self.macro = macro
      self.attributes = attributes
      self.body = body
    }
  }
}

/// The arguments of a call, evaluated.
struct Arguments {
  var positional: [Object] = []
  var keywords: OrderedDictionary<String, Object> = [:]
}

extension Object {
  var depth: Int {
    switch self {
    case .list(let sequence), .tuple(let sequence): sequence.depth
    case .dictionary(let mapping), .namespace(let mapping): mapping.depth
    case .view(let view): 1 + view.mapping.depth
    case .iterator(let iterator): iterator.depth
    default: 0
    }
  }

  /// An undefined value, and why it is one.
  static func because(_ sentence: String) -> Object { .undefined(Undefined(sentence: sentence)) }

  static func list(_ items: [Object]) -> Object { .list(Sequence(items)) }
  static func tuple(_ items: [Object]) -> Object { .tuple(Sequence(items)) }

  /// The text of a string, marked or not.
  var text: Text? {
    switch self {
    case .string(let text), .markup(let text): text
    default: nil
    }
  }

  var isUndefined: Bool {
    if case .undefined = self { return true }
    return false
  }

  var isNone: Bool {
    if case .none = self { return true }
    return false
  }

  /// An integer, with Python's `True` and `False` as 1 and 0.
  var integer: Int? {
    switch self {
    case .integer(let value): value
    case .boolean(let value): value ? 1 : 0
    default: nil
    }
  }

  var double: Double? {
    if case .double(let value) = self { return value }
    return integer.map(Double.init)
  }

  /// Python's name for the type, as its error messages say it.
  var typeName: String {
    switch self {
    case .undefined: "Undefined"
    case .none: "NoneType"
    case .boolean: "bool"
    case .integer: "int"
    case .double: "float"
    case .string: "str"
    case .markup: "Markup"
    case .list: "list"
    case .tuple: "tuple"
    case .dictionary: "dict"
    case .view(let view): "dict_\(view.kind.rawValue)"
    case .range: "range"
    case .iterator(let iterator): iterator.name
    case .namespace: "Namespace"
    case .function(let function): function.macro == nil ? "function" : "Macro"
    case .loop: "LoopContext"
    }
  }

  /// Python's truth of a value.
  var isTrue: Bool {
    switch self {
    case .undefined, .none: false
    case .boolean(let value): value
    case .integer(let value): value != 0
    case .double(let value): value != 0
    case .string(let text), .markup(let text): !text.isEmpty
    case .list(let sequence), .tuple(let sequence): !sequence.items.isEmpty
    case .dictionary(let mapping): !mapping.entries.isEmpty
    case .view(let view): !view.mapping.entries.isEmpty
    case .range(let range): range.count > 0
    case .loop(let loop): !loop.items.isEmpty
    case .iterator, .namespace, .function: true
    }
  }
}

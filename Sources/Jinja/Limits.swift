/// Bounds on what one rendering may cost, so that a hostile template fails with a sentence.
public struct Limits: Sendable {
  /// Evaluated expressions, statements and loop turns.
  public var steps = 5_000_000
  /// Bytes of the longest string, and of the rendered text.
  public var text = 16 << 20
  /// Elements of the longest list.
  public var elements = 1_000_000
  /// Bytes read or made by string and list operations altogether.
  public var work = 4 << 30

  public static let standard = Limits()
  public init() {}

  /// Elements of a `range`, as in jinja2's sandbox.
  static let range = 100_000
  /// Nested brackets, blocks and operators in a template's text. Python gives up below this.
  static let nesting = 200
  /// Depth of one expression's tree; long sums lean to the left.
  static let expressionDepth = 250
  /// Nested evaluations, calls of macros included.
  static let recursion = 2_000
  /// Values in a tuple, and in those inside it, that is the key of a dictionary.
  static let keyParts = 10_000
  /// Nested lists and dictionaries.
  static let containerDepth = 500
  /// Bytes of stack for the thread that reads or renders: `recursion` turns of a debug build fit well.
  static let stack = 64 << 20
}

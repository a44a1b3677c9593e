/// Holds an answer to a ``Grammar``: where in it the text is, and what may come next. A copy goes its own way.
public struct Constraint: Sendable {
  private let machine: GrammarMachine
  private var state: GrammarMachine.State
  private var isFirst: Bool

  /// - Parameter beginsText: whether the answer's first token begins a text, so that it may lose a space.
  init(_ machine: GrammarMachine, beginsText: Bool) {
    self.machine = machine
    state = machine.start
    isFirst = beginsText
  }

  /// The tokens that may come next.
  ///
  /// - Throws: `GrammarError` where the grammar becomes too large.
  func mask() throws -> TokenMask { try machine.mask(of: state, isFirst: isFirst) }

  /// Whether nothing can follow.
  var isComplete: Bool { machine.isComplete(state) }

  /// Takes a token that ``mask()`` allows and that does not end the answer.
  mutating func accept(_ token: Int32) throws {
    var text = machine.table.text(of: token)
    if isFirst, machine.table.stripsSpace, text.first == 0x20 { text = text.dropFirst() }
    isFirst = false
    state = try machine.state(after: text, from: state)
  }
}

/// The tokens that a constraint allows next: asked about one by one where few are looked at, or made a mask of where many are.
///
/// A mask takes a walk through the whole vocabulary, which is kept for the next time that an answer comes to the same state; in a text of
/// which every letter counts, no state comes twice.
struct AllowedTokens: Sendable {
  let machine: GrammarMachine
  let state: GrammarMachine.State
  /// Whether the token begins the answer.
  let isFirst: Bool
  /// Whether a grammar that becomes too large allows everything, and throws nothing.
  let isLenient: Bool

  /// The mask, where it was made before.
  var knownMask: TokenMask? { machine.knownMask(of: state, isFirst: isFirst) }

  /// - Throws: `GrammarError` where the grammar becomes too large.
  func mask() throws -> TokenMask {
    do {
      return try machine.mask(of: state, isFirst: isFirst)
    } catch  where isLenient {
      return TokenMask(all: machine.table.count)
    }
  }

  /// - Throws: `GrammarError` where the grammar becomes too large.
  func contains(_ token: Int32) throws -> Bool {
    do {
      return try machine.allows(token, in: state, isFirst: isFirst)
    } catch  where isLenient {
      return true
    }
  }
}

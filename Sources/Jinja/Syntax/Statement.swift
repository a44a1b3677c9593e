/// A piece of a template: text, a print tag, or a block with its body.
struct Statement: Sendable {
  indirect enum Kind: Sendable {
    case text(String)
    case print(Expression)
    case loop(Loop)
    case branch([Branch], otherwise: [Statement])
    case assign(Target, Expression)
    case assignBlock(Target, filter: Expression, body: [Statement])
    case macro(Macro)
    case callBlock(Macro, call: Expression)
    case filterBlock(filter: Expression, body: [Statement])
    case with([Binding], body: [Statement])
    case generation(body: [Statement])
    case `break`
    case `continue`
  }

  struct Loop: Sendable {
    let target: Target
    let sequence: Expression
    let condition: Expression?
    let isRecursive: Bool
    let body: [Statement]
    let otherwise: [Statement]
  }

  struct Branch: Sendable {
    let condition: Expression
    let body: [Statement]
  }

  struct Binding: Sendable {
    let target: Target
    let value: Expression
  }

  /// What an assignment or a loop writes to.
  indirect enum Target: Sendable {
    case name(String)
    case namespace(String, attribute: String)
    case tuple([Target])
  }

  /// A macro, or the body of a call block, which is one without a name.
  struct Macro: Sendable {
    struct Parameter: Sendable {
      let name: String
      let initial: Expression?
    }

    let name: String?
    let parameters: [Parameter]
    let body: [Statement]
    /// Which of the special names the body reads; without them extra arguments are refused.
    let usesCaller: Bool
    let usesKeywords: Bool
    let usesExtras: Bool
  }

  let kind: Kind
  let line: Int
}

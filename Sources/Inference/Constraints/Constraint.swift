/// Holds an answer to a ``Grammar``: where in it the text is, and what may come next. A copy goes its own way.
public struct Constraint: Sendable {
  /// Where an answer is.
  private enum Place: Sendable {
    /// In the model's reasoning, up to its closing mark.
    case thinking(MarkFinder)
    /// Nothing is certain: it may begin with reasoning, or as the grammar's trigger says.
    case beginning([UInt8])
    /// Free until a mark comes.
    case free(MarkFinder)
    /// Free to the end.
    case released
    case held(GrammarMachine.State)
  }

  private let machine: GrammarMachine
  private let trigger: GrammarTrigger?
  private let reasoning: ReasoningFormat
  private var place: Place
  private var isFirst: Bool

  /// - Parameters:
  ///   - beginsText: whether the answer's first token begins a text, so that it may lose a space.
  ///   - trigger: from where on the grammar holds; nil from the beginning.
  ///   - openReasoning: the marks that the prompt leaves open; what is thought is free.
  init(
    _ machine: GrammarMachine, trigger: GrammarTrigger? = nil, beginsText: Bool, openReasoning: ReasoningFormat? = nil
  ) {
    self.machine = machine
    self.trigger = trigger
    reasoning = openReasoning ?? .think
    isFirst = beginsText
    if let openReasoning {
      place = .thinking(MarkFinder(openReasoning.closing))
    } else {
      place = trigger == nil ? .held(machine.start) : .beginning([])
    }
  }

  /// The tokens that may come next; nil for all.
  var allowed: AllowedTokens? {
    guard case .held(let state) = place else { return nil }
    // An answer that nobody asked to be held does not fail for it.
    return AllowedTokens(machine: machine, state: state, isFirst: isFirst, isLenient: trigger != nil)
  }

  /// Whether nothing can follow.
  var isComplete: Bool {
    if case .held(let state) = place { machine.isComplete(state) } else { false }
  }

  /// Takes a token that is ``allowed`` and that does not end the answer.
  mutating func accept(_ token: Int32) throws {
    var text = machine.table.text(of: token)
    if isFirst, machine.table.stripsSpace, text.first == 0x20 { text = text.dropFirst() }
    isFirst = false
    do {
      try go(on: text)
    } catch {
      guard trigger != nil else { throw error }
      place = .released
    }
  }

  // MARK: From place to place

  private mutating func go(on text: ArraySlice<UInt8>) throws {
    switch place {
    case .held(let state): hold(try machine.state(after: text, from: state))
    case .thinking(var finder):
      if let rest = finder.append(text) {
        try answer(rest)
      } else {
        place = .thinking(finder)
      }
    case .beginning(let bytes): try begin(bytes + text)
    case .free(var finder): try look(&finder, text)
    case .released: break
    }
  }

  private mutating func hold(_ state: GrammarMachine.State) {
    if case .mark(let mark, isRepeated: true)? = trigger, machine.isComplete(state) {
      place = .free(MarkFinder(mark))
    } else {
      place = .held(state)
    }
  }

  /// The reasoning has ended.
  private mutating func answer(_ rest: ArraySlice<UInt8>) throws {
    if trigger != nil { return try begin(Array(rest)) }
    // What came in the closing mark's own token is white space, or what the model begins with.
    let text = rest.drop(while: Self.isSpace)
    let state = try machine.state(after: text, from: machine.start)
    place = .held(state == GrammarMachine.dead ? machine.start : state)
  }

  private mutating func begin(_ bytes: [UInt8]) throws {
    let text = bytes.drop(while: Self.isSpace)
    if text.isEmpty {
      place = .beginning([])
      return
    }
    let opening = Array(reasoning.opening.utf8)
    if text.starts(with: opening) {
      var finder = MarkFinder(reasoning.closing)
      if let rest = finder.append(text.dropFirst(opening.count)) { return try answer(rest) }
      place = .thinking(finder)
      return
    }
    let mayThink = opening.starts(with: text)
    switch trigger {
    case .mark(let mark, _)?:
      if mayThink {
        place = .beginning(bytes)
      } else {
        var finder = MarkFinder(mark)
        try look(&finder, text)
      }
    case .beginning(let beginning)?:
      let compact = text.filter { !Self.isSpace($0) }
      let wanted = Array(beginning.utf8)
      if compact.starts(with: wanted) {
        let state = try machine.state(after: text, from: machine.start)
        // A call of nothing that there is.
        place = state == GrammarMachine.dead ? .released : .held(state)
      } else {
        place = mayThink || wanted.starts(with: compact) ? .beginning(bytes) : .released
      }
    case nil: place = .released
    }
  }

  private mutating func look(_ finder: inout MarkFinder, _ text: ArraySlice<UInt8>) throws {
    guard let rest = finder.append(text) else {
      place = .free(finder)
      return
    }
    let state = try machine.state(after: rest, from: machine.start)
    // What came in the mark's own token may be no beginning of a call; then it is none.
    if state == GrammarMachine.dead { place = .free(finder) } else { hold(state) }
  }

  private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
}

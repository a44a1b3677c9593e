import PowerInferModel
import Synchronization

/// The machines of the grammars that an engine's latest requests were held to.
final class GrammarMachines: Sendable {
  private struct Memory {
    var table: TokenTable?
    /// The latest last.
    var machines: [(grammar: Grammar, machine: GrammarMachine)] = []
  }

  private let memory = Mutex(Memory())
  private static let limit = 16

  /// - Throws: ``GrammarError``.
  func machine(for grammar: Grammar, of model: LanguageModel) throws -> GrammarMachine {
    try memory.withLock { memory in
      if let index = memory.machines.firstIndex(where: { $0.grammar == grammar }) {
        let known = memory.machines.remove(at: index)
        memory.machines.append(known)
        return known.machine
      }
      let table = memory.table ?? TokenTable(model.tokenizer, count: model.configuration.vocabularySize)
      memory.table = table
      let machine = try GrammarMachine(grammar.graph, table)
      if memory.machines.count == Self.limit { memory.machines.removeFirst() }
      memory.machines.append((grammar, machine))
      return machine
    }
  }
}

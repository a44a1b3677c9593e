import PowerInfer
import Synchronization

/// The requests that are being answered, for those who ask what the server is doing.
final class Work: Sendable {
  /// Stands for one of them, for as long as somebody holds it.
  final class Ticket: Sendable {
    fileprivate let number: Int
    private let work: Work

    fileprivate init(_ number: Int, of work: Work) {
      self.number = number
      self.work = work
    }

    deinit { work.remove(number) }
  }

  /// A request that is computed, in the smallest slot that was free when its turn came.
  struct Slot: Sendable, Equatable {
    var id: Int
    var task: Int
    var model: String
    var promptTokens: Int
    var reusedTokens: Int
    var generatedTokens = 0
    var isAnswering = false
  }

  private struct State {
    var next = 0
    var models: [Int: String] = [:]
    var slots: [Int: Slot] = [:]  // by ticket
  }

  private let state = Mutex(State())

  func add(model: String) -> Ticket {
    let number = state.withLock { state in
      state.next += 1
      state.models[state.next] = model
      return state.next
    }
    return Ticket(number, of: self)
  }

  /// Forgets one that has ended.
  func remove(_ ticket: Ticket) { remove(ticket.number) }

  private func remove(_ number: Int) {
    state.withLock { state in
      state.models[number] = nil
      state.slots[number] = nil
    }
  }

  func note(_ event: GenerationEvent, _ ticket: Ticket) {
    state.withLock { state in
      switch event {
      case .started(let start):
        guard let model = state.models[ticket.number] else { return }
        let taken = Set(state.slots.values.filter { $0.model == model }.map(\.id))
        var id = 0
        while taken.contains(id) { id += 1 }
        state.slots[ticket.number] = Slot(
          id: id, task: ticket.number, model: model, promptTokens: start.promptTokens, reusedTokens: start.reusedTokens)
      case .progress: break
      case .text(let piece):
        state.slots[ticket.number]?.generatedTokens += piece.tokens.count
        state.slots[ticket.number]?.isAnswering = true
      case .finished: state.slots[ticket.number] = nil
      }
    }
  }

  /// Those that are computed, of one model.
  func slots(of model: String) -> [Slot] {
    state.withLock { $0.slots.values.filter { $0.model == model }.sorted { $0.id < $1.id } }
  }
}

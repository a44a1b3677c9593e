/// Requests that wait for their turn. Joining, leaving and being next take constant time.
struct WaitingLine {
  private var tickets: [ObjectIdentifier: Ticket] = [:]
  /// Also of those that left.
  private var order = Queue<ObjectIdentifier>()

  var isEmpty: Bool { tickets.isEmpty }

  mutating func append(_ ticket: Ticket) {
    order.append(ticket.name)
    tickets[ticket.name] = ticket
  }

  /// The one that came first.
  mutating func popFirst() -> Ticket? {
    while let name = order.popFirst() {
      if let ticket = tickets.removeValue(forKey: name) { return ticket }
    }
    return nil
  }

  /// Takes one out that wants no more.
  mutating func removeCancelled(_ name: ObjectIdentifier) -> Ticket? {
    guard tickets[name]?.channel.isCancelled == true else { return nil }
    return tickets.removeValue(forKey: name)
  }
}

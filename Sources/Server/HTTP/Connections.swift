import NIOCore
import Synchronization

/// The open connections, and who wants to know when a client has gone.
final class Connections: Sendable {
  private struct Connection {
    /// The client sends no more, which is how its going shows.
    var hasEnded = false
    var watchers: [Int: @Sendable () -> Void] = [:]
  }

  private struct State {
    var connections: [ObjectIdentifier: Connection] = [:]
    var next = 0
  }

  private let state = Mutex(State())

  /// How many are open.
  var count: Int { state.withLock { $0.connections.count } }

  /// A watch that somebody keeps.
  struct Watch: Sendable {
    fileprivate let channel: ObjectIdentifier
    fileprivate let number: Int
  }

  /// Calls `body` once, as soon as the client of a connection has gone; at once where it has.
  func watch(_ channel: any Channel, _ body: @escaping @Sendable () -> Void) -> Watch {
    let id = ObjectIdentifier(channel)
    let (number, hasEnded) = state.withLock { state in
      state.next += 1
      guard let connection = state.connections[id], !connection.hasEnded else { return (state.next, true) }
      state.connections[id]?.watchers[state.next] = body
      return (state.next, false)
    }
    if hasEnded { body() }
    return Watch(channel: id, number: number)
  }

  /// Ends a watch.
  func end(_ watch: Watch) {
    state.withLock { _ = $0.connections[watch.channel]?.watchers.removeValue(forKey: watch.number) }
  }

  // MARK: The handler's side

  func didOpen(_ channel: any Channel) {
    state.withLock { $0.connections[ObjectIdentifier(channel)] = Connection() }
  }

  func didEnd(_ channel: any Channel) {
    let watchers = state.withLock { state -> [@Sendable () -> Void] in
      let id = ObjectIdentifier(channel)
      guard let connection = state.connections[id], !connection.hasEnded else { return [] }
      state.connections[id] = Connection(hasEnded: true)
      return Array(connection.watchers.values)
    }
    for body in watchers { body() }
  }

  func didClose(_ channel: any Channel) {
    didEnd(channel)
    state.withLock { _ = $0.connections.removeValue(forKey: ObjectIdentifier(channel)) }
  }
}

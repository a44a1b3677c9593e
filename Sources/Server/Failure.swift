import Synchronization

/// Keeps the first error that ended the server.
final class Failure: Sendable {
  private let first = Mutex<(any Error)?>(nil)

  var error: (any Error)? { first.withLock { $0 } }

  func set(_ error: any Error) { first.withLock { $0 = $0 ?? error } }
}

import Synchronization

/// The first error that any of several threads met.
final class FirstError: Sendable {
  private let error = Mutex<(any Error)?>(nil)

  func note(_ error: any Error) { self.error.withLock { $0 = $0 ?? error } }

  /// Whether there was one.
  var isSet: Bool { error.withLock { $0 != nil } }

  func check() throws { if let error = error.withLock({ $0 }) { throw error } }
}

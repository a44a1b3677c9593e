import Synchronization

#if canImport(Glibc)
  @preconcurrency import Glibc
#elseif canImport(Musl)
  @preconcurrency import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Notices that somebody wants the process to stop (Ctrl-C, or the system's request to end) instead of ending at once,
/// so that work can be put away in order.
///
/// While the object lives, such signals are only counted; a third one ends the process as if nobody had been watching.
/// One at a time, for signals belong to the process.
public final class Interruption: Sendable {
  /// Whether a signal came since the object was made.
  public var isRequested: Bool { signals.load(ordering: .relaxed) > 0 }

  private static let watched = [SIGINT, SIGTERM]

  public init() {
    signals.store(0, ordering: .relaxed)
    for number in Interruption.watched {
      _ = signal(number) { number in
        // Only what is allowed in a signal handler: an atomic, and resetting and raising the signal.
        if signals.add(1, ordering: .relaxed).newValue > 2 {
          signal(number, SIG_DFL)
          raise(number)
        }
      }
    }
  }

  deinit {
    for number in Interruption.watched { _ = signal(number, SIG_DFL) }
  }
}

/// Signals since the last `Interruption` was made. Global, for a signal handler can capture nothing.
private let signals = Atomic<Int>(0)

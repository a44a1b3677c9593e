import Synchronization

/// Asks a generation on another thread to stop after the token it is at.
public final class CancellationFlag: Sendable {
  private let raised = Atomic<Bool>(false)

  public init() {}

  /// Whether somebody has asked.
  public var isRaised: Bool {
    raised.load(ordering: .acquiring)
  }

  /// Asks to stop.
  ///
  /// - Returns: whether somebody had asked already.
  @discardableResult
  public func raise() -> Bool {
    raised.exchange(true, ordering: .acquiringAndReleasing)
  }

  /// Makes the flag ready for the next generation.
  public func lower() {
    raised.store(false, ordering: .releasing)
  }
}

import Dispatch
import Foundation

/// Runs recursive work on a thread whose stack is known to be large enough for `Limits`.
///
/// Threads of a pool may have as little as half a megabyte, which a deeply nested template would overflow.
enum DeepStack {
  // Unchecked: the thread alone touches body and outcome until it signals, the caller alone after that.
  private final class Job<Result>: @unchecked Sendable {
    let body: () throws -> Result
    var outcome: Swift.Result<Result, any Error>?
    let finished = DispatchSemaphore(value: 0)

    init(_ body: @escaping () throws -> Result) { self.body = body }

    func work() {
      outcome = Swift.Result { try body() }
      finished.signal()
    }
  }

  /// Waits for `body`, whose captured state only that thread touches meanwhile.
  static func run<Result>(_ body: @escaping () throws -> Result) throws -> Result {
    let job = Job(body)
    let thread = Thread { job.work() }
    thread.stackSize = Limits.stack
    thread.start()
    job.finished.wait()
    guard let outcome = job.outcome else { throw JinjaError.runtime("the rendering thread ended without a result.") }
    return try outcome.get()
  }
}

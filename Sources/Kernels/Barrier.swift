import CPowerInferKernels
import Foundation
import PowerInferPlatform
import Synchronization

/// Where the workers of a team wait for each other: they spin briefly, then give way, then park.
///
/// Giving way matters. Two threads that take turns at sleeping are never both runnable, so the system sees no reason to move
/// them apart once they share a processor, and every barrier then costs a sleep and a wake-up (measured: 39 µs in place of
/// 0.2 µs, for seconds, beside an idle processor). A thread that only yields stays runnable: its companion runs at once if it
/// waits for the same processor, and the system soon spreads them.
///
/// What a worker wrote before `wait()` is visible to all others after it.
final class Barrier: Sendable {
  let count: Int
  private let spins: Int
  private static let yields = 1000
  // A line of their own for the arrivals, which every worker writes, and for the round, which the waiting ones read.
  private let padding0 = Line()
  private let arrived = Atomic<Int>(0)
  private let padding1 = Line()
  private let round = Atomic<Int>(0)
  private let sleepers = Atomic<Int>(0)
  private let padding2 = Line()
  private let monitor = NSCondition()

  private struct Line: Sendable {
    let bytes: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0, 0, 0)
  }

  /// - Parameter spins: pauses before giving way; a pause is 10 to 50 ns.
  init(count: Int, spins: Int) {
    self.count = count
    self.spins = spins
  }

  func wait() {
    if count == 1 { return }
    // Read before arriving: the round cannot end without this worker.
    let current = round.load(ordering: .relaxed)
    if arrived.add(1, ordering: .acquiringAndReleasing).newValue == count {
      arrived.store(0, ordering: .relaxed)
      // Sequentially consistent, as the sleeper's two steps are: either it sees the new round or we see it sleeping.
      round.store(current &+ 1, ordering: .sequentiallyConsistent)
      if sleepers.load(ordering: .sequentiallyConsistent) > 0 {
        monitor.lock()
        monitor.broadcast()
        monitor.unlock()
      }
      return
    }
    for _ in 0..<spins {
      if round.load(ordering: .acquiring) != current { return }
      pi_pause()
    }
    for _ in 0..<Self.yields {
      if round.load(ordering: .acquiring) != current { return }
      SystemThread.yield()
    }
    park(current)
  }

  @inline(never)
  private func park(_ current: Int) {
    monitor.lock()
    sleepers.add(1, ordering: .sequentiallyConsistent)
    while round.load(ordering: .sequentiallyConsistent) == current {
      monitor.wait()
    }
    sleepers.subtract(1, ordering: .sequentiallyConsistent)
    monitor.unlock()
  }
}

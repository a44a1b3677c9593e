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
/// Where there is a ``TeamPlacement``, a member that waits inside a run does more: it finds out which members are late, and
/// gives one that has no processor its own.
///
/// What a worker wrote before `wait()` is visible to all others after it.
final class Barrier: Sendable {
  let count: Int
  private let spins: Int
  private let placement: TeamPlacement?
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
  /// - Parameter placement: of the members of a team that has a processor for each; nil where waiting is all they can do.
  init(count: Int, spins: Int, placement: TeamPlacement? = nil) {
    self.count = count
    self.spins = spins
    self.placement = placement
  }

  /// - Parameter isIdle: whether late members may be busy elsewhere, for as long as they like.
  func wait(_ member: Int, isIdle: Bool = false) {
    if count == 1 { return }
    // Read before arriving: the round cannot end without this worker.
    let current = round.load(ordering: .relaxed)
    placement?.arrive(member, round: current &+ 1)
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
    if !isIdle, let placement {
      if ends(current, helping: placement, member) { return }
    } else if ends(current, within: spins) {
      return
    }
    for _ in 0..<Self.yields {
      if round.load(ordering: .acquiring) != current { return }
      SystemThread.yield()
    }
    park(current)
  }

  /// Whether the round ends within so many pauses.
  @inline(__always)
  private func ends(_ current: Int, within pauses: Int) -> Bool {
    for _ in 0..<pauses {
      if round.load(ordering: .acquiring) != current { return true }
      pi_pause()
    }
    return false
  }

  /// Whether the round ends while this member waits and helps; if it does not, the late members do run, but take long.
  private func ends(_ current: Int, helping placement: TeamPlacement, _ member: Int) -> Bool {
    // Long enough (7 to 28 µs) that members which are merely a little late are not asked about.
    if ends(current, within: 500) { return true }
    for _ in 0..<100 {
      if let late = placement.late(current &+ 1) {
        if placement.isHere(late) {
          // This thread runs here, so that one does not.
          placement.sendAway(late, current &+ 1)
          SystemThread.yield()
        } else {
          let time = placement.time(of: late)
          if ends(current, within: 200) { return true }
          if placement.time(of: late) == time, placement.change(member, with: late, current &+ 1) {
            if !ends(current, within: 100) { park(current) }
            return true
          }
        }
      }
      if ends(current, within: 500) { return true }
    }
    return false
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

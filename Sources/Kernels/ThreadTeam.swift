import Foundation
public import PowerInferPlatform
import Synchronization

/// Threads that run one body together and meet at barriers, for the length of a whole forward pass.
///
/// ```swift
/// team.run { member in
///   multiply(rows: member.share(of: rows))
///   member.sync()  // everyone's rows are there
///   normalize()
/// }
/// ```
public final class ThreadTeam: Sendable {
  private let crew: Crew
  private let threads: [SystemThread]
  private let turn = Mutex(())

  /// Workers of the team, the calling thread among them.
  public var count: Int { threads.count + 1 }

  /// A team of `workers` (at least one). Where the system refuses a thread the team is smaller; see ``count``.
  ///
  /// - Parameter nodes: over which workers are spread, as far as there is a processor for each.
  public init(workers: Int, nodes: MemoryNodes = .current) {
    let crew = Crew()
    var threads: [SystemThread] = []
    for index in 1..<max(workers, 1) {
      guard let thread = SystemThread({ crew.work(index: index) }) else { break }
      threads.append(thread)
    }
    self.crew = crew
    self.threads = threads
    crew.open(count: threads.count + 1, threadIDs: threads.map(\.id), nodes: nodes)
  }

  deinit {
    crew.stop()
    for thread in threads { thread.join() }
  }

  /// Runs `body` once on every worker, the caller being worker 0, and returns when all are done.
  ///
  /// Calls from several threads wait for each other. A call from inside a body of the same team runs on its thread alone, as
  /// the only member. Pointers and objects that members divide among themselves go in as ``Unguarded``.
  public func run(_ body: @Sendable (Member) -> Void) {
    if crew.isWorking(SystemThread.currentID) {
      body(Member(index: 0, barrier: Crew.alone, cursors: nil))
      return
    }
    turn.withLock { _ in
      withoutActuallyEscaping(body) { crew.lead($0) }
    }
  }
}

/// A worker's view of the run it takes part in.
public struct Member: Sendable {
  /// 0..<count
  public let index: Int
  /// Members of the run.
  public var count: Int { barrier.count }
  let barrier: Barrier
  let cursors: WorkCursors?  // nil for the only member of a run

  /// Waits until every member has come here. What they wrote before is visible after. All members must make the same calls.
  public func sync() {
    cursors?.turn(index)
    barrier.wait(index)
  }

  /// Has `body` called once for each of `0..<count`, by whichever member comes first: every member begins with a stretch of
  /// its own, in order, and then helps the others, so that a slower processor or one with other work holds nobody up.
  ///
  /// All members must make the same calls, at most four between two calls of ``sync()``. What `body` does for a piece must not
  /// depend on who does it, nor wait for another piece.
  @inline(__always)
  public func pieces(_ count: Int, _ body: (Int) -> Void) {
    guard let cursors else {
      for piece in 0..<count { body(piece) }
      return
    }
    cursors.work(index, on: count, body)
  }

  /// Those of `0..<count` pieces that ``pieces(_:_:)`` calls this member for first, in order.
  public func stretch(of count: Int) -> Range<Int> { WorkCursors.stretch(of: count, member: index, of: self.count) }

  /// This member's part of `0..<n`, in pieces of `multiple`. The parts of all members cover `0..<n` in order.
  public func share(of n: Int, multiple: Int = 1) -> Range<Int> {
    let pieces = (n + multiple - 1) / multiple
    let begin = min(n, pieces * index / count * multiple)
    let end = min(n, pieces * (index + 1) / count * multiple)
    return begin..<end
  }
}

/// What the threads of a team share. They hold it, not the team, so that the team can end.
// Unchecked: what is not atomic is written before `gate` opens, or by the leader while all others wait at the barrier.
private final class Crew: @unchecked Sendable {
  /// The barrier of a run by one thread only.
  static let alone = Barrier(count: 1, spins: 0)

  // Written before `opened` is set behind the gate, constant after.
  private var barrier = Crew.alone
  private var cursors: WorkCursors?
  private var placement: TeamPlacement?
  private var threadIDs: [UInt] = []
  private var opened = false
  private let gate = NSCondition()

  /// A function inside an optional of its own would be wrapped in an allocation at each run.
  private struct Body {
    let call: @Sendable (Member) -> Void
  }

  // Written by the leader while all others wait at the barrier.
  private var body: Body?
  private var stopping = false
  private let leader = Atomic<UInt>(0)

  /// Lets the threads begin, now that their number is known.
  func open(count: Int, threadIDs: [UInt], nodes: MemoryNodes) {
    gate.lock()
    if count > 1 {
      // With a processor for each, spin for about the length of a small product (30 to 100 µs); else give way at once.
      let processors = min(Double(Processors.available), Processors.quota ?? .infinity)
      let hasEnough = Double(count) <= processors
      placement = hasEnough ? TeamPlacement(count: count, nodes: nodes.serving(threads: count)) : nil
      for (index, thread) in threadIDs.enumerated() { placement?.register(index + 1, thread: thread) }
      barrier = Barrier(count: count, spins: hasEnough ? 2500 : 20, placement: placement)
      cursors = WorkCursors(members: count)
    }
    self.threadIDs = threadIDs
    opened = true
    gate.broadcast()
    gate.unlock()
  }

  /// Whether this thread is inside a run.
  func isWorking(_ thread: UInt) -> Bool {
    leader.load(ordering: .relaxed) == thread || threadIDs.contains(thread)
  }

  /// The life of a thread.
  func work(index: Int) {
    gate.lock()
    while !opened { gate.wait() }
    gate.unlock()
    while true {
      barrier.wait(index, isIdle: true)
      if stopping { return }
      perform(index)
      finish(index)
    }
  }

  func lead(_ body: @escaping @Sendable (Member) -> Void) {
    leader.store(SystemThread.currentID, ordering: .relaxed)
    placement?.begin()
    self.body = Body(call: body)
    barrier.wait(0, isIdle: true)
    perform(0)
    finish(0)
    placement?.end()
    self.body = nil
    leader.store(0, ordering: .relaxed)
  }

  func stop() {
    stopping = true
    barrier.wait(0, isIdle: true)
  }

  // Not inlined, so that a thread holds nothing of the body when it goes to the barrier.
  @inline(never)
  private func perform(_ index: Int) {
    body?.call(Member(index: index, barrier: barrier, cursors: cursors))
  }

  /// Meets the others at the end of a run.
  private func finish(_ index: Int) {
    cursors?.turn(index)
    barrier.wait(index)
    placement?.settle(index)
  }

  deinit {
    cursors?.deallocate()
  }
}

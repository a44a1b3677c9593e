import CPowerInferKernels
import PowerInferPlatform
import Synchronization

/// Which processors the members of a team run on, and how a member that waits helps one that has none.
///
/// Where another process keeps a processor busy, the system takes it from a member for some milliseconds, and everyone else
/// would wait that long at the next barrier, for a piece of work of some microseconds. Worse, the system may leave two members
/// on one processor for seconds, even beside an idle one. So the first member that has waited a while moves the late one to
/// its own processor, and goes itself to the processor that the late one has lost; or, where both share one, moves the late
/// one to another. At the end of a run every thread may again use what it could before.
///
/// On a machine with several memory nodes each member stays on the node whose memory holds the rows that it begins with
/// (``MemoryNodes``): threads of the team for good, the thread that leads a run while it does.
///
/// Works on Linux; elsewhere there is none, for no system call moves a thread.
// Unchecked: `usual` and `given` are read and written by who has `isHelping` only, `leader` by the thread that leads a run; all else is
// atomic.
final class TeamPlacement: @unchecked Sendable {
  private struct Standing: ~Copyable {
    let thread = Atomic<UInt>(0)
    let round = Atomic<Int>(-1)
    let processor = Atomic<Int>(-1)
    let isMoved = Atomic<Bool>(false)
    // Two cache lines for each, since processors fetch lines in pairs.
    private let padding: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0, 0, 0)
    private let more: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
  }

  private let count: Int
  /// Where each member stays; empty where there is one memory node.
  private let homes: [ProcessorSet]
  private let standings: UnsafeMutablePointer<Standing>
  private var usual: [ProcessorSet?]
  /// What a member that was moved was given last.
  private var given: [ProcessorSet?]
  /// What the thread that leads a run could use before, and what it is held to; nil where it is not.
  private var leader: (usual: ProcessorSet, held: ProcessorSet)?
  private let isHelping = Atomic<Bool>(false)

  /// - Returns: nil where the system tells no thread's processor, or has only one for them all.
  init?(count: Int, nodes: MemoryNodes = .current) {
    guard count > 1, pi_current_processor() >= 0 else { return nil }
    self.count = count
    homes =
      nodes.count > 1
      ? (0..<count).map { ProcessorSet(nodes.processors[nodes.node(ofMember: $0, of: count)]) } : []
    usual = Array(repeating: nil, count: count)
    given = usual
    standings = .allocate(capacity: count)
    for member in 0..<count { (standings + member).initialize(to: Standing()) }
  }

  deinit {
    standings.deinitialize(count: count)
    standings.deallocate()
  }

  /// Says which thread (a `pthread_t`) a member is, which from now on stays on its node.
  func register(_ member: Int, thread: UInt) {
    standings[member].thread.store(thread, ordering: .relaxed)
    _ = holdAtHome(member)
  }

  /// Makes the calling thread the first member for a run.
  func begin() {
    standings[0].thread.store(SystemThread.currentID, ordering: .relaxed)
    leader = holdAtHome(0)
  }

  /// The run is over: its first member may again use all processors that it could before.
  func end() {
    guard let leader else { return }
    self.leader = nil
    // Unless somebody else has said meanwhile what it may use.
    if ProcessorSet(of: thread(of: 0)) == leader.held { _ = leader.usual.hold(thread(of: 0)) }
  }

  /// Keeps a member on its node, as far as its thread may run there.
  private func holdAtHome(_ member: Int) -> (usual: ProcessorSet, held: ProcessorSet)? {
    let thread = thread(of: member)
    guard !homes.isEmpty, let usual = ProcessorSet(of: thread) else { return nil }
    let held = homes[member].intersection(usual)
    return !held.isEmpty && held.hold(thread) ? (usual, held) : nil
  }

  /// A member is at the barrier of a round.
  func arrive(_ member: Int, round: Int) {
    standings[member].processor.store(Int(pi_current_processor()), ordering: .relaxed)
    // Sequentially consistent, as in `isLate`: either who helps sees that this member has come, or this member, before it
    // leaves the run, sees that somebody helps.
    standings[member].round.store(round, ordering: .sequentiallyConsistent)
  }

  /// A member that is not at the barrier of a round yet.
  func late(_ round: Int) -> Int? {
    (0..<count).first { isLate($0, round) }
  }

  private func isLate(_ member: Int, _ round: Int) -> Bool {
    standings[member].round.load(ordering: .sequentiallyConsistent) != round
  }

  /// Whether a member was last seen on the processor that the calling member runs on.
  func isHere(_ member: Int) -> Bool {
    standings[member].processor.load(ordering: .relaxed) == Int(pi_current_processor())
  }

  /// Nanoseconds that a member's thread has had a processor: it has none while this does not grow. Negative where unknown.
  func time(of member: Int) -> Int64 {
    pi_thread_time(standings[member].thread.load(ordering: .relaxed))
  }

  /// Moves a member that has not reached the barrier of a round away from the calling one's processor, if it can, to one where no
  /// member runs.
  func sendAway(_ late: Int, _ round: Int) {
    let here = Int(pi_current_processor())
    help {
      // Who has come in the meantime may have left the run, and must not be moved any more.
      guard isLate(late, round), var processors = usualProcessors(late) else { return }
      processors.remove(here)
      let all = processors
      for member in 0..<count where member != late { processors.remove(processor(of: member)) }
      if processors.isEmpty { processors = all }
      if !processors.isEmpty, processors.hold(thread(of: late)) {
        given[late] = processors
        standings[late].processor.store(-1, ordering: .relaxed)
      }
    }
  }

  /// Moves a member that has not reached the barrier of a round to the processor of the calling one, `member`, and that one to
  /// where the late one was.
  /// - Returns: whether that was done, so that the calling member had better sleep.
  func change(_ member: Int, with late: Int, _ round: Int) -> Bool {
    let (here, there) = (Int(pi_current_processor()), processor(of: late))
    var isDone = false
    help {
      guard isLate(late, round), var mine = usualProcessors(member), let its = usualProcessors(late),
        its.contains(here), mine.contains(there), ProcessorSet([here]).hold(thread(of: late))
      else { return }
      given[late] = ProcessorSet([here])
      standings[late].processor.store(here, ordering: .relaxed)
      for other in 0..<count where other != member && other != late { mine.remove(processor(of: other)) }
      mine.remove(here)
      mine.insert(there)
      if mine.hold(thread(of: member)) { given[member] = mine }
      standings[member].processor.store(there, ordering: .relaxed)
      isDone = true
    }
    return isDone
  }

  /// Lets a member's thread, which calls this after the end of a run, use all processors that it could before it was helped.
  func settle(_ member: Int) {
    // Who helped this member may not have done with it.
    while isHelping.load(ordering: .sequentiallyConsistent) { pi_pause() }
    guard standings[member].isMoved.load(ordering: .acquiring) else { return }
    while !help({
      // Unless somebody else has said meanwhile what it may use.
      if ProcessorSet(of: thread(of: member)) == given[member] { _ = usual[member]?.hold(thread(of: member)) }
      standings[member].isMoved.store(false, ordering: .relaxed)
    }) { pi_pause() }
  }

  private func thread(of member: Int) -> UInt { standings[member].thread.load(ordering: .relaxed) }

  private func processor(of member: Int) -> Int { standings[member].processor.load(ordering: .relaxed) }

  /// One at a time; whoever comes meanwhile goes on waiting.
  /// - Returns: whether `body` was called.
  @discardableResult
  private func help(_ body: () -> Void) -> Bool {
    guard isHelping.compareExchange(expected: false, desired: true, ordering: .sequentiallyConsistent).exchanged
    else { return false }
    body()
    isHelping.store(false, ordering: .releasing)
    return true
  }

  /// The processors that a member could use before it was moved in this run, or that somebody else has given it since; from now on it
  /// counts as moved.
  private func usualProcessors(_ member: Int) -> ProcessorSet? {
    let current = ProcessorSet(of: thread(of: member))
    if !standings[member].isMoved.load(ordering: .relaxed) || current != given[member] {
      (usual[member], given[member]) = (current, current)
      standings[member].isMoved.store(true, ordering: .relaxed)
    }
    return usual[member]
  }
}

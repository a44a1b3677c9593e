import Dispatch
import PowerInferKernels

/// How long each thread spent in each stage of the passes so far, prompts and decoding apart.
///
/// Threads write counters of their own only, while a pass runs; everything else is for the thread that leads passes, between them.
// Unchecked: the counters of a thread are a part of the memory that no other thread touches during a pass.
final class Profile: @unchecked Sendable {
  /// What the passes of a phase worked on.
  typealias Work = StageTimes.Work

  /// Threads that report.
  let threads: Int

  private let now: @Sendable () -> UInt64
  private var phase = Batch.Phase.prompt
  private var work = [Work](repeating: Work(), count: Batch.Phase.allCases.count)
  // [threads, stride]: the stage that runs (or none), since when, and the nanoseconds of [phase, stage]. A multiple of 128
  // bytes a thread, for processors fetch lines in pairs.
  private let counters: UnsafeMutablePointer<UInt64>
  private static let none = UInt64.max
  private static let stageCount = Stage.allCases.count
  private static let stride = (2 + Batch.Phase.allCases.count * stageCount + 15) / 16 * 16

  /// - Parameters:
  ///   - threads: of the team that reports.
  ///   - now: a clock in nanoseconds that never goes back.
  init(threads: Int, now: @escaping @Sendable () -> UInt64 = { DispatchTime.now().uptimeNanoseconds }) {
    self.threads = threads
    self.now = now
    let count = threads * Self.stride
    counters = UnsafeMutableRawPointer.allocate(byteCount: count * 8, alignment: 128)
      .bindMemory(to: UInt64.self, capacity: count)
    reset()
  }

  deinit { counters.deallocate() }

  /// Forgets all passes so far.
  func reset() {
    counters.initialize(repeating: 0, count: threads * Self.stride)
    for thread in 0..<threads { counters[thread * Self.stride] = Self.none }
    work = work.map { _ in Work() }
  }

  /// Runs `body`, which does some work of a phase.
  func measure(_ phase: Batch.Phase, _ part: Work, _ body: () -> Void) {
    self.phase = phase
    let start = now()
    body()
    work[Int(phase.rawValue)].add(part, nanoseconds: now() - start)
  }

  /// What the passes of a phase worked on.
  func work(_ phase: Batch.Phase) -> Work { work[Int(phase.rawValue)] }

  /// What was measured so far.
  var times: StageTimes {
    StageTimes(
      threads: threads,
      phases: Batch.Phase.allCases.map { phase in
        StageTimes.Phase(
          phase: phase, work: work[Int(phase.rawValue)],
          nanoseconds: Stage.allCases.map { meanNanoseconds(phase, $0) })
      })
  }

  /// Nanoseconds that one thread spent in a stage.
  func nanoseconds(_ phase: Batch.Phase, _ stage: Stage, thread: Int) -> UInt64 {
    counters[thread * Self.stride + Self.index(phase, stage)]
  }

  /// Nanoseconds in a stage, the mean of all threads.
  func meanNanoseconds(_ phase: Batch.Phase, _ stage: Stage) -> Double {
    Double((0..<threads).reduce(0) { $0 + nanoseconds(phase, stage, thread: $1) }) / Double(threads)
  }

  /// Ends the stage that the thread was in and begins this one.
  ///
  /// - Returns: the stage that ended.
  @discardableResult
  func enter(_ stage: Stage?, thread: Int) -> Stage? {
    // A team's nested or lonely run must not write where nobody's counters are.
    guard thread < threads else { return nil }
    let mine = counters + thread * Self.stride
    let time = now()
    let ended = Stage(rawValue: Int(truncatingIfNeeded: mine[0]))
    if let ended { mine[Self.index(phase, ended)] += time - mine[1] }
    mine[0] = stage.map { UInt64($0.rawValue) } ?? Self.none
    mine[1] = time
    return ended
  }

  private static func index(_ phase: Batch.Phase, _ stage: Stage) -> Int {
    2 + Int(phase.rawValue) * stageCount + stage.rawValue
  }
}

/// What an executor tells a ``Profile``: a stage begins, a barrier, the end. Costs a comparison where there is no profile.
///
/// Holds the profile without owning it, so that a pass counts no references; whoever runs passes keeps the profile.
struct StageClock: Sendable {
  /// Tells nobody.
  static let off = StageClock(profile: nil)

  private let profile: Unmanaged<Profile>?

  private init(profile: Unmanaged<Profile>?) { self.profile = profile }

  init(_ profile: Profile?) { self.profile = profile.map(Unmanaged.passUnretained) }

  /// The thread goes on to this stage.
  func enter(_ stage: Stage, member: Member) {
    profile?._withUnsafeGuaranteedRef { _ = $0.enter(stage, thread: member.index) }
  }

  /// The member's `sync()`, with the wait told apart from the stage around it, which goes on afterwards.
  func sync(_ member: Member) {
    guard let profile else { return member.sync() }
    let stage = profile._withUnsafeGuaranteedRef { $0.enter(.waiting, thread: member.index) }
    member.sync()
    profile._withUnsafeGuaranteedRef { _ = $0.enter(stage, thread: member.index) }
  }

  /// The thread is done with the pass.
  func leave(member: Member) {
    profile?._withUnsafeGuaranteedRef { _ = $0.enter(nil, thread: member.index) }
  }
}

extension Optional<Profile> {
  /// Runs `body`, and measures it where there is a profile.
  func run(_ phase: Batch.Phase, _ work: @autoclosure () -> Profile.Work, _ body: () -> Void) {
    guard let self else { return body() }
    self.measure(phase, work(), body)
  }
}

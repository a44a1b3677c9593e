import Synchronization

/// How far each member of a run has got in its own stretch of a list of pieces, so that members who are done early can take
/// over pieces of the others.
///
/// The runs between two barriers use one of two halves in turn. A member clears its own cursors of the other half before it
/// arrives at a barrier: nobody has used those since the barrier before, and nobody will before this one.
// Unchecked: cursors are atomic, and each member has an owner's line of its own; the crew frees them after its threads.
struct WorkCursors: @unchecked Sendable {
  /// Lists of pieces that may be worked on between two barriers.
  static let listsPerRound = 4
  /// The most pieces that a member takes at once.
  static let mostAtOnce = 4
  // Two cache lines a member, since processors fetch lines in pairs: 2 halves × 4 cursors.
  private static let stride = 16
  private let cursors: UnsafeMutablePointer<Atomic<Int>>
  private let owners: UnsafeMutablePointer<Int>  // per member: half in use, lists begun in it
  private let members: Int

  init(members: Int) {
    self.members = members
    cursors = .allocate(capacity: members * Self.stride)
    owners = .allocate(capacity: members * Self.stride)
    for index in 0..<members * Self.stride { (cursors + index).initialize(to: Atomic(0)) }
    owners.initialize(repeating: 0, count: members * Self.stride)
  }

  func deallocate() {
    cursors.deinitialize(count: members * Self.stride)
    cursors.deallocate()
    owners.deallocate()
  }

  /// Called by `member` alone, right before it arrives at a barrier.
  func turn(_ member: Int) {
    let owner = owners + member * Self.stride
    owner[0] = 1 - owner[0]
    owner[1] = 0
    let half = member * Self.stride + owner[0] * Self.listsPerRound
    for index in half..<half + Self.listsPerRound { cursors[index].store(0, ordering: .relaxed) }
  }

  /// The pieces of `0..<count` that a member begins with.
  static func stretch(of count: Int, member: Int, of members: Int) -> Range<Int> {
    count * member / members..<count * (member + 1) / members
  }

  /// Calls `body` for pieces of `0..<count` until none is left: first those of the member's own stretch, in order, then what
  /// others have not begun.
  @inline(__always)
  func work(_ member: Int, on count: Int, _ body: (Int) -> Void) {
    let owner = owners + member * Self.stride
    precondition(owner[1] < Self.listsPerRound, "at most \(Self.listsPerRound) lists of pieces between two barriers")
    let cursor = owner[0] * Self.listsPerRound + owner[1]
    owner[1] += 1
    for turn in 0..<members {
      let victim = member + turn < members ? member + turn : member + turn - members
      let stretch = Self.stretch(of: count, member: victim, of: members)
      let next = cursors + (victim * Self.stride + cursor)
      while true {
        // The atomic operation waits until all earlier writes are visible. So a member takes several pieces at once while many are
        // left, but few enough that it keeps little from the others if it is held up.
        let left = stretch.count - next.pointee.load(ordering: .relaxed)
        guard left > 0 else { break }
        let some = max(1, min(left / 4, Self.mostAtOnce))
        let first = stretch.lowerBound + next.pointee.wrappingAdd(some, ordering: .relaxed).oldValue
        guard first < stretch.upperBound else { break }
        for piece in first..<min(first + some, stretch.upperBound) { body(piece) }
      }
    }
  }
}

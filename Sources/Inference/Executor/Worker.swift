import PowerInferKernels

/// A worker on its way through a pass: it takes pieces of steps, meets the others, and tells the clock where it is.
struct Worker {
  private let member: Member
  private let clock: StageClock

  init(_ member: Member, clock: StageClock) {
    self.member = member
    self.clock = clock
  }

  var index: Int { member.index }
  var count: Int { member.count }
  /// Whether it does what one of all has to do.
  var leads: Bool { member.index == 0 }

  /// Begins a stage, which lasts until the next one begins.
  func enter(_ stage: Stage) { clock.enter(stage, member: member) }

  /// Ends the pass.
  func leave() { clock.leave(member: member) }

  /// Waits until every worker has come here; what they wrote is visible after.
  func sync() { clock.sync(member) }

  /// Has `body` called once for each of `0..<count`, by whichever worker comes first.
  @inline(__always)
  func pieces(_ count: Int, _ body: (Int) -> Void) { member.pieces(count, body) }

  /// Those of `0..<count` pieces that this worker takes first, in order.
  func stretch(of count: Int) -> Range<Int> { member.stretch(of: count) }

  /// This worker's part of `0..<n`, in pieces of `multiple`.
  func share(of n: Int, multiple: Int = 1) -> Range<Int> { member.share(of: n, multiple: multiple) }

  /// Small work on every row. A row alone every worker works on for itself, without waiting; several are divided, and all are done
  /// when this returns.
  @inline(__always)
  func each(_ rows: RowGroup, _ body: (Int) -> Void) {
    if rows.isAlone {
      body(0)
      return
    }
    member.pieces(rows.count, body)
    sync()
  }
}

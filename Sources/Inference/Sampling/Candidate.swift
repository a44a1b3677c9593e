import PowerInferKernels

/// A token that may come next.
public struct Candidate: Sendable, Equatable {
  /// Its id.
  public var token: Int32
  /// The model's logit after bias and penalties; the sampler divides it by the temperature last.
  public var logit: Float
  /// The share of this token among the candidates that are left; 0 until it is computed.
  public var probability: Float
  /// What the candidates are sorted by, greatest first: the logit, except where typical sampling needs another order.
  var key: Float

  /// A candidate whose probability is not known yet, or is.
  public init(token: Int32, logit: Float, probability: Float = 0) {
    self.token = token
    self.logit = logit
    self.probability = probability
    key = logit
  }

  /// The order of candidates: the greater key first, and the lower id first where two are equal, so that the result
  /// never depends on how a sort treats equals.
  @inline(__always)
  static func precedes(_ left: Candidate, _ right: Candidate) -> Bool {
    left.key != right.key ? left.key > right.key : left.token < right.token
  }
}

extension UnsafeMutableBufferPointer<Candidate> {
  /// Moves the first `count` candidates of the wanted order to the front, in order; what follows is in no order.
  ///
  /// A heap of the best `count` so far with the worst at its root sees every candidate once: O(n + c log count) for c
  /// replacements, which is few for small `count`. Nothing is allocated.
  func partialSort(_ count: Int) {
    let kept = Swift.min(count, self.count)
    guard kept > 0 else { return }
    let front = UnsafeMutableBufferPointer(rebasing: self[..<kept])
    front.makeHeap()
    for index in kept..<self.count where Candidate.precedes(self[index], front[0]) {
      swapAt(index, 0)
      front.siftDown(0, within: kept)
    }
    front.sortHeap()
  }

  /// Replaces these candidates by the best of them and of more tokens, likeliest first. Almost no token is better than
  /// the worst candidate so far, so the loop mostly compares.
  ///
  /// - Parameters:
  ///   - logits: the logits of the tokens `firstToken...`, whose ids are all greater than those of these candidates.
  ///   - firstToken: the id of the first of them.
  func takeBest(of logits: UnsafeBufferPointer<Float>, firstToken: Int) {
    guard !isEmpty else { return }
    makeHeap()
    // An equal logit does not come in: its id is the greater one.
    logits.forEach(above: self[0].key) { index, worst in
      let logit = Swift.min(logits[index], .greatestFiniteMagnitude)
      guard logit > worst else { return }
      self[0] = Candidate(token: Int32(truncatingIfNeeded: firstToken + index), logit: logit)
      siftDown(0, within: count)
      worst = self[0].key
    }
    sortHeap()
  }

  /// Puts the candidate that comes last to the front, and a heap below it.
  private func makeHeap() {
    for root in stride(from: count / 2 - 1, through: 0, by: -1) { siftDown(root, within: count) }
  }

  /// Puts a heap into order.
  private func sortHeap() {
    for end in stride(from: count - 1, to: 0, by: -1) {
      swapAt(0, end)
      siftDown(0, within: end)
    }
  }

  /// Restores the heap below `root`: every parent is preceded by its children.
  private func siftDown(_ root: Int, within end: Int) {
    let sinking = self[root]
    var parent = root
    while true {
      var child = 2 * parent + 1
      guard child < end else { break }
      if child + 1 < end, Candidate.precedes(self[child], self[child + 1]) { child += 1 }
      guard Candidate.precedes(sinking, self[child]) else { break }
      self[parent] = self[child]
      parent = child
    }
    self[parent] = sinking
  }
}

extension UnsafeBufferPointer<Float> {
  /// Calls `body` with the place of every number that is above `bound`, in ascending order; it may raise the bound.
  ///
  /// Most numbers are not: the kernels pass over those that are not above the bound as it was when their stretch began.
  @inline(__always)
  func forEach(above bound: Float, _ body: (_ place: Int, _ bound: inout Float) -> Void) {
    guard let base = baseAddress else { return }
    var bound = bound
    // So many places fit a buffer on the stack.
    let some = 256
    withUnsafeTemporaryAllocation(of: UInt32.self, capacity: some) { kept in
      guard let places = kept.baseAddress else { return }
      for start in stride(from: 0, to: count, by: some) {
        let numbers = UInt32(start)..<UInt32(Swift.min(start + some, count))
        let found = Kernels.active.select(base + start, numbers: numbers, by: .above(bound), into: places)
        // What is not a number was kept too.
        for place in kept[..<found] where self[Int(place)] > bound { body(Int(place), &bound) }
      }
    }
  }

  /// The place of the first of the greatest numbers above minus infinity; nil where there is none.
  func firstGreatest() -> Int? {
    var found: Int?
    forEach(above: -.infinity) { place, best in (found, best) = (place, self[place]) }
    return found
  }
}

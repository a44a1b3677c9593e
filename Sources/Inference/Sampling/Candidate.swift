/// A token that may come next.
public struct Candidate: Sendable, Equatable {
  public var token: Int32
  /// The model's logit after bias and penalties; the sampler divides it by the temperature last.
  public var logit: Float
  /// The share of this token among the candidates that are left; 0 until it is computed.
  public var probability: Float
  /// What typical sampling sorts by.
  var distance: Float = 0

  public init(token: Int32, logit: Float, probability: Float = 0) {
    self.token = token
    self.logit = logit
    self.probability = probability
  }

  /// The order of candidates: the likelier first, and the lower id first where two are equal, so that the result
  /// never depends on how a sort treats equals.
  @inline(__always)
  static func precedes(_ left: Candidate, _ right: Candidate) -> Bool {
    left.logit != right.logit ? left.logit > right.logit : left.token < right.token
  }
}

extension UnsafeMutableBufferPointer {
  /// Moves the first `count` elements of the wanted order to the front, in order; what follows is in no order.
  ///
  /// A heap of the best `count` so far with the worst at its root sees every element once: O(n + c log count) for c
  /// replacements, which is few for small `count`. Nothing is allocated.
  @inline(__always)
  func partialSort(_ count: Int, by precedes: (Element, Element) -> Bool) {
    let kept = Swift.min(count, self.count)
    guard kept > 0 else { return }
    let front = UnsafeMutableBufferPointer(rebasing: self[..<kept])
    front.makeHeap(by: precedes)
    for index in kept..<self.count where precedes(self[index], front[0]) {
      swapAt(index, 0)
      front.siftDown(0, within: kept, by: precedes)
    }
    front.sortHeap(by: precedes)
  }

  /// Puts the element that comes last to the front, and a heap below it.
  @inline(__always)
  private func makeHeap(by precedes: (Element, Element) -> Bool) {
    for root in stride(from: count / 2 - 1, through: 0, by: -1) {
      siftDown(root, within: count, by: precedes)
    }
  }

  /// Puts a heap into order.
  @inline(__always)
  private func sortHeap(by precedes: (Element, Element) -> Bool) {
    for end in stride(from: count - 1, to: 0, by: -1) {
      swapAt(0, end)
      siftDown(0, within: end, by: precedes)
    }
  }

  /// Restores the heap below `root`: every parent is preceded by its children.
  @inline(__always)
  private func siftDown(_ root: Int, within end: Int, by precedes: (Element, Element) -> Bool) {
    var parent = root
    while true {
      var child = 2 * parent + 1
      guard child < end else { return }
      if child + 1 < end, precedes(self[child], self[child + 1]) { child += 1 }
      guard precedes(self[parent], self[child]) else { return }
      swapAt(parent, child)
      parent = child
    }
  }
}

extension UnsafeMutableBufferPointer<Candidate> {
  /// Replaces these candidates by the best of them and of more tokens, likeliest first.
  ///
  /// Sixteen logits at a time are compared with the worst candidate so far; almost always none of them is better.
  ///
  /// - Parameters:
  ///   - logits: the logits of the tokens `firstToken...`, whose ids are all greater than those of these candidates.
  ///   - firstToken: the id of the first of them.
  func takeBest(of logits: UnsafeBufferPointer<Float>, firstToken: Int) {
    guard !isEmpty else { return }
    makeHeap(by: Candidate.precedes)
    let raw = UnsafeRawBufferPointer(logits)
    let width = SIMD16<Float>.scalarCount
    var index = 0
    while index < logits.count {
      if index + width <= logits.count {
        let block = raw.loadUnaligned(fromByteOffset: index * MemoryLayout<Float>.stride, as: SIMD16<Float>.self)
        if !any(block .> SIMD16(repeating: self[0].logit)) {
          index += width
          continue
        }
      }
      for place in index..<Swift.min(index + width, logits.count) where logits[place] > self[0].logit {
        // An equal logit does not come in: its id is the greater one.
        let logit = Swift.min(logits[place], .greatestFiniteMagnitude)
        guard logit > self[0].logit else { continue }
        self[0] = Candidate(token: Int32(truncatingIfNeeded: firstToken + place), logit: logit)
        siftDown(0, within: count, by: Candidate.precedes)
      }
      index += width
    }
    sortHeap(by: Candidate.precedes)
  }
}

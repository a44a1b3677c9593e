/// Python's slices.
enum Slicing {
  /// The positions that `[from:to:by]` picks of `count` elements.
  static func positions(count: Int, from: Int?, to: Int?, by: Int?) throws -> [Int] {
    let step = by ?? 1
    guard step != 0 else { throw JinjaError.runtime("the step of a slice cannot be zero.") }
    let (low, high) = step > 0 ? (0, count) : (-1, count - 1)
    func clamp(_ bound: Int) -> Int {
      let absolute = bound < 0 ? bound.addingReportingOverflow(count).partialValue : bound
      return min(max(absolute, low), high)
    }
    let start = from.map(clamp) ?? (step > 0 ? low : high)
    let stop = to.map(clamp) ?? (step > 0 ? high : low)
    // A step beyond the count picks one element at most; a shorter one picks the same and cannot overflow.
    return Array(stride(from: start, to: stop, by: min(max(step, -count - 1), count + 1)))
  }

  static func slice(
    _ object: Object, from: Int?, to: Int?, by: Int?, _ interpreter: Interpreter
  ) throws -> Object {
    func pick<Element>(_ items: [Element]) throws -> [Element] {
      try interpreter.charge(items.count)
      return try positions(count: items.count, from: from, to: to, by: by).map { items[$0] }
    }
    switch object {
    case .string(let text): return .string(String(scalars: try pick(Array(text.unicodeScalars))))
    case .markup(let text): return .markup(String(scalars: try pick(Array(text.unicodeScalars))))
    case .list(let sequence): return .list(try pick(sequence.items))
    case .tuple(let sequence): return .tuple(try pick(sequence.items))
    case .range(let range): return try slice(range, from: from, to: to, by: by)
    case .undefined(let reason): throw JinjaError.runtime(reason.sentence)
    default: throw JinjaError.runtime("a value of type '\(object.typeName)' cannot be sliced.")
    }
  }

  private static func slice(_ range: Object.Range, from: Int?, to: Int?, by: Int?) throws -> Object {
    let picked = try positions(count: range.count, from: from, to: to, by: by)
    let step = range.step.multipliedReportingOverflow(by: by ?? 1).partialValue
    guard let first = picked.first, let last = picked.last else {
      return .range(Object.Range(start: 0, stop: 0, step: 1))
    }
    let edge = step > 0 ? 1 : -1
    return .range(
      Object.Range(
        start: range.start + first * range.step, stop: range.start + last * range.step + edge,
        step: step == 0 ? 1 : step))
  }
}

/// Python's slices.
enum Slicing {
  /// Where `[from:to:by]` of `count` elements begins, before which position it ends, and by how much it advances.
  private static func bounds(
    count: Int, from: Int?, to: Int?, by: Int?
  ) throws -> (start: Int, stop: Int, step: Int) {
    let step = by ?? 1
    guard step != 0 else { throw JinjaError.runtime("the step of a slice cannot be zero.") }
    let (low, high) = step > 0 ? (0, count) : (-1, count - 1)
    func clamp(_ bound: Int) -> Int {
      let absolute = bound < 0 ? bound.addingReportingOverflow(count).partialValue : bound
      return min(max(absolute, low), high)
    }
    let start = from.map(clamp) ?? (step > 0 ? low : high)
    let stop = to.map(clamp) ?? (step > 0 ? high : low)
    return (start, stop, step)
  }

  /// The positions that `[from:to:by]` picks of `count` elements.
  static func positions(count: Int, from: Int?, to: Int?, by: Int?) throws -> [Int] {
    let (start, stop, step) = try bounds(count: count, from: from, to: to, by: by)
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
    case .string(let text): return .string(Text(try pick(text.letters)))
    case .markup(let text): return .markup(Text(try pick(text.letters)))
    case .list(let sequence): return .list(try pick(sequence.items))
    case .tuple(let sequence): return .tuple(try pick(sequence.items))
    case .range(let range): return try slice(range, from: from, to: to, by: by)
    case .undefined(let reason): throw JinjaError.runtime(reason.sentence)
    default: throw JinjaError.runtime("a value of type '\(object.typeName)' cannot be sliced.")
    }
  }

  private static func slice(_ range: Object.Range, from: Int?, to: Int?, by: Int?) throws -> Object {
    let (start, stop, step) = try bounds(count: range.count, from: from, to: to, by: by)
    // Python's ranges have no bounds of size; ours must be able to say all three numbers.
    func scaled(_ factor: Int, plus base: Int) throws -> Int {
      let (product, overflows) = factor.multipliedReportingOverflow(by: range.step)
      let (sum, overflowsToo) = product.addingReportingOverflow(base)
      guard !overflows, !overflowsToo else {
        throw JinjaError.limit("the slice of a range has a bound or a step that does not fit in 64 bits.")
      }
      return sum
    }
    return .range(
      Object.Range(
        start: try scaled(start, plus: range.start), stop: try scaled(stop, plus: range.start),
        step: try scaled(step, plus: 0)))
  }
}

/// Sizes that are compared with a limit: whatever does not fit in an `Int` is beyond every limit.
extension Int {
  /// The sum, or the nearest number that there is.
  func addingSaturating(_ other: Int) -> Int {
    let (sum, overflows) = addingReportingOverflow(other)
    return overflows ? (other < 0 ? .min : .max) : sum
  }

  /// So many times this size; none for a negative count.
  func multipliedSaturating(by count: Int) -> Int {
    let (product, overflows) = multipliedReportingOverflow(by: Swift.max(count, 0))
    return overflows ? .max : product
  }
}

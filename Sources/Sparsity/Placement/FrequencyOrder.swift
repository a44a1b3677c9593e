/// Positions by falling frequency; equally frequent ones keep their order.
///
/// Sorts by digits of 11 bits: a large model has millions of neurons, for which comparing would take a hundred times as
/// long as all else that is done to place them.
///
/// - Parameter frequencies: shares from 0 on; NaN and what is less count as 0.
func positionsByFallingFrequency(_ frequencies: [Float]) -> [UInt32] {
  // The bits of floats that are not negative rise as the floats do.
  let keys = frequencies.map { ~($0 > 0 ? $0 : 0).bitPattern }
  var order = keys.indices.map { UInt32(clamping: $0) }
  var next = order
  for shift in [UInt32(0), 11, 22] {
    var starts = [Int](repeating: 0, count: 2049)
    for key in keys { starts[Int(key >> shift & 2047) + 1] += 1 }
    // One frequency for all, or a digit in which none differ.
    if starts.contains(keys.count) { continue }
    for digit in 1..<2049 { starts[digit] += starts[digit - 1] }
    for position in order {
      let digit = Int(keys[Int(position)] >> shift & 2047)
      next[starts[digit]] = position
      starts[digit] += 1
    }
    swap(&order, &next)
  }
  return order
}

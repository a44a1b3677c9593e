/// A set of Unicode scalars, as ranges that ascend and neither overlap nor touch.
struct ScalarSet: Sendable, Equatable {
  private(set) var ranges: [ClosedRange<UInt32>]

  static let all = ScalarSet([0...0xD7FF, 0xE000...0x10FFFF])

  /// - Parameter ranges: in any order; what is no scalar (surrogates, numbers past U+10FFFF) is left out.
  init(_ ranges: [ClosedRange<UInt32>]) {
    var kept: [ClosedRange<UInt32>] = []
    for range in ranges {
      for part in [UInt32(0)...0xD7FF, 0xE000...0x10FFFF] where range.overlaps(part) {
        kept.append(range.clamped(to: part))
      }
    }
    kept.sort { $0.lowerBound < $1.lowerBound }
    self.ranges = []
    for range in kept {
      if let last = self.ranges.last, range.lowerBound <= last.upperBound + 1 {
        self.ranges[self.ranges.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
      } else {
        self.ranges.append(range)
      }
    }
  }

  init(_ characters: String) { self.init(characters.unicodeScalars.map { $0.value...$0.value }) }

  var isEmpty: Bool { ranges.isEmpty }

  func contains(_ scalar: Unicode.Scalar) -> Bool { ranges.contains { $0.contains(scalar.value) } }

  func union(_ other: ScalarSet) -> ScalarSet { ScalarSet(ranges + other.ranges) }

  func intersection(_ other: ScalarSet) -> ScalarSet {
    ScalarSet(
      ranges.flatMap { range in other.ranges.filter { $0.overlaps(range) }.map { $0.clamped(to: range) } })
  }

  /// All scalars but these.
  var inverted: ScalarSet {
    var rest: [ClosedRange<UInt32>] = []
    var next: UInt32 = 0
    for range in ranges {
      if range.lowerBound > next { rest.append(next...range.lowerBound - 1) }
      next = range.upperBound + 1
    }
    if next <= 0x10FFFF { rest.append(next...0x10FFFF) }
    return ScalarSet(rest)
  }

  /// The set in UTF-8: sequences of one to four sets of bytes, of which every byte combination is a scalar's.
  var byteSequences: [[ClosedRange<UInt8>]] {
    ranges.flatMap { range in
      [UInt32(0)...0x7F, 0x80...0x7FF, 0x800...0xFFFF, 0x10000...0x10FFFF].enumerated().flatMap { index, part in
        range.overlaps(part) ? Self.sequences(of: range.clamped(to: part), bytes: index + 1) : []
      }
    }
  }

  /// The scalars of a range that all take `bytes` bytes.
  private static func sequences(of range: ClosedRange<UInt32>, bytes: Int) -> [[ClosedRange<UInt8>]] {
    if bytes == 1 { return [[UInt8(range.lowerBound)...UInt8(range.upperBound)]] }
    // Where the first and the last share all but their last bytes, or those are complete, one sequence says it.
    for shift in stride(from: 6 * (bytes - 1), to: 0, by: -6) {
      let low = (UInt32(1) << UInt32(shift)) - 1
      guard range.lowerBound >> UInt32(shift) != range.upperBound >> UInt32(shift) else { continue }
      if range.lowerBound & low != 0 {
        let end = range.lowerBound | low
        return sequences(of: range.lowerBound...end, bytes: bytes)
          + sequences(of: end + 1...range.upperBound, bytes: bytes)
      }
      if range.upperBound & low != low {
        let begin = range.upperBound & ~low
        return sequences(of: range.lowerBound...begin - 1, bytes: bytes)
          + sequences(of: begin...range.upperBound, bytes: bytes)
      }
    }
    return [zip(encoded(range.lowerBound, bytes), encoded(range.upperBound, bytes)).map { $0...$1 }]
  }

  private static func encoded(_ scalar: UInt32, _ bytes: Int) -> [UInt8] {
    let lead: UInt32 = bytes == 2 ? 0xC0 : bytes == 3 ? 0xE0 : 0xF0
    return (0..<bytes).map { index in
      let part = scalar >> UInt32(6 * (bytes - 1 - index))
      return UInt8(truncatingIfNeeded: index == 0 ? lead | part : 0x80 | part & 0x3F)
    }
  }
}

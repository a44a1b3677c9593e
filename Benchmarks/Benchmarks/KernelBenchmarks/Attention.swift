import Kernels

/// One token's attention for the queries that share a head of keys and values.
func attention(_ kernels: Kernels) {
  let (group, headSize) = (4, 64)
  for positions in [512, 4096] {
    measure(
      "attention, \(positions) positions", kernels, .megabytes, amount: 2 * positions * headSize * 2,
      repetitions: 16384 / positions
    ) {
      let queries = Floats(group * headSize)
      let keysAndValues = Floats(positions * headSize)
      let halves = UnsafeMutableBufferPointer<UInt16>.allocate(capacity: 2 * positions * headSize)
      guard let keys = halves.baseAddress else { return {} }
      let values = keys + positions * headSize
      kernels.storeF16(keysAndValues.pointer, count: positions * headSize, into: keys)
      kernels.storeF16(keysAndValues.pointer, count: positions * headSize, into: values)
      let scores = Floats(group * positions)
      let out = Floats(group * headSize)
      return {
        kernels.attend(
          queries: queries.pointer, groupSize: group, headSize: headSize, keys: keys, values: values,
          positions: positions, scale: 0.125, scores: scores.pointer, into: out.pointer)
      }
    }
  }
}

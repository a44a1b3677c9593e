import PowerInferKernels

/// One token's attention for the queries that share a head of keys and values, in chunks as a decoding session takes them.
func attention(_ kernels: Kernels) {
  let (group, headSize, chunk) = (4, 64, 256)
  for format in [WeightFormat.f16, .q8_0] {
    let rowBytes = format.rowBytes(columns: headSize)
    for positions in [512, 4096] {
      measure(
        "attention \(format), \(positions) positions", kernels, .megabytes, amount: 2 * positions * rowBytes,
        repetitions: 16384 / positions
      ) {
        let queries = Floats(group * headSize)
        let row = Floats(headSize)
        let scratch = Floats(Kernels.attentionScratchFloats(headSize: headSize, queries: group))
        let state = Kernels.stateFloats(headSize: headSize)
        let chunks = positions / chunk
        let states = Floats(chunks * group * state)
        let out = Floats(group * headSize)
        let cache = UnsafeMutableRawPointer.allocate(byteCount: 2 * positions * rowBytes, alignment: 64)
        let half = Kernels.attentionTile * rowBytes
        let pages = UnsafeMutablePointer<UnsafeMutablePointer<UInt8>>.allocate(
          capacity: positions / Kernels.attentionTile)
        for page in 0..<positions / Kernels.attentionTile {
          (pages + page).initialize(to: (cache + page * 2 * half).assumingMemoryBound(to: UInt8.self))
        }
        let head = CacheHead(
          pages: pages, keyOffset: 0, valueOffset: half, headSize: headSize, keyFormat: format, valueFormat: format)
        for position in 0..<positions {
          kernels.storeKey(row.pointer, at: position, in: head)
          kernels.storeValue(row.pointer, at: position, in: head)
        }
        return {
          for index in 0..<chunks {
            kernels.attend(
              queries: queries.pointer, tokens: 1, groupSize: group, to: head, visible: positions,
              positions: index * chunk..<(index + 1) * chunk, chunk: chunk, scale: 0.125, scratch: scratch.pointer,
              states: states.pointer + index * group * state)
          }
          for query in 0..<group {
            kernels.mergeStates(
              states.pointer + query * state, count: chunks, step: group * state, headSize: headSize,
              into: out.pointer + query * headSize)
          }
        }
      }
    }
  }
}

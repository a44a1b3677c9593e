extension WeightLayout {
  /// Writes some rows of a plane, from front to back and without reading.
  ///
  /// - Parameters:
  ///   - plane: one of ``planes``.
  ///   - rows: how many.
  ///   - source: their first byte, as a file stores them.
  ///   - sourceRowBytes: distance between them.
  ///   - target: room for `rows` times the plane's bytes per row.
  public func write(
    _ plane: Plane, rows: Int, from source: UnsafeRawPointer, sourceRowBytes: Int, into target: UnsafeMutableRawPointer
  ) {
    for row in 0..<rows {
      let (from, to) = (source + row * sourceRowBytes, target + row * plane.bytesPerRow)
      switch plane.content {
      case .codes: writeCodes(from, to)
      case .highs: writeHighs(from, to)
      case .scales: writeScales(from, to)
      case .superScales:
        for block in 0..<columns / 256 {
          to.storeBytes(of: half(from, block * 210 + 208), toByteOffset: 2 * block, as: UInt16.self)
        }
      }
    }
  }

  private func half(_ source: UnsafeRawPointer, _ offset: Int) -> UInt16 {
    source.loadUnaligned(fromByteOffset: offset, as: UInt16.self)
  }

  private func writeCodes(_ source: UnsafeRawPointer, _ target: UnsafeMutableRawPointer) {
    switch format {
    case .f32, .f16:
      target.copyMemory(from: source, byteCount: fileRowBytes)
      (target + fileRowBytes).initializeMemory(as: UInt8.self, repeating: 0, count: units * 16 - fileRowBytes)
    case .q4_0: copyBlocks(source, target, blockBytes: 18, start: 2, bytes: 16)
    case .q4_1: copyBlocks(source, target, blockBytes: 20, start: 4, bytes: 16)
    case .q5_0: copyBlocks(source, target, blockBytes: 22, start: 6, bytes: 16)
    case .q8_0: copyBlocks(source, target, blockBytes: 34, start: 2, bytes: 32)
    case .q4_K: writeNibbles(source, target, blockBytes: 144, start: 16)
    case .q6_K: writeLows(source, target)
    }
  }

  private func copyBlocks(
    _ source: UnsafeRawPointer, _ target: UnsafeMutableRawPointer, blockBytes: Int, start: Int, bytes: Int
  ) {
    for block in 0..<columns / 32 {
      let (from, to) = (source + block * blockBytes + start, target + block * bytes)
      for word in stride(from: 0, to: bytes, by: 8) {
        to.storeBytes(
          of: from.loadUnaligned(fromByteOffset: word, as: UInt64.self), toByteOffset: word, as: UInt64.self)
      }
    }
  }

  /// Two runs of 32 elements that share 32 bytes, the first in the low nibbles.
  private func writePair(_ source: UnsafeRawPointer, first: UnsafeMutableRawPointer, second: UnsafeMutableRawPointer) {
    let low: UInt64 = 0x0f0f_0f0f_0f0f_0f0f
    for word in stride(from: 0, to: 16, by: 8) {
      let a = source.loadUnaligned(fromByteOffset: word, as: UInt64.self)
      let b = source.loadUnaligned(fromByteOffset: word + 16, as: UInt64.self)
      first.storeBytes(of: a & low | (b & low) << 4, toByteOffset: word, as: UInt64.self)
      second.storeBytes(of: a >> 4 & low | b & ~low, toByteOffset: word, as: UInt64.self)
    }
  }

  private func writeNibbles(_ source: UnsafeRawPointer, _ target: UnsafeMutableRawPointer, blockBytes: Int, start: Int)
  {
    for block in 0..<columns / 256 {
      for pair in 0..<4 {
        let to = target + block * 128 + pair * 32
        writePair(source + block * blockBytes + start + pair * 32, first: to, second: to + 16)
      }
    }
  }

  /// Of each half of a block, 64 bytes hold runs 0 and 1 in low nibbles, 2 and 3 in high ones.
  private func writeLows(_ source: UnsafeRawPointer, _ target: UnsafeMutableRawPointer) {
    for block in 0..<columns / 256 {
      for pair in 0..<4 {
        let to = target + block * 128 + (pair / 2 * 4 + pair % 2) * 16
        writePair(source + block * 210 + pair * 32, first: to, second: to + 32)
      }
    }
  }

  private func writeHighs(_ source: UnsafeRawPointer, _ target: UnsafeMutableRawPointer) {
    guard format == .q6_K else {
      for block in 0..<columns / 32 {
        let bits = source.loadUnaligned(fromByteOffset: block * 22 + 2, as: UInt32.self)
        target.storeBytes(of: Self.spread(bits), toByteOffset: 4 * block, as: UInt32.self)
      }
      return
    }
    // 32 bytes of a half hold two bits of each of its four runs of 32.
    for block in 0..<columns / 256 {
      for half in 0..<2 {
        let from = source + block * 210 + 128 + half * 32
        for run in 0..<4 {
          let to = target + block * 64 + (half * 4 + run) * 8
          for word in 0..<2 {
            var bits: UInt32 = 0
            for i in 0..<4 {
              let four = from.loadUnaligned(fromByteOffset: word * 16 + 4 * i, as: UInt32.self)
              bits |= (four >> UInt32(2 * run) & 0x0303_0303) << UInt32(2 * i)
            }
            to.storeBytes(of: bits, toByteOffset: 4 * word, as: UInt32.self)
          }
        }
      }
    }
  }

  /// Bit 4i + k to bit 8k + i.
  static func spread(_ bits: UInt32) -> UInt32 {
    var result: UInt32 = 0
    for i in UInt32(0)..<8 {
      // A nibble's bits to the lowest bits of four bytes; the products' other bits fall elsewhere.
      result |= ((bits >> (4 * i) & 15) &* 0x0020_4081 & 0x0101_0101) << i
    }
    return result
  }

  private func writeScales(_ source: UnsafeRawPointer, _ target: UnsafeMutableRawPointer) {
    let (blocks, bytes) = (columns / format.blockElements, format.blockBytes)
    for block in 0..<blocks {
      let from = source + block * bytes
      switch format {
      case .f32, .f16: return
      case .q4_0, .q5_0, .q8_0: target.storeBytes(of: half(from, 0), toByteOffset: 2 * block, as: UInt16.self)
      case .q4_1:
        target.storeBytes(of: from.loadUnaligned(as: UInt32.self), toByteOffset: 4 * block, as: UInt32.self)
      case .q4_K: writePairs(from, target + 16 * block)
      case .q6_K:
        for word in stride(from: 0, to: 16, by: 8) {
          target.storeBytes(
            of: from.loadUnaligned(fromByteOffset: 192 + word, as: UInt64.self), toByteOffset: 16 * block + word,
            as: UInt64.self)
        }
      }
    }
  }

  /// Q4_K's header: eight pairs of 6-bit scale and minimum lie in 12 bytes, the last four split over three places.
  private func writePairs(_ source: UnsafeRawPointer, _ target: UnsafeMutableRawPointer) {
    func word(_ offset: Int) -> UInt32 { source.loadUnaligned(fromByteOffset: offset, as: UInt32.self) }
    let (a, b, c) = (word(4), word(8), word(12))
    // Bytes: the first four, then the last four.
    let scales = (a & 0x3f3f_3f3f, c & 0x0f0f_0f0f | a >> 2 & 0x3030_3030)
    let minima = (b & 0x3f3f_3f3f, c >> 4 & 0x0f0f_0f0f | b >> 2 & 0x3030_3030)
    var (lowScales, lowMinima, highs): (UInt32, UInt32, UInt32) = (0, 0, 0)
    for run in UInt32(0)..<8 {
      let (scale, minimum) = run < 4 ? (scales.0, minima.0) : (scales.1, minima.1)
      let shift = 8 * (run % 4)
      lowScales |= (scale >> shift & 15) << (4 * run)
      lowMinima |= (minimum >> shift & 15) << (4 * run)
      highs |= (scale >> (shift + 4) & 3) << (2 * run) | (minimum >> (shift + 4) & 3) << (16 + 2 * run)
    }
    target.storeBytes(of: word(0), as: UInt32.self)
    target.storeBytes(of: lowScales, toByteOffset: 4, as: UInt32.self)
    target.storeBytes(of: lowMinima, toByteOffset: 8, as: UInt32.self)
    target.storeBytes(of: highs, toByteOffset: 12, as: UInt32.self)
  }
}

extension GPUDevice {
  /// Uploads rows of a matrix, some at a time, so that a mapped file's pages are walked once and nothing else is taken from the
  /// host's memory.
  ///
  /// - Parameters:
  ///   - layout: of the whole matrix, or of the part of it that the two slices hold.
  ///   - rows: which of its rows; several matrices of one format may follow one another in one layout.
  ///   - source: the first of these rows, as a file stores it.
  ///   - sourceRowBytes: distance between rows there.
  ///   - codes: ``WeightLayout/codesByteCount`` bytes.
  ///   - rest: ``WeightLayout/restByteCount`` bytes; not looked at where that is 0.
  /// - Throws: ``GPUError``.
  public func upload(
    _ layout: WeightLayout, rows: Range<Int>, from source: UnsafeRawPointer, sourceRowBytes: Int, codes: GPUBufferSlice,
    rest: GPUBufferSlice
  ) throws {
    // About as many bytes as the processor's caches hold, so that the second plane finds the rows there.
    let perPiece = max(1, (2 << 20) / max(1, sourceRowBytes))
    for start in stride(from: rows.lowerBound, to: rows.upperBound, by: perPiece) {
      let count = min(perPiece, rows.upperBound - start)
      let from = source + (start - rows.lowerBound) * sourceRowBytes
      for plane in layout.planes {
        let slice = plane.isRest ? rest : codes
        let target = GPUBufferSlice(
          slice.buffer, offset: slice.offset + plane.offset + start * plane.bytesPerRow,
          byteCount: count * plane.bytesPerRow)
        try upload(to: target, inMultiplesOf: plane.bytesPerRow) { piece, offset in
          guard let to = piece.baseAddress else { return }
          layout.write(
            plane, rows: piece.count / plane.bytesPerRow, from: from + offset / plane.bytesPerRow * sourceRowBytes,
            sourceRowBytes: sourceRowBytes, into: to)
        }
      }
    }
  }
}

import PowerInferGGUF
import PowerInferKernels
import PowerInferPlatform

/// The tensors of a file in memory of their own, rows arranged for the kernels.
final class WeightCopy: Sendable {
  private let copies: [ObjectIdentifier: FileCopy]

  /// Bytes that are read and arranged at a time.
  private static let pieceBytes = 1 << 20

  /// Rows of a tensor that are read together.
  private struct Piece: Sendable {
    let range: Range<Int>  // of the file
    let format: WeightFormat?  // of matrices to be arranged
    let columns: Int
  }

  /// Reads all tensors, on as many threads as there are processors.
  ///
  /// - Returns: nil for bytes in memory, for a file in which tensors overlap, and where the system does not give so much memory.
  /// - Throws: `FileError` where a file cannot be read.
  init?(of file: GGUFFile) throws {
    var pieces: [ObjectIdentifier: [Piece]] = [:]
    var files: [MappedFile] = []
    for tensor in file.tensors where tensor.byteCount > 0 {
      guard let place = tensor.place else { return nil }
      let key = ObjectIdentifier(place.file)
      if pieces[key] == nil { files.append(place.file) }
      pieces[key, default: []] += Self.pieces(of: tensor, from: place.offset)
    }
    var copies: [ObjectIdentifier: FileCopy] = [:]
    for mapped in files {
      let key = ObjectIdentifier(mapped)
      let parts = (pieces[key] ?? []).sorted { $0.range.lowerBound < $1.range.lowerBound }
      // Bytes that are arranged twice would be in neither order.
      for (piece, next) in zip(parts, parts.dropFirst()) where piece.range.overlaps(next.range) { return nil }
      let copy = try FileCopy(of: mapped, parts: parts.map(\.range)) { index, bytes in
        parts[index].format?.makePlanes(bytes, columns: parts[index].columns)
      }
      guard let copy else { return nil }
      copies[key] = copy
    }
    self.copies = copies
  }

  /// Where a tensor of the file lies in the copy.
  func address(of tensor: Tensor) -> UnsafeRawPointer? {
    tensor.place.flatMap { place in copies[ObjectIdentifier(place.file)]?.address(of: place.offset) }
  }

  /// How the rows of a tensor lie in a copy.
  static func layout(of tensor: Tensor) -> RowLayout {
    guard tensor.shape.count == 2, let format = WeightFormat(rawValue: tensor.type.rawValue), format.hasPlanes else {
      return .blocks
    }
    return .planes
  }

  private static func pieces(of tensor: Tensor, from offset: Int) -> [Piece] {
    let isArranged = layout(of: tensor) == .planes
    let rowBytes = tensor.rows == 0 ? tensor.byteCount : tensor.byteCount / tensor.rows
    let step = max(1, pieceBytes / max(rowBytes, 1)) * max(rowBytes, 1)
    return stride(from: 0, to: tensor.byteCount, by: step).map { start in
      Piece(
        range: offset + start..<offset + min(start + step, tensor.byteCount),
        format: isArranged ? WeightFormat(rawValue: tensor.type.rawValue) : nil, columns: tensor.columns)
    }
  }
}

import PowerInferGGUF
import PowerInferKernels
import PowerInferPlatform

/// The tensors of a file in memory of their own, rows arranged for the kernels.
final class WeightCopy: Sendable {
  private let copies: [ObjectIdentifier: FileCopy]
  private let layouts: [String: RowLayout]  // of tensors, by name

  /// Bytes that are read and arranged at a time.
  private static let pieceBytes = 1 << 20

  /// Rows of a tensor that are read together.
  private struct Piece: Sendable {
    let range: Range<Int>  // of the file
    let format: WeightFormat?  // of matrices to be arranged
    let layout: RowLayout
    let columns: Int
    /// Where in the tensor they are, from 0 to 1.
    let position: Double
  }

  /// Reads all tensors, on as many threads as there are processors, rows into the memory beside the threads that will read them first.
  ///
  /// - Parameters:
  ///   - file: with all tensors.
  ///   - reading: how neurons will be read.
  ///   - nodes: among which rows are divided.
  /// - Returns: nil for bytes in memory, for a file in which tensors overlap, and where the system does not give so much memory.
  /// - Throws: `FileError` where a file cannot be read.
  init?(of file: GGUFFile, reading: NeuronReading, nodes: MemoryNodes) throws {
    var pieces: [ObjectIdentifier: [Piece]] = [:]
    var files: [MappedFile] = []
    var layouts: [String: RowLayout] = [:]
    let whole = Self.wholeMatrices(of: file, reading)
    for tensor in file.tensors where tensor.byteCount > 0 {
      guard let place = tensor.place else { return nil }
      let key = ObjectIdentifier(place.file)
      if pieces[key] == nil { files.append(place.file) }
      let layout = Self.layout(of: tensor, isReadWhole: whole(tensor.name))
      layouts[tensor.name] = layout
      pieces[key, default: []] += Self.pieces(of: tensor, layout, from: place.offset)
    }
    self.layouts = layouts
    var copies: [ObjectIdentifier: FileCopy] = [:]
    for mapped in files {
      let key = ObjectIdentifier(mapped)
      let parts = (pieces[key] ?? []).sorted { $0.range.lowerBound < $1.range.lowerBound }
      // Bytes that are arranged twice would be in neither order.
      for (piece, next) in zip(parts, parts.dropFirst()) where piece.range.overlaps(next.range) { return nil }
      let perform = { (iterations: Int, body: @Sendable (Int) -> Void) in
        nodes.perform(iterations: iterations, at: { parts[$0].position }, body)
      }
      let copy = try FileCopy(of: mapped, parts: parts.map(\.range), perform: perform) { index, bytes in
        let part = parts[index]
        switch part.layout {
        case .blocks: break
        case .planes: part.format?.makePlanes(bytes, columns: part.columns)
        case .stripes: part.format?.makeStripes(bytes, columns: part.columns)
        }
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

  /// How the rows of a tensor lie in the copy.
  func layout(of tensor: Tensor) -> RowLayout { layouts[tensor.name] ?? .blocks }

  private static func layout(of tensor: Tensor, isReadWhole: Bool) -> RowLayout {
    guard tensor.shape.count == 2, let format = WeightFormat(rawValue: tensor.type.rawValue), format.hasPlanes else {
      return .blocks
    }
    let hasStripes = isReadWhole && Kernels.active.hasStripes && tensor.rows % WeightFormat.stripeRows == 0
    return hasStripes ? .stripes : .planes
  }

  /// Which matrices no product takes single rows of.
  private static func wholeMatrices(of file: GGUFFile, _ reading: NeuronReading) -> (String) -> Bool {
    var roles = ["attn_q", "attn_k", "attn_v", "attn_qkv", "attn_output", "fc1"]
    // Without gates, ups tell which neurons fire.
    var others: Set<String> = []
    let asked = file.tensors.contains { $0.name.hasSuffix(".ffn_gate.weight") } ? "ffn_gate" : "ffn_up"
    switch reading {
    case .listed: break
    case .predicted: roles += ["fc2"]
    case .leadingBits:
      let short = file.tensors.filter {
        $0.name.hasSuffix(".\(asked).weight")
          && WeightFormat(rawValue: $0.type.rawValue)?.hasLeadingStripes(columns: $0.columns) == true
      }
      others = Set(short.map(\.name))
    case .wholeGates: roles += [asked]
    case .whole: roles += ["ffn_gate", "ffn_up", "ffn_down"]
    }
    let output = file.tensor(named: "output.weight") == nil ? "token_embd.weight" : "output.weight"
    return { name in
      name == output || others.contains(name)
        || name.hasPrefix("blk.") && roles.contains { name.hasSuffix(".\($0).weight") }
    }
  }

  private static func pieces(of tensor: Tensor, _ layout: RowLayout, from offset: Int) -> [Piece] {
    let rowBytes = tensor.rows == 0 ? tensor.byteCount : tensor.byteCount / tensor.rows
    let unit = max(rowBytes, 1) * (layout == .stripes ? WeightFormat.stripeRows : 1)
    let step = max(1, pieceBytes / unit) * unit
    return stride(from: 0, to: tensor.byteCount, by: step).map { start in
      let end = min(start + step, tensor.byteCount)
      return Piece(
        range: offset + start..<offset + end, format: WeightFormat(rawValue: tensor.type.rawValue), layout: layout,
        columns: tensor.columns, position: Double(start + end) / 2 / Double(tensor.byteCount))
    }
  }
}

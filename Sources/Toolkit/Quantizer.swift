import GGUF
import Kernels
import Platform

/// Writes a model again with its weights in other types.
///
/// Tensor by tensor, rows in pieces: the memory it takes does not depend on the model's size. The result is the same
/// bytes for any number of threads.
public struct Quantizer {
  private let file: GGUFFile
  private let options: QuantizeOptions
  private let team: ThreadTeam
  /// What becomes of each tensor.
  public let plan: QuantizePlan

  /// Bytes of result made before they are written: large enough to keep all threads busy, small beside any model.
  var pieceBytes = 8 << 20

  /// Plans the conversion of a file.
  public init(_ file: GGUFFile, options: QuantizeOptions, team: ThreadTeam) throws(QuantizeError) {
    self.file = file
    self.options = options
    self.team = team
    plan = try QuantizePlan(file, options: options)
  }

  /// Writes the result, which appears under its name when it is complete.
  ///
  /// - Parameters:
  ///   - path: where the result will be.
  ///   - progress: called now and then with how many of all bytes of the input's tensors are done.
  ///   - isCancelled: asked now and then; when true nothing is left behind.
  public func write(
    to path: String, progress: (_ done: Int, _ total: Int) -> Void = { _, _ in },
    isCancelled: () -> Bool = { false }
  ) throws(QuantizeError) -> QuantizeReport {
    if let target = FileIdentity(path), file.paths.contains(where: { FileIdentity($0) == target }) {
      throw .sameFile(path)
    }
    let total = plan.items.reduce(0) { $0 + $1.source.byteCount }
    var done = 0
    do {
      let writer = try GGUFWriter(path, magic: file.magic, metadata: metadata, tensors: plan.items.map(\.layout))
      for item in plan.items {
        try write(item, to: writer) { bytes throws(QuantizeError) in
          if isCancelled() { throw .cancelled }
          done += bytes
          progress(done, total)
        }
      }
      try writer.finish()
      return QuantizeReport(plan, inputBytes: file.byteCount, outputBytes: writer.byteCount)
    } catch let error as GGUFError {
      throw .container(error)
    } catch let error as QuantizeError {
      throw error
    } catch {
      // Nothing above throws anything else.
      throw .cancelled
    }
  }

  /// The input's, with the keys that tell the types.
  private var metadata: Metadata {
    var metadata = file.metadata
    metadata.set("general.file_type", .uint32(options.fileType))
    // The layout of the blocks, which is the second since 2023.
    metadata.set("general.quantization_version", .uint32(2))
    return metadata
  }

  private func write(
    _ item: QuantizePlan.Item, to writer: GGUFWriter, advance: (Int) throws(QuantizeError) -> Void
  ) throws {
    let tensor = item.source
    guard item.layout.type != tensor.type, let conversion = RowConversion(tensor, to: item.layout.type) else {
      // As it is, in pieces, so that progress shows and cancelling works on large tensors too.
      for start in stride(from: 0, to: tensor.byteCount, by: pieceBytes) {
        let piece = tensor.bytes[start..<min(tensor.byteCount, start + pieceBytes)]
        try writer.append(UnsafeRawBufferPointer(rebasing: piece))
        try advance(piece.count)
      }
      return
    }
    let rowsAtOnce = max(1, min(tensor.rows, pieceBytes / conversion.targetRowBytes))
    let scratch = ConversionScratch(
      rows: rowsAtOnce, rowBytes: conversion.targetRowBytes, columns: tensor.columns, members: team.count)
    for start in stride(from: 0, to: tensor.rows, by: rowsAtOnce) {
      let rows = start..<min(tensor.rows, start + rowsAtOnce)
      try conversion.convert(rows, scratch: scratch, team: team)
      try writer.append(UnsafeRawBufferPointer(rebasing: scratch.result[..<(rows.count * conversion.targetRowBytes)]))
      try advance(rows.count * conversion.sourceRowBytes)
    }
  }
}

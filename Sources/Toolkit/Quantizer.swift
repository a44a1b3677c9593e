public import PowerInferGGUF
public import PowerInferKernels
import PowerInferPlatform
import PowerInferSparsity

/// Writes a model again with its weights in other types.
///
/// Tensor by tensor, rows in pieces: the memory it takes does not depend on the model's size. The result is the same
/// bytes for any number of threads.
public struct Quantizer {
  private let file: GGUFFile
  private let options: QuantizeOptions
  private let team: ThreadTeam
  private let guide: QuantizeGuide
  /// What becomes of each tensor.
  public let plan: QuantizePlan

  /// Bytes of result made before they are written: large enough to keep all threads busy, small beside any model.
  var pieceBytes = 8 << 20

  /// Plans the conversion of a file.
  ///
  /// - Parameters:
  ///   - file: the model.
  ///   - options: the types.
  ///   - guide: what tells which errors matter.
  ///   - team: the threads that compute.
  /// - Throws: ``QuantizeError``, and ``ImportanceError`` for an importance matrix of another model.
  public init(
    _ file: GGUFFile, options: QuantizeOptions, guide: QuantizeGuide = .none, team: ThreadTeam
  ) throws {
    self.file = file
    self.options = options
    self.guide = guide
    self.team = team
    plan = try QuantizePlan(file, options: options, guide: guide)
  }

  /// Writes the result, which appears under its name when it is complete.
  ///
  /// - Parameters:
  ///   - path: where the result will be.
  ///   - step: added to the file's ``History``; nil adds nothing.
  ///   - reading: called now and then, while texts are read for error compensation, with how many of all tokens are done.
  ///   - progress: called now and then with how many of all bytes of the input's tensors are done.
  ///   - isCancelled: asked now and then; when true nothing is left behind.
  /// - Throws: ``QuantizeError``, and with error compensation ``SurveyError`` and what running the model throws.
  public func write(
    to path: String, step: String? = nil,
    reading: @escaping (_ done: Int, _ total: Int) -> Void = { _, _ in },
    progress: (_ done: Int, _ total: Int) -> Void = { _, _ in },
    isCancelled: @escaping () -> Bool = { false }
  ) throws -> QuantizeReport {
    if let target = FileIdentity(path), file.paths.contains(where: { FileIdentity($0) == target }) {
      throw QuantizeError.sameFile(path)
    }
    let total = plan.items.reduce(0) { $0 + $1.source.byteCount }
    var done = 0
    do {
      var metadata = metadata
      if let step { History.append(step, to: &metadata) }
      let writer = try GGUFWriter(path, magic: file.magic, metadata: metadata, tensors: plan.items.map(\.layout))
      for item in plan.items {
        let rounding = try rounding(of: item, reading: reading, isCancelled: isCancelled)
        try write(item, by: rounding, to: writer) { bytes throws(QuantizeError) in
          if isCancelled() { throw .cancelled }
          done += bytes
          progress(done, total)
        }
      }
      try writer.finish()
      return QuantizeReport(plan, inputBytes: file.byteCount, outputBytes: writer.byteCount)
    } catch let error as GGUFError {
      throw QuantizeError.container(error)
    }
  }

  /// What would be done, with nothing written: bytes are those of the tensors alone.
  public var outlook: QuantizeReport {
    QuantizeReport(
      plan, inputBytes: plan.items.reduce(0) { $0 + $1.source.byteCount },
      outputBytes: plan.items.reduce(0) { $0 + ((try? $1.layout.byteCount()) ?? 0) })
  }

  private func rounding(
    of item: QuantizePlan.Item, reading: @escaping (_ done: Int, _ total: Int) -> Void,
    isCancelled: @escaping () -> Bool
  ) throws -> RowRounding {
    guard item.layout.type != item.source.type, item.layout.type.blockElements > 1 else { return .plain }
    switch guide {
    case .none:
      return .plain
    case .importance:
      return .fitted(importance: item.importance)
    case .compensation(let compensation):
      guard let role = compensation.role(of: item.layout.name),
        let factor = try compensation.factor(for: role, progress: reading, isCancelled: isCancelled)
      else { return .fitted(importance: nil) }
      return .compensated(factor)
    }
  }

  /// The input's, with the keys that tell the types.
  private var metadata: Metadata {
    var metadata = file.metadata
    metadata.set("general.file_type", .uint32(options.fileType))
    // The layout of the blocks, which is the second since 2023.
    metadata.set("general.quantization_version", .uint32(2))
    if plan.items.contains(where: { $0.layout.type != $0.source.type }) { PredictorQuality.remove(from: &metadata) }
    return metadata
  }

  private func write(
    _ item: QuantizePlan.Item, by rounding: RowRounding, to writer: GGUFWriter,
    advance: (Int) throws(QuantizeError) -> Void
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
    if case .compensated(let factor) = rounding, WeightRole.isByNeuron(item.layout.name) {
      // Neurons make up for each other's errors, so all rows are made at once.
      let scratch = ConversionScratch(
        rows: tensor.rows, rowBytes: conversion.targetRowBytes, columns: tensor.columns, members: team.count,
        stripColumns: conversion.stripColumns)
      try conversion.convertNeurons(by: factor, scratch: scratch, team: team)
      try writer.append(UnsafeRawBufferPointer(scratch.result))
      try advance(tensor.byteCount)
      return
    }
    let rowsAtOnce = max(1, min(tensor.rows, pieceBytes / conversion.targetRowBytes))
    let scratch = ConversionScratch(
      rows: rowsAtOnce, rowBytes: conversion.targetRowBytes, columns: tensor.columns, members: team.count)
    for start in stride(from: 0, to: tensor.rows, by: rowsAtOnce) {
      let rows = start..<min(tensor.rows, start + rowsAtOnce)
      try conversion.convert(rows, by: rounding, scratch: scratch, team: team)
      try writer.append(UnsafeRawBufferPointer(rebasing: scratch.result[..<(rows.count * conversion.targetRowBytes)]))
      try advance(rows.count * conversion.sourceRowBytes)
    }
  }
}

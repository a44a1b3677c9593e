import Crypto
import PowerInferGGUF
public import PowerInferKernels
import PowerInferPlatform

/// Writes what a ``ConversionPlan`` describes.
///
/// Inputs are mapped and read piece by piece, so that the memory it takes does not depend on the model's size. A conversion
/// that ends early, however it ends, goes on where it was when it is started again, and the result is the same bytes as
/// without a pause and for any number of threads.
public struct Converter {
  private let plan: ConversionPlan
  private let team: ThreadTeam

  /// Bytes of result made before they are written: large enough to keep all threads busy, and that of columns that become
  /// rows whole pages are read.
  var pieceBytes = 32 << 20
  /// See ``PartialConversion``.
  var segmentBytes = PartialConversion.segmentBytes

  public init(_ plan: ConversionPlan, team: ThreadTeam) {
    self.plan = plan
    self.team = team
  }

  /// Writes the result, which appears under its name when it is complete.
  ///
  /// - Parameters:
  ///   - path: where the result will be.
  ///   - progress: called now and then with how many of all bytes of the input's tensors are done.
  ///   - isCancelled: asked now and then; when true, what is done stays for the next time.
  /// - Throws: ``ConvertError``.
  public func write(
    to path: String, progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }, isCancelled: () -> Bool = { false }
  ) throws(ConvertError) -> ConvertReport {
    if let target = FileIdentity(path), plan.inputs.contains(where: { FileIdentity($0) == target }) {
      throw .beingRead(path)
    }
    let header: [UInt8]
    do {
      (header, _) = try GGUFWriter.header(magic: plan.magic, metadata: plan.metadata, tensors: plan.layouts)
    } catch {
      throw .container(error)
    }
    let partial = try Self.writing(path, kept: nil) { () throws(FileError) in
      try PartialConversion(
        path, plan: digest(header), tensors: plan.tensors.count, segmentBytes: segmentBytes)
    }
    let kept = partial.path
    do throws(ConvertError) {
      let resumed = partial.byteCount
      if resumed == 0 { try Self.write(header, to: partial, path: path) }
      let total = plan.inputBytes
      var done = plan.tensors[..<partial.tensors].reduce(0) { $0 + $1.source.byteCount }
      for index in partial.tensors..<plan.tensors.count {
        let tensor = plan.tensors[index]
        try write(tensor, to: partial, path: path) { bytes throws(ConvertError) in
          if isCancelled() { throw .cancelled(kept: kept) }
          done += bytes
          progress(done, total)
        }
        tensor.source.release()
        try Self.writing(path, kept: kept) { () throws(FileError) in try partial.finishTensor(index + 1) }
      }
      let size = partial.byteCount
      try Self.writing(path, kept: kept) { () throws(FileError) in try partial.commit(tensors: plan.tensors.count) }
      return ConvertReport(plan, outputBytes: size, resumedBytes: resumed)
    } catch {
      // With the same weights the same would happen again. All else can be mended and gone on from.
      if case .weight = error { partial.discard() }
      throw error
    }
  }

  /// A digest of all that decides the result: its header, and which versions of which files the weights come from.
  private func digest(_ header: [UInt8]) -> String {
    var hash = SHA256()
    hash.update(data: header)
    for path in plan.inputs {
      let stamp = FileStamp(path)
      let name = path.split(separator: "/").last ?? ""
      hash.update(data: Array("\(name)\n\(stamp?.byteCount ?? 0)\n\(stamp?.modified ?? 0)\n".utf8))
    }
    return hexadecimal(hash.finalize())
  }

  /// Makes a tensor, some rows at a time, and what lies between it and the next.
  private func write(
    _ tensor: PlannedTensor, to partial: PartialConversion, path: String,
    advance: (Int) throws(ConvertError) -> Void
  ) throws(ConvertError) {
    let source = tensor.source
    guard let pieces = TensorPieces(tensor, pieceBytes: pieceBytes, team: team) else {
      throw .weight(.unreadableType(tensor: tensor.layout.name, type: tensor.layout.type))
    }
    var written = 0
    let bytesPerRow = source.byteCount / max(source.rows, 1)
    for start in stride(from: 0, to: source.rows, by: pieces.rowsAtOnce) {
      let rows = start..<min(source.rows, start + pieces.rowsAtOnce)
      let bytes: UnsafeRawBufferPointer
      do {
        bytes = try pieces.make(rows)
      } catch {
        throw .weight(error)
      }
      try Self.writing(path, kept: partial.path) { () throws(FileError) in try partial.write(bytes) }
      written += bytes.count
      try advance(rows.count * bytesPerRow)
    }
    try Self.write([UInt8](repeating: 0, count: GGUFWriter.padding(after: written)), to: partial, path: path)
  }

  private static func write(_ bytes: [UInt8], to partial: PartialConversion, path: String) throws(ConvertError) {
    try writing(path, kept: partial.path) { () throws(FileError) in
      try bytes.withUnsafeBufferPointer { (elements: UnsafeBufferPointer<UInt8>) throws(FileError) in
        try partial.write(UnsafeRawBufferPointer(elements))
      }
    }
  }

  private static func writing<Value>(
    _ path: String, kept: String?, _ body: () throws(FileError) -> Value
  ) throws(ConvertError) -> Value {
    do {
      return try body()
    } catch {
      if let kept { throw .interrupted(error, kept: kept) }
      throw .file(error)
    }
  }
}

/// Makes a tensor's stored rows out of the numbers of a checkpoint, some at a time, with all threads.
private final class TensorPieces {
  let rowsAtOnce: Int
  private let tensor: PlannedTensor
  private let format: WeightFormat
  private let rowBytes: Int
  private let team: ThreadTeam
  private let floats: UnsafeMutablePointer<Float>  // [rowsAtOnce, columns]
  private let result: UnsafeMutableRawBufferPointer
  private let faults: UnsafeMutablePointer<(RowConversion.Fault, row: Int)?>  // [members]

  /// Nil for a type that the kernels do not write.
  init?(_ tensor: PlannedTensor, pieceBytes: Int, team: ThreadTeam) {
    guard let format = WeightFormat(rawValue: tensor.layout.type.rawValue) else { return nil }
    self.tensor = tensor
    self.format = format
    self.team = team
    rowBytes = format.rowBytes(columns: tensor.source.columns)
    // By the floats, which take the most.
    rowsAtOnce = max(1, min(tensor.source.rows, pieceBytes / max(tensor.source.columns * 4, 1)))
    floats = .allocate(capacity: max(rowsAtOnce * tensor.source.columns, 1))
    result = .allocate(byteCount: max(rowsAtOnce * rowBytes, 1), alignment: 64)
    faults = .allocate(capacity: team.count)
    faults.initialize(repeating: nil, count: team.count)
  }

  deinit {
    floats.deallocate()
    result.deallocate()
    faults.deallocate()
  }

  /// The rows as they are stored; valid until the next are made.
  func make(_ rows: Range<Int>) throws(QuantizeError) -> UnsafeRawBufferPointer {
    let kernels = Kernels.active
    let (source, columns, format, rowBytes) = (tensor.source, tensor.source.columns, format, rowBytes)
    let largest = RowConversion.largestMagnitude(of: tensor.layout.type)
    faults.update(repeating: nil, count: team.count)
    // Every member has its own rows of the memory, and its own fault.
    let shared = Unguarded((floats: floats, result: result, faults: faults))
    team.run { member in
      let (floats, result, faults) = shared.value
      let share = member.share(of: rows.count)
      guard !share.isEmpty, let target = result.baseAddress else { return }
      source.read(
        (rows.lowerBound + share.lowerBound)..<(rows.lowerBound + share.upperBound),
        into: floats + share.lowerBound * columns)
      for row in share {
        let values = floats + row * columns
        if let fault = RowConversion.fault(values, count: columns, largest: largest) {
          faults[member.index] = (fault, rows.lowerBound + row)
          return
        }
        kernels.quantize(format, values, count: columns, into: target + row * rowBytes)
      }
    }
    // The first, which is the same for any number of threads.
    let first = UnsafeBufferPointer(start: faults, count: team.count).compactMap { $0 }.min { $0.row < $1.row }
    switch first {
    case (.notFinite, let row)?: throw .notFinite(tensor: tensor.layout.name, row: row)
    case (.tooLarge, let row)?: throw .outOfRange(tensor: tensor.layout.name, row: row, type: tensor.layout.type)
    case nil: return UnsafeRawBufferPointer(rebasing: result[..<(rows.count * rowBytes)])
    }
  }
}

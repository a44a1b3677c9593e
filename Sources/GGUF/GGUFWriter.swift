import PowerInferPlatform

/// Writes a file of version 3: metadata and the list of tensors first, then the tensors' data in the order declared.
///
/// Nothing of a tensor has to be in memory at once. The file appears under its name when `finish()` has returned; a
/// writer dropped before leaves nothing behind.
///
/// ```swift
/// let writer = try GGUFWriter("model.gguf", metadata: metadata, tensors: [layout])
/// try writer.append(bytes)
/// try writer.finish()
/// ```
public final class GGUFWriter {
  /// The multiple at which every tensor starts: the format's default, which every reader knows.
  public static let alignment = FilePart.defaultAlignment

  /// Bytes written so far, header included.
  public var byteCount: Int { file.count }

  private let file: AtomicFile
  private let tensors: [TensorLayout]
  private let sizes: [Int]
  private var current = 0
  private var written = 0

  /// Starts the file and writes everything before the tensors' data.
  ///
  /// - Parameters:
  ///   - path: where the finished file will be.
  ///   - magic: the four bytes that it begins with.
  ///   - metadata: taken over as it is, but for `general.alignment` and the keys of split files, which would no longer
  ///     be true.
  ///   - tensors: all tensors, in the order in which their data will be appended.
  /// - Throws: `GGUFError`.
  public init(
    _ path: String, magic: Magic = .gguf, metadata: Metadata, tensors: [TensorLayout]
  ) throws(GGUFError) {
    let (header, sizes) = try GGUFWriter.header(magic: magic, metadata: metadata, tensors: tensors)
    self.tensors = tensors
    self.sizes = sizes
    do {
      file = try AtomicFile(path)
      try file.write(header)
    } catch {
      throw .file(error)
    }
  }

  /// Appends data of the current tensor; the next one begins when it is complete.
  ///
  /// - Throws: `GGUFError.tooMuchData` when the bytes go beyond the end of the tensor.
  public func append(_ bytes: UnsafeRawBufferPointer) throws(GGUFError) {
    if bytes.isEmpty { return }
    skipEmptyTensors()
    guard current < tensors.count else { throw .tooMuchData(tensor: "", expected: 0) }
    guard bytes.count <= sizes[current] - written else {
      throw .tooMuchData(tensor: tensors[current].name, expected: sizes[current])
    }
    do {
      try file.write(bytes)
      written += bytes.count
      if written == sizes[current] {
        try file.write([UInt8](repeating: 0, count: GGUFWriter.padding(after: written)))
        current += 1
        written = 0
      }
    } catch {
      throw .file(error)
    }
  }

  /// Appends data of the current tensor.
  public func append(_ bytes: [UInt8]) throws(GGUFError) {
    try bytes.withUnsafeBufferPointer { (elements: UnsafeBufferPointer<UInt8>) throws(GGUFError) in
      try append(UnsafeRawBufferPointer(elements))
    }
  }

  /// Flushes the file to the disk and gives it its name.
  ///
  /// - Throws: `GGUFError.tooLittleData` when a tensor is not complete.
  public func finish() throws(GGUFError) {
    skipEmptyTensors()
    guard current == tensors.count else {
      throw .tooLittleData(tensor: tensors[current].name, expected: sizes[current], written: written)
    }
    do {
      try file.commit()
    } catch {
      throw .file(error)
    }
  }

  private func skipEmptyTensors() {
    while current < tensors.count, sizes[current] == 0 { current += 1 }
  }

  /// Bytes between a tensor of so many bytes and the next.
  package static func padding(after count: Int) -> Int {
    (alignment - count % alignment) % alignment
  }

  /// Everything before the tensors' data, padded; and the bytes each tensor takes.
  package static func header(
    magic: Magic, metadata: Metadata, tensors: [TensorLayout]
  ) throws(GGUFError) -> (header: [UInt8], sizes: [Int]) {
    var metadata = metadata
    for key in ["general.alignment", "split.no", "split.count", "split.tensors.count"] { metadata.remove(key) }
    let isIndex = metadata["general.architecture"]?.string == TensorType.indexArchitecture

    var bytes = magic.bytes
    bytes.appendLittleEndian(UInt32(3))
    bytes.appendLittleEndian(UInt64(tensors.count))
    bytes.appendLittleEndian(UInt64(metadata.count))
    for (key, value) in metadata {
      guard key.utf8.count <= GGUFError.longestName else {
        throw .longName(of: "A metadata key", bytes: UInt64(key.utf8.count))
      }
      bytes.appendString(key)
      value.encode(into: &bytes)
    }

    var sizes: [Int] = []
    var names = Set<String>()
    var offset = 0
    for tensor in tensors {
      guard names.insert(tensor.name).inserted else { throw .duplicateTensor(tensor.name) }
      guard tensor.name.utf8.count <= GGUFError.longestName else {
        throw .longName(of: "The name of a tensor", bytes: UInt64(tensor.name.utf8.count))
      }
      let size = try tensor.byteCount(allowingEmpty: isIndex)
      bytes.appendString(tensor.name)
      bytes.appendLittleEndian(UInt32(tensor.shape.count))
      for dimension in tensor.shape { bytes.appendLittleEndian(UInt64(dimension)) }
      bytes.appendLittleEndian(isIndex ? tensor.type.indexID : tensor.type.rawValue)
      bytes.appendLittleEndian(UInt64(offset))
      sizes.append(size)
      let (next, overflow) = offset.addingReportingOverflow(size)
      guard !overflow, next < Int.max - alignment else { throw .tooLarge(tensor: tensor.name) }
      offset = next + padding(after: next)
    }
    bytes += [UInt8](repeating: 0, count: padding(after: bytes.count))
    return (bytes, sizes)
  }
}

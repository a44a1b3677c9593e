public import PowerInferPlatform

/// A model file, open: metadata decoded, every tensor found and checked.
///
/// Reads versions 2 and 3 with either magic. Every length, offset and count of the file is checked against the bytes
/// that are there before it is used; what a file says can make opening fail but nothing else.
public final class GGUFFile: Sendable {
  /// The first four bytes, which tell plain GGUF from PowerInfer's.
  public let magic: Magic
  /// The format's version: 2 or 3.
  public let version: UInt32
  /// The multiple at which every tensor starts, in bytes.
  public let alignment: Int
  /// The key/value pairs; of a split model, those of its first part.
  public let metadata: Metadata
  /// All tensors in file order; those of split files part after part.
  public let tensors: [Tensor]
  /// The files that were opened: one, or all parts of a split model; none for bytes in memory.
  public let paths: [String]
  /// The size of all parts together, in bytes.
  public let byteCount: Int

  private let index: [String: Int]
  /// Keeps alive what the tensors point to.
  private let backings: [Backing]

  /// Opens a file; for one part of a split model (`-00001-of-00003.gguf`) all parts.
  ///
  /// - Parameters:
  ///   - path: of the file.
  ///   - overrides: keys that are set in place of the file's.
  /// - Throws: `GGUFError.inFile`, naming the file that is at fault.
  public convenience init(opening path: String, overriding overrides: [MetadataOverride] = []) throws(GGUFError) {
    let first = try GGUFFile.map(path)
    let count = try first.splitCount(path)
    guard count > 1 else {
      try self.init(parts: [first], paths: [path], overrides: overrides)
      return
    }
    try self.init(
      parts: GGUFFile.mapSplit(path, first, count: count), paths: SplitName(path, count: count).paths,
      overrides: overrides)
  }

  /// Reads a file that is in memory; the bytes are copied.
  public convenience init(bytes: [UInt8]) throws(GGUFError) {
    try self.init(parts: [FilePart(Backing(bytes))], paths: [])
  }

  private init(parts: [FilePart], paths: [String], overrides: [MetadataOverride] = []) throws(GGUFError) {
    guard let first = parts.first else { throw .empty }
    magic = first.magic
    version = first.version
    alignment = first.alignment
    var metadata = first.metadata
    for override in overrides { metadata.set(override.key, override.value) }
    self.metadata = metadata
    self.paths = paths
    backings = parts.map(\.backing)
    byteCount = backings.reduce(0) { $0 + $1.bytes.count }
    tensors = parts.count == 1 ? first.tensors : parts.flatMap(\.tensors)
    var index: [String: Int] = [:]
    index.reserveCapacity(tensors.count)
    for (position, tensor) in tensors.enumerated() {
      guard index.updateValue(position, forKey: tensor.name) == nil else { throw .duplicateTensor(tensor.name) }
    }
    self.index = index
  }

  /// - Throws: `FileError.shortened` where some of a mapped file was gone when it was read; see `ShortenedFiles`.
  public func checkWholeness() throws(FileError) {
    for backing in backings {
      if let file = backing.mapped, file.isDamaged { throw .shortened(path: file.path) }
    }
  }

  /// The tensor of that name, if there is one.
  public func tensor(named name: String) -> Tensor? {
    index[name].map { tensors[$0] }
  }

  /// The tensor of that name.
  ///
  /// - Throws: `GGUFError.missingTensor`.
  public func requireTensor(_ name: String) throws(GGUFError) -> Tensor {
    guard let tensor = tensor(named: name) else { throw .missingTensor(name) }
    return tensor
  }

  static func map(_ path: String) throws(GGUFError) -> FilePart {
    let file: MappedFile
    do {
      file = try MappedFile(path)
    } catch {
      throw .file(error)
    }
    do {
      return try FilePart(Backing(file))
    } catch {
      throw .inFile(path: path, reason: error)
    }
  }
}

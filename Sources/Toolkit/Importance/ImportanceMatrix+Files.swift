import Foundation
public import PowerInferGGUF
import PowerInferPlatform

extension ImportanceMatrix {
  private static let sums = ".in_sum2"
  private static let counts = ".counts"

  /// Reads a file of either format.
  ///
  /// - Throws: ``ImportanceError``, `GGUFError`, `FileError`.
  public init(reading path: String) throws {
    let map = try MappedFile(path)
    let isGGUF = map.bytes.starts(with: Magic.gguf.bytes)
    let matrix =
      isGGUF ? try Self(container: GGUFFile(opening: path), path: path) : try Self(older: map.bytes, path: path)
    guard !matrix.entries.isEmpty else { throw ImportanceError.empty(path: path) }
    self = matrix
  }

  private init(container file: GGUFFile, path: String) throws {
    var sums: [String: [Float]] = [:]
    var counts: [String: [Float]] = [:]
    for tensor in file.tensors {
      for (suffix, isSum) in [(Self.sums, true), (Self.counts, false)] where tensor.name.hasSuffix(suffix) {
        guard tensor.type == .f32 else {
          throw ImportanceError.damaged(
            path: path, reason: "\"\(tensor.name)\" is stored as \(tensor.type.name), expected F32")
        }
        let name = String(tensor.name.dropLast(suffix.count))
        let values = tensor.bytes.floats
        if isSum { sums[name] = values } else { counts[name] = values }
      }
    }
    if sums.isEmpty, counts.isEmpty { throw ImportanceError.notImportance(path: path) }
    var entries: [String: Entry] = [:]
    for name in Set(sums.keys).union(counts.keys).sorted() {
      guard let values = sums[name], let tokens = counts[name], !tokens.isEmpty, values.count % tokens.count == 0 else {
        throw ImportanceError.damaged(path: path, reason: "its sums and counts for \"\(name)\" do not fit together")
      }
      entries[name] = Entry(sums: values, counts: tokens)
    }
    let metadata = file.metadata
    self.init(
      entries: entries, texts: (try? metadata.strings("imatrix.datasets")) ?? [],
      chunkCount: (try? metadata.integer("imatrix.chunk_count")) ?? 0,
      chunkSize: (try? metadata.integer("imatrix.chunk_size")) ?? 0)
  }

  /// Little-endian: a count of entries, each with a name, chunks, a count of values and the values, which are means times
  /// chunks; after them the number of chunks and the text's name, which may be missing.
  private init(older bytes: UnsafeRawBufferPointer, path: String) throws(ImportanceError) {
    var rest = bytes[...]
    func number() -> Int? {
      guard rest.count >= 4 else { return nil }
      defer { rest = rest.dropFirst(4) }
      return Int(Int32(littleEndian: UnsafeRawBufferPointer(rebasing: rest).loadUnaligned(as: Int32.self)))
    }
    func part(_ count: Int) -> UnsafeRawBufferPointer? {
      guard count >= 0, count <= rest.count else { return nil }
      defer { rest = rest.dropFirst(count) }
      return UnsafeRawBufferPointer(rebasing: rest.prefix(count))
    }
    guard let entryCount = number(), entryCount > 0 else { throw .notImportance(path: path) }
    var entries: [String: Entry] = [:]
    for index in 0..<entryCount {
      guard let length = number(), (1...Self.longestName).contains(length), let name = part(length),
        let name = String(validating: name, as: UTF8.self)
      else {
        if index == 0 { throw .notImportance(path: path) }
        throw .damaged(path: path, reason: "the name of entry \(index + 1) of \(entryCount) is cut off or no text")
      }
      guard let chunks = number(), let count = number(), count > 0, let values = part(count.clampedProduct(4)) else {
        throw .damaged(path: path, reason: "the values for \"\(name)\" are cut off")
      }
      // A count of 0 stands for 1 here, as in the tools that wrote such files.
      entries[name] = Entry(sums: values.floats, counts: [Float(max(chunks, 1))])
    }
    let chunkCount = number() ?? 0
    let text = number().flatMap(part).map { String(decoding: $0, as: UTF8.self) }
    self.init(entries: entries, texts: text.map { [$0] } ?? [], chunkCount: chunkCount, chunkSize: 0)
  }

  private static let longestName = 512

  /// Writes a GGUF file, which appears under its name when it is complete.
  public func write(to path: String) throws(GGUFError) {
    var metadata = Metadata()
    metadata.set("general.type", .string("imatrix"))
    metadata.set("imatrix.datasets", .array(MetadataArray(texts)))
    metadata.set("imatrix.chunk_count", .uint32(UInt32(clamping: chunkCount)))
    metadata.set("imatrix.chunk_size", .uint32(UInt32(clamping: chunkSize)))
    let inOrder = entries.sorted { $0.key < $1.key }
    let layouts = inOrder.flatMap { name, entry in
      let matrices = entry.counts.count
      let columns = entry.sums.count / max(matrices, 1)
      return [
        TensorLayout(name: name + Self.sums, type: .f32, shape: matrices == 1 ? [columns] : [columns, matrices]),
        TensorLayout(name: name + Self.counts, type: .f32, shape: matrices == 1 ? [1] : [1, matrices]),
      ]
    }
    let writer = try GGUFWriter(path, metadata: metadata, tensors: layouts)
    for (_, entry) in inOrder {
      for values in [entry.sums, entry.counts] {
        try writer.append(values.flatMap { value in withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) } })
      }
    }
    try writer.finish()
  }
}

extension UnsafeRawBufferPointer {
  /// The bytes as little-endian floats.
  fileprivate var floats: [Float] {
    (0..<count / 4).map {
      Float(bitPattern: UInt32(littleEndian: loadUnaligned(fromByteOffset: $0 * 4, as: UInt32.self)))
    }
  }
}

extension Int {
  fileprivate func clampedProduct(_ factor: Int) -> Int {
    let (product, overflow) = multipliedReportingOverflow(by: factor)
    return overflow ? .max : product
  }
}

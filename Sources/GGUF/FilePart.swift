/// One file's header, metadata and tensors, parsed and checked.
struct FilePart {
  let backing: Backing
  let magic: Magic
  let version: UInt32
  let alignment: Int
  let metadata: Metadata
  let tensors: [Tensor]

  static let defaultAlignment = 32

  init(_ backing: Backing) throws(GGUFError) {
    self.backing = backing
    var reader = ByteReader(backing.bytes)

    (magic, version) = try FilePart.readMagic(&reader)
    let tensorCount = try reader.number(UInt64.self, "the number of tensors")
    let pairCount = try reader.number(UInt64.self, "the number of metadata keys")

    metadata = try FilePart.readMetadata(&reader, count: pairCount, backing: backing)
    alignment = try FilePart.alignment(metadata)
    let entries = try FilePart.readTensorEntries(
      &reader, count: tensorCount, architecture: metadata["general.architecture"]?.string, alignment: alignment)
    tensors = try FilePart.place(entries, after: reader.offset, in: backing, alignment: alignment)
  }

  private static func readMagic(_ reader: inout ByteReader) throws(GGUFError) -> (Magic, UInt32) {
    if reader.left == 0 { throw .empty }
    let found = Array(reader.bytes.prefix(4))
    guard let magic = Magic.allCases.first(where: { $0.bytes == found }) else {
      // Formats of 2023, whose magic numbers stand reversed in a little-endian file.
      switch String(decoding: found, as: UTF8.self) {
      case "lmgg": throw .oldFormat(name: "GGML")
      case "fmgg": throw .oldFormat(name: "GGMF")
      case "tjgg": throw .oldFormat(name: "GGJT")
      case "algg": throw .oldFormat(name: "GGLA")
      case "FUGG", "IRWP": throw .bigEndian
      default: throw .notGGUF(found: found)
      }
    }
    _ = try reader.skip(4, "the magic number")
    let version = try reader.number(UInt32.self, "the version")
    if version & 0xFFFF == 0, version != 0 { throw .bigEndian }
    guard version == 2 || version == 3 else { throw .unsupportedVersion(version) }
    return (magic, version)
  }

  private static func readMetadata(
    _ reader: inout ByteReader, count announced: UInt64, backing: Backing
  ) throws(GGUFError) -> Metadata {
    // The least a pair takes: length of the key, type, one byte.
    guard let count = Int(exactly: announced), count <= reader.left / 13 else {
      throw .implausibleCount(of: "metadata keys", count: announced, left: reader.left)
    }
    var metadata = Metadata(capacity: count)
    for number in 0..<count {
      let key = try reader.name("the metadata key number \(number)")
      try metadata.append(key, MetadataValue(from: &reader, key: key, backing: backing))
    }
    return metadata
  }

  private static func alignment(_ metadata: Metadata) throws(GGUFError) -> Int {
    guard let value = metadata["general.alignment"] else { return defaultAlignment }
    guard let alignment = value.integer, alignment >= 8, alignment & (alignment - 1) == 0 else {
      throw .badAlignment(value.inWords)
    }
    return alignment
  }
}

/// A tensor's entry as it stands in the file, its shape and type found possible.
private struct TensorEntry {
  let layout: TensorLayout
  let byteCount: Int
  /// From the start of the tensor data.
  let offset: UInt64
}

extension FilePart {
  private static func readTensorEntries(
    _ reader: inout ByteReader, count announced: UInt64, architecture: String?, alignment: Int
  ) throws(GGUFError) -> [TensorEntry] {
    // The least an entry takes: length of the name, dimension count, one dimension, type, offset.
    guard let count = Int(exactly: announced), count <= reader.left / 32 else {
      throw .implausibleCount(of: "tensors", count: announced, left: reader.left)
    }
    // PowerInfer's index files hold an empty bucket for every layer that is not on the GPU.
    let allowingEmpty = architecture == TensorType.indexArchitecture
    var entries: [TensorEntry] = []
    entries.reserveCapacity(count)
    for number in 0..<count {
      let name = try reader.name("the name of tensor number \(number)")
      let dimensions = try reader.number(UInt32.self, "the dimension count of \(shown(name))")
      guard (1...4).contains(dimensions) else { throw .dimensionCount(tensor: name, count: dimensions) }
      var shape: [Int] = []
      shape.reserveCapacity(Int(dimensions))
      for _ in 0..<dimensions {
        let dimension = try reader.number(UInt64.self, "the shape of \(shown(name))")
        guard let fitting = Int(exactly: dimension) else { throw .tooLarge(tensor: name) }
        shape.append(fitting)
      }
      let id = try reader.number(UInt32.self, "the type of \(shown(name))")
      let offset = try reader.number(UInt64.self, "the offset of \(shown(name))")
      guard let type = TensorType(id: id, architecture: architecture) else {
        throw .unknownTensorType(tensor: name, id: id)
      }
      guard offset % UInt64(alignment) == 0 else {
        throw .misaligned(tensor: name, offset: offset, alignment: alignment)
      }
      let layout = TensorLayout(name: name, type: type, shape: shape)
      let byteCount = try layout.byteCount(allowingEmpty: allowingEmpty)
      entries.append(TensorEntry(layout: layout, byteCount: byteCount, offset: offset))
    }
    return entries
  }

  /// Finds each tensor's bytes: inside the file, and no two tensors in the same place.
  private static func place(
    _ entries: [TensorEntry], after end: Int, in backing: Backing, alignment: Int
  ) throws(GGUFError) -> [Tensor] {
    if entries.isEmpty { return [] }
    let bytes = backing.bytes
    // A huge alignment puts the data past every end, where only empty tensors fit.
    let (padded, overflow) = end.addingReportingOverflow(alignment - 1)
    let start = overflow ? bytes.count : min(padded & ~(alignment - 1), bytes.count)
    let available = bytes.count - start

    var tensors: [Tensor] = []
    tensors.reserveCapacity(entries.count)
    for entry in entries {
      guard entry.byteCount <= available, entry.offset <= UInt64(available - entry.byteCount) else {
        throw .tensorPastEnd(
          tensor: entry.layout.name, offset: entry.offset, bytes: entry.byteCount, available: available)
      }
      let first = start + Int(entry.offset)
      tensors.append(
        Tensor(
          entry.layout, bytes: UnsafeRawBufferPointer(rebasing: bytes[first..<(first + entry.byteCount)]),
          backing: backing))
    }

    let inOrder = entries.filter { $0.byteCount > 0 }.sorted { $0.offset < $1.offset }
    for (entry, next) in zip(inOrder, inOrder.dropFirst()) where next.offset - entry.offset < UInt64(entry.byteCount) {
      throw .overlap(first: entry.layout.name, second: next.layout.name)
    }
    return tensors
  }
}

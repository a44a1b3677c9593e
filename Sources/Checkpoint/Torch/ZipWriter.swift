/// Makes a ZIP archive of members stored as they are, for files that fit into memory; the same members give the same bytes.
struct ZipWriter {
  private var bytes: [UInt8] = []
  private var directory: [UInt8] = []
  private var count: UInt16 = 0

  /// Every member's content starts at a multiple of this, as PyTorch, which may map it, wants it.
  private static let alignment = 64

  /// Adds a member.
  ///
  /// - Parameters:
  ///   - name: in ASCII.
  ///   - content: of less than 4 GiB together with all others.
  mutating func append(_ name: String, _ content: [UInt8]) {
    let start = bytes.count
    let name = Array(name.utf8)
    // Version 2.0, no flags, stored; 1980-01-01, the first day there is.
    let properties =
      littleEndian(UInt16(20)) + littleEndian(UInt16(0)) + littleEndian(UInt16(0)) + littleEndian(UInt16(0))
    let day = littleEndian(UInt16(33))
    let sizes =
      littleEndian(CyclicChecksum.of(content)) + littleEndian(UInt32(content.count))
      + littleEndian(UInt32(content.count))
    let unpadded = start + 30 + name.count + 4
    let padding = (Self.alignment - unpadded % Self.alignment) % Self.alignment
    // An extra field that readers skip, of PyTorch's kind.
    let extra = Array("FB".utf8) + littleEndian(UInt16(padding)) + [UInt8](repeating: 0, count: padding)
    bytes += littleEndian(UInt32(0x0403_4B50)) + properties + day + sizes
    bytes += littleEndian(UInt16(name.count)) + littleEndian(UInt16(extra.count)) + name + extra + content
    directory += littleEndian(UInt32(0x0201_4B50)) + littleEndian(UInt16(20)) + properties + day + sizes
    directory +=
      littleEndian(UInt16(name.count)) + [UInt8](repeating: 0, count: 12) + littleEndian(UInt32(start)) + name
    count += 1
  }

  /// The archive.
  func finished() -> [UInt8] {
    let end =
      littleEndian(UInt32(0x0605_4B50)) + [0, 0, 0, 0] + littleEndian(count) + littleEndian(count)
      + littleEndian(UInt32(directory.count)) + littleEndian(UInt32(bytes.count)) + [0, 0]
    return bytes + directory + end
  }
}

/// The members of a ZIP archive that are stored as they are, as `torch.save` stores them.
///
/// The list at the archive's end is checked against the archive: every member lies before the list, begins with a header
/// that bears its name, and none overlap. Compressed members are refused, so that nothing grows on reading. Archives of more
/// than 4 GiB (ZIP64) are read. APPNOTE.TXT 6.3.10.
struct ZipArchive {
  struct Member {
    let name: String
    /// Of its bytes in the archive.
    let range: Range<Int>
    let checksum: UInt32
  }

  /// In the order of the list.
  let members: [Member]
  private let bytes: UnsafeRawBufferPointer

  /// - Parameter bytes: of the archive, which must outlive this value.
  init(_ bytes: UnsafeRawBufferPointer) throws(CheckpointError) {
    self.bytes = bytes
    let directory = try Directory(bytes)
    var members: [Member] = []
    var spans: [(range: Range<Int>, name: String)] = []
    var names = Set<String>()
    var position = directory.range.lowerBound
    for _ in 0..<directory.count {
      let (member, header, next) = try ZipArchive.member(at: position, in: bytes, directory: directory.range)
      guard names.insert(member.name).inserted else { throw .duplicateMember(member.name) }
      members.append(member)
      spans.append((header..<member.range.upperBound, member.name))
      position = next
    }
    spans.sort { ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound) }
    for (first, second) in zip(spans, spans.dropFirst()) where first.range.upperBound > second.range.lowerBound {
      throw .membersOverlap(first: first.name, second: second.name)
    }
    self.members = members
  }

  /// A member's bytes.
  func bytes(of member: Member) -> UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes[member.range]) }

  /// A member's bytes, found to have their checksum: for members small enough to be read twice.
  func checkedBytes(of member: Member) throws(CheckpointError) -> UnsafeRawBufferPointer {
    let content = bytes(of: member)
    guard CyclicChecksum.of(content) == member.checksum else { throw .checksum(member: member.name) }
    return content
  }

  // MARK: Parts of the format

  /// Where the list of members is.
  private struct Directory {
    let range: Range<Int>
    let count: Int

    private static let endSize = 22
    private static let locatorSize = 20
    private static let longEndSize = 56

    init(_ bytes: UnsafeRawBufferPointer) throws(CheckpointError) {
      // The end record is the last thing in the file but for a comment of up to 64 KiB.
      let last = bytes.count - Self.endSize
      let found = stride(from: last, through: max(0, last - 0xFFFF), by: -1).first { offset in
        bytes.number(UInt32.self, at: offset) == 0x0605_4B50
          && Int(bytes.number(UInt16.self, at: offset + 20)) == last - offset
      }
      guard last >= 0, let end = found else { throw .noDirectory }
      var count = UInt64(bytes.number(UInt16.self, at: end + 10))
      var size = UInt64(bytes.number(UInt32.self, at: end + 12))
      var start = UInt64(bytes.number(UInt32.self, at: end + 16))
      var limit = end
      let locator = end - Self.locatorSize
      if locator >= 0, bytes.number(UInt32.self, at: locator) == 0x0706_4B50 {
        let offset = bytes.number(UInt64.self, at: locator + 8)
        guard locator >= Self.longEndSize, offset <= locator - Self.longEndSize,
          bytes.number(UInt32.self, at: Int(offset)) == 0x0606_4B50
        else { throw .directoryOutside }
        count = bytes.number(UInt64.self, at: Int(offset) + 32)
        size = bytes.number(UInt64.self, at: Int(offset) + 40)
        start = bytes.number(UInt64.self, at: Int(offset) + 48)
        limit = Int(offset)
      }
      guard start <= limit, size <= UInt64(limit) - start else { throw .directoryOutside }
      guard count <= size / UInt64(ZipArchive.entrySize) else { throw .tooManyMembers(count) }
      range = Int(start)..<Int(start + size)
      self.count = Int(count)
    }
  }

  private static let entrySize = 46
  private static let headerSize = 30

  /// The member of the list's entry at `position`, where its header is, and where the next entry is.
  private static func member(
    at position: Int, in bytes: UnsafeRawBufferPointer, directory: Range<Int>
  ) throws(CheckpointError) -> (member: Member, header: Int, next: Int) {
    guard directory.upperBound - position >= entrySize, bytes.number(UInt32.self, at: position) == 0x0201_4B50 else {
      throw .directoryOutside
    }
    let nameLength = Int(bytes.number(UInt16.self, at: position + 28))
    let extraLength = Int(bytes.number(UInt16.self, at: position + 30))
    let next = position + entrySize + nameLength + extraLength + Int(bytes.number(UInt16.self, at: position + 32))
    guard next <= directory.upperBound else { throw .directoryOutside }
    let nameBytes = bytes[(position + entrySize)..<(position + entrySize + nameLength)]
    guard let name = String(validating: nameBytes, as: UTF8.self) else { throw .notUTF8 }

    guard bytes.number(UInt16.self, at: position + 8) & 1 == 0 else { throw .encrypted(member: name) }
    guard bytes.number(UInt16.self, at: position + 10) == 0 else { throw .compressed(member: name) }
    let extraStart = position + entrySize + nameLength
    let sizes = try longNumbers(
      [
        bytes.number(UInt32.self, at: position + 24), bytes.number(UInt32.self, at: position + 20),
        bytes.number(UInt32.self, at: position + 42),
      ], extra: UnsafeRawBufferPointer(rebasing: bytes[extraStart..<(extraStart + extraLength)]), member: name)
    let (size, stored, header) = (sizes[0], sizes[1], sizes[2])
    guard size == stored else { throw .memberOutside(name) }

    let available = UInt64(directory.lowerBound)
    guard header <= available, available - header >= UInt64(headerSize) else { throw .memberOutside(name) }
    let start = Int(header)
    let ownNameLength = Int(bytes.number(UInt16.self, at: start + 26))
    let data = start + headerSize + ownNameLength + Int(bytes.number(UInt16.self, at: start + 28))
    guard data <= directory.lowerBound, size <= directory.lowerBound - data else { throw .memberOutside(name) }
    let ownName = bytes[(start + headerSize)..<(start + headerSize + ownNameLength)]
    guard bytes.number(UInt32.self, at: start) == 0x0403_4B50, ownName.elementsEqual(nameBytes) else {
      throw .memberNameDiffers(name)
    }
    let checksum = bytes.number(UInt32.self, at: position + 16)
    return (Member(name: name, range: data..<(data + Int(size)), checksum: checksum), start, next)
  }

  /// Numbers of 32 bits; those that are all ones stand, in order, in an extra field of 64-bit numbers.
  private static func longNumbers(
    _ short: [UInt32], extra: UnsafeRawBufferPointer, member: String
  ) throws(CheckpointError) -> [UInt64] {
    var field: Range<Int>?
    var position = 0
    while position + 4 <= extra.count {
      let length = Int(extra.number(UInt16.self, at: position + 2))
      guard length <= extra.count - position - 4 else { break }
      if extra.number(UInt16.self, at: position) == 1 { field = (position + 4)..<(position + 4 + length) }
      position += 4 + length
    }
    var result: [UInt64] = []
    var next = field?.lowerBound ?? 0
    for number in short {
      guard number == .max else {
        result.append(UInt64(number))
        continue
      }
      guard let field, next + 8 <= field.upperBound else { throw .memberOutside(member) }
      result.append(extra.number(UInt64.self, at: next))
      next += 8
    }
    return result
  }
}

extension UnsafeRawBufferPointer {
  /// The little-endian number at an offset that is known to be inside.
  func number<Number: FixedWidthInteger>(_: Number.Type, at offset: Int) -> Number {
    Number(littleEndian: loadUnaligned(fromByteOffset: offset, as: Number.self))
  }
}

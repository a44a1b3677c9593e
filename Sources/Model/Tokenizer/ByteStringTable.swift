/// Many short byte strings in one allocation, found by their content.
///
/// A hash table with open addressing over one pool of bytes: a vocabulary of hundreds of thousands of tokens
/// is built without one allocation each, and looked up by any slice of a text without copying it. (Swift's
/// `String` would also be wrong as a key: it takes canonically equivalent spellings for equal.)
struct ByteStringTable: Sendable {
  private var pool: [UInt8] = []
  /// Where entry `i` begins in the pool; its end is the next entry's start.
  private var starts: [Int] = [0]
  private var values: [Int32] = []
  /// Entry index + 1, or 0 for an empty slot. The count is a power of two, at most half of it used.
  private var slots: [UInt32]
  private var mask: Int
  private(set) var longest = 0

  init(capacity: Int) {
    var size = 16
    while size < 2 * capacity { size *= 2 }
    slots = [UInt32](repeating: 0, count: size)
    mask = size - 1
    starts.reserveCapacity(capacity + 1)
    values.reserveCapacity(capacity)
  }

  /// The value stored for these bytes.
  func value(of key: UnsafeBufferPointer<UInt8>) -> Int32? {
    if key.count > longest { return nil }
    let slot = slot(for: key)
    return slots[slot] == 0 ? nil : values[Int(slots[slot]) - 1]
  }

  /// Stores the value unless the bytes are known already; returns what is stored in the end.
  @discardableResult
  mutating func insert(_ key: UnsafeBufferPointer<UInt8>, value: Int32) -> Int32 {
    if 2 * (values.count + 1) > slots.count { grow() }
    let slot = slot(for: key)
    if slots[slot] != 0 { return values[Int(slots[slot]) - 1] }
    pool.append(contentsOf: key)
    starts.append(pool.count)
    values.append(value)
    slots[slot] = UInt32(values.count)
    longest = max(longest, key.count)
    return value
  }

  private func slot(for key: UnsafeBufferPointer<UInt8>) -> Int {
    var slot = Int(truncatingIfNeeded: Self.hash(key)) & mask
    while slots[slot] != 0 {
      let entry = Int(slots[slot]) - 1
      let start = starts[entry]
      if starts[entry + 1] - start == key.count, matches(key, at: start) { break }
      slot = (slot + 1) & mask
    }
    return slot
  }

  private func matches(_ key: UnsafeBufferPointer<UInt8>, at start: Int) -> Bool {
    pool.withUnsafeBufferPointer { pool in
      for index in 0..<key.count where pool[start + index] != key[index] { return false }
      return true
    }
  }

  private mutating func grow() {
    slots = [UInt32](repeating: 0, count: slots.count * 2)
    mask = slots.count - 1
    pool.withUnsafeBufferPointer { pool in
      for entry in values.indices {
        let key = UnsafeBufferPointer(rebasing: pool[starts[entry]..<starts[entry + 1]])
        var slot = Int(truncatingIfNeeded: Self.hash(key)) & mask
        while slots[slot] != 0 { slot = (slot + 1) & mask }
        slots[slot] = UInt32(entry + 1)
      }
    }
  }

  /// FNV-1a, with the high bits folded in because only the low ones choose the slot.
  private static func hash(_ key: UnsafeBufferPointer<UInt8>) -> UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in key { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return hash ^ (hash >> 32)
  }
}

extension ByteStringTable {
  func value(of key: String) -> Int32? {
    var key = key
    return key.withUTF8 { value(of: $0) }
  }

  @discardableResult
  mutating func insert(_ key: String, value: Int32) -> Int32 {
    var key = key
    return key.withUTF8 { insert($0, value: value) }
  }

  @discardableResult
  mutating func insert(_ key: [UInt8], value: Int32) -> Int32 {
    key.withUnsafeBufferPointer { insert($0, value: value) }
  }
}

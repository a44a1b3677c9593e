/// Bytes that a step touches, and how.
struct GPUAccess {
  enum Unit { case kernel, transfer, indirect }

  let buffer: ObjectIdentifier
  let range: Range<Int>
  let unit: Unit
  let writes: Bool

  init(_ slice: GPUBufferSlice, _ unit: Unit, writes: Bool) {
    buffer = ObjectIdentifier(slice.buffer)
    range = slice.offset..<(slice.offset + slice.byteCount)
    self.unit = unit
    self.writes = writes
  }

  func overlaps(_ other: GPUAccess) -> Bool { buffer == other.buffer && range.overlaps(other.range) }
}

/// What has been read and written since the last barrier, to tell where the next one must be.
///
/// A barrier waits for everything before it. So steps that are independent should stand side by side: a recording of n steps,
/// each of which needs the one before, has n - 1 barriers; n independent ones have none.
struct GPUHazards {
  private var pending: [ObjectIdentifier: [GPUAccess]] = [:]

  /// Whether a step with these accesses must wait for earlier ones. Counts it as begun.
  mutating func mustWait(before accesses: [GPUAccess]) -> Bool {
    let conflict = accesses.contains { access in
      pending[access.buffer, default: []].contains { ($0.writes || access.writes) && $0.overlaps(access) }
    }
    if conflict { pending.removeAll(keepingCapacity: true) }
    for access in accesses { pending[access.buffer, default: []].append(access) }
    return conflict
  }

  /// Forgets everything, as after a barrier. Whether there was something to forget.
  mutating func clear() -> Bool {
    defer { pending.removeAll(keepingCapacity: true) }
    return !pending.isEmpty
  }
}

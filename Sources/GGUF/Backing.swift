import PowerInferPlatform

/// The memory behind a file, an array of its metadata or its tensors: mapped, or owned.
// Unchecked: the bytes are never written after `init` and live until `deinit`.
final class Backing: @unchecked Sendable {
  let bytes: UnsafeRawBufferPointer
  /// nil for bytes in memory.
  let mapped: MappedFile?
  private let owned: UnsafeMutableRawBufferPointer?

  /// Takes a mapped file.
  init(_ file: MappedFile) {
    bytes = file.bytes
    mapped = file
    owned = nil
  }

  /// Allocates `count` bytes, as aligned as every use in this package wants, for `fill` to write.
  init(count: Int, fill: (UnsafeMutableRawBufferPointer) -> Void) {
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, count), alignment: 64)
    let used = UnsafeMutableRawBufferPointer(rebasing: memory[..<count])
    fill(used)
    bytes = UnsafeRawBufferPointer(used)
    mapped = nil
    owned = memory
  }

  /// Copies an array.
  convenience init(_ source: [UInt8]) {
    self.init(count: source.count) { copy in copy.copyBytes(from: source) }
  }

  deinit {
    owned?.deallocate()
  }
}

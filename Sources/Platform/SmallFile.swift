#if canImport(Glibc)
  @preconcurrency import Glibc
#elseif canImport(Musl)
  @preconcurrency import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// All bytes of what a path leads to, which may be a pipe.
///
/// - Throws: ``FileError``.
package func wholeFile(_ path: String) throws(FileError) -> [UInt8] {
  if isFolder(path) { throw .isFolder(path: path) }
  let (descriptor, openCode) = retryingInterrupts { path.withSystemPath { open($0, O_RDONLY | O_CLOEXEC) } }
  guard descriptor >= 0 else { throw FileError(openCode, action: .open, path: path) }
  defer { close(descriptor) }
  var result: [UInt8] = []
  var buffer = [UInt8](repeating: 0, count: 1 << 16)
  while true {
    let (count, code) = retryingInterrupts {
      buffer.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
    }
    guard count >= 0 else { throw FileError(code, action: .read, path: path) }
    if count == 0 { return result }
    result += buffer[..<count]
  }
}

/// The text of a small file of the kernel's, without white space at its end; nil where it cannot be read.
func smallFile(_ path: String) -> String? {
  let descriptor = open(path, O_RDONLY | O_CLOEXEC)
  guard descriptor >= 0 else { return nil }
  defer { close(descriptor) }
  // These files announce no size, so they are read up to a limit none of them comes near.
  var bytes = [UInt8](repeating: 0, count: 1 << 16)
  var count = 0
  while count < bytes.count {
    let got = bytes.withUnsafeMutableBytes { raw in
      read(descriptor, raw.baseAddress.map { $0 + count }, raw.count - count)
    }
    if got <= 0 { break }
    count += got
  }
  while count > 0, bytes[count - 1] == 10 || bytes[count - 1] == 32 { count -= 1 }
  return String(decoding: bytes[..<count], as: UTF8.self)
}

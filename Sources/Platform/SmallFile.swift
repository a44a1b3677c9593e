#if canImport(Glibc)
  @preconcurrency import Glibc
#elseif canImport(Musl)
  @preconcurrency import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

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

import Foundation
import PowerInferPlatform

/// Compiled kernels of one device and driver on disk.
///
/// A driver checks little of what it is given here, so that everything is checked before: a file of another device, of
/// another driver, a damaged one or one cut short is as good as none.
///
/// Layout, little-endian: 8 bytes of magic; byte count of the identity (UInt32); identity; byte count of the payload (UInt64);
/// checksum of identity and payload (UInt64); payload.
struct KernelCacheFile {
  let path: String
  private let identity: [UInt8]

  private static let magic = Array("PIGPUKC1".utf8)
  /// Far more than all kernels of this package; a larger file is not ours.
  private static let largest = 256 << 20

  /// - Parameters:
  ///   - folder: where caches are; made when the first one is written.
  ///   - identity: of device and driver.
  init(folder: String, identity: [UInt8]) {
    self.identity = identity
    let name = String(KernelCacheFile.checksum([identity]), radix: 16)
    path = (folder.hasSuffix("/") ? folder : folder + "/") + "kernels-\(name).bin"
  }

  /// What was written last; nil where there is nothing of use.
  func read() -> [UInt8]? {
    guard let file = try? MappedFile(path) else { return nil }
    return KernelCacheFile.payload(of: file.bytes, identity: identity)
  }

  /// Replaces the file, if that can be done. Without a cache everything works, only later.
  func write(_ payload: [UInt8]) {
    guard payload.count <= KernelCacheFile.largest else { return }
    let folder = (path as NSString).deletingLastPathComponent
    try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    guard let file = try? AtomicFile(path) else { return }
    guard (try? file.write(KernelCacheFile.content(payload, identity: identity))) != nil else { return }
    try? file.commit()
  }

  static func content(_ payload: [UInt8], identity: [UInt8]) -> [UInt8] {
    magic + bytes(UInt32(identity.count)) + identity + bytes(UInt64(payload.count))
      + bytes(checksum([identity, payload])) + payload
  }

  static func payload(of content: UnsafeRawBufferPointer, identity: [UInt8]) -> [UInt8]? {
    let headBytes = magic.count + 4 + identity.count + 16
    guard content.count >= headBytes, content.count - headBytes <= largest else { return nil }
    let head = magic + bytes(UInt32(identity.count)) + identity
    guard content.prefix(head.count).elementsEqual(head) else { return nil }
    let count = UInt64(littleEndian: content.loadUnaligned(fromByteOffset: head.count, as: UInt64.self))
    let sum = UInt64(littleEndian: content.loadUnaligned(fromByteOffset: head.count + 8, as: UInt64.self))
    guard count == UInt64(content.count - headBytes) else { return nil }
    let payload = Array(content.dropFirst(headBytes))
    return checksum([identity, payload]) == sum ? payload : nil
  }

  /// FNV-1a: enough against damage, and no defence against intent, which a file in the user's own folder does not need.
  private static func checksum(_ parts: [[UInt8]]) -> UInt64 {
    var sum: UInt64 = 0xcbf2_9ce4_8422_2325
    for part in parts {
      part.withUnsafeBufferPointer { bytes in
        for byte in bytes { sum = (sum ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
      }
    }
    return sum
  }

  private static func bytes<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
    withUnsafeBytes(of: number.littleEndian) { Array($0) }
  }
}

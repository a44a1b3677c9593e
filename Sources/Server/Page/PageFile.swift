import CPowerInferPage
import NIOCore

/// A file of the chat page, out of the program itself.
struct PageFile: Sendable {
  let name: String
  /// As the header Content-Type has it.
  let contentType: String
  let body: ByteBuffer
  /// As the header ETag has it: of these bytes and no others.
  let tag: String

  /// The page itself; the other files belong to it.
  static let index = named["index.html"]

  /// Every file, by name.
  static let named: [String: PageFile] = Dictionary(
    uniqueKeysWithValues: (0..<pi_page_file_count()).map { index in
      let file = PageFile(pi_page_file_at(index).pointee)
      return (file.name, file)
    })

  private init(_ file: pi_page_file) {
    name = String(cString: file.name)
    contentType = String(cString: file.type)
    let bytes = UnsafeBufferPointer(start: file.bytes, count: file.length)
    body = ByteBuffer(bytes: bytes)
    tag = "\"\(KeyRing.digest(bytes).prefix(32))\""
  }
}

import Foundation
import NIOCore

/// Pieces of a stream, on their way to a client.
struct Frames {
  private(set) var buffer = ByteBuffer()

  var isEmpty: Bool { buffer.readableBytes == 0 }

  /// A server-sent event.
  mutating func event(_ name: String? = nil, _ data: some Encodable) throws {
    if let name { buffer.writeString("event: \(name)\n") }
    buffer.writeString("data: ")
    buffer.writeBytes(try JSONReply.data(data))
    buffer.writeString("\n\n")
  }

  /// A server-sent event whose data is no JSON.
  mutating func event(text: String) { buffer.writeString("data: \(text)\n\n") }

  /// A line of JSON.
  mutating func line(_ data: some Encodable) throws {
    buffer.writeBytes(try JSONReply.data(data))
    buffer.writeString("\n")
  }

  /// Gives out what there is.
  mutating func take() -> ByteBuffer {
    defer { buffer = ByteBuffer() }
    return buffer
  }
}

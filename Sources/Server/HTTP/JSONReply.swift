import Foundation
import HTTPTypes
import Hummingbird
import NIOCore

/// JSON as clients get it.
enum JSONReply {
  /// The bytes of a value, keys in any order.
  static func data(_ value: some Encodable) throws -> Data {
    // Made anew: an encoder is cheap, and is not said to serve several threads.
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.withoutEscapingSlashes]
    return try encoder.encode(value)
  }

  /// A whole reply.
  static func response(_ value: some Encodable, status: HTTPResponse.Status = .ok) -> Response {
    do {
      return response(bytes: try data(value), status: status)
    } catch {
      // A number that JSON cannot say; nothing that is encoded here has one.
      return Response(status: .internalServerError)
    }
  }

  /// A whole reply of JSON that is written already.
  static func response(bytes: some Sequence<UInt8>, status: HTTPResponse.Status = .ok) -> Response {
    Response(
      status: status, headers: [.contentType: "application/json; charset=utf-8"],
      body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
  }
}

/// A value that is written as null where there is none, not left out.
struct OrNull<Wrapped: Encodable & Sendable>: Encodable, Sendable {
  var value: Wrapped?

  init(_ value: Wrapped?) { self.value = value }

  func encode(to encoder: any Encoder) throws {
    var single = encoder.singleValueContainer()
    if let value { try single.encode(value) } else { try single.encodeNil() }
  }
}

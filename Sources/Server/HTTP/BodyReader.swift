import Foundation
import Hummingbird
import NIOCore

/// Reads requests' bodies, within the limits on size and time.
struct BodyReader {
  let limit: Int
  /// Seconds.
  let timeout: Int

  /// The value that a JSON body describes.
  ///
  /// - Throws: ``APIError`` where the body is too large, too slow or not JSON; what `Value` throws.
  func decode<Value: Decodable & Sendable>(_ type: Value.Type, from request: Request) async throws -> Value {
    try Self.decode(type, from: await bytes(of: request))
  }

  /// - Throws: as ``decode(_:from:)``.
  static func decode<Value: Decodable>(_ type: Value.Type, from bytes: [UInt8]) throws -> Value {
    // Foundation would also read UTF-16, and leaves texts unchecked that nobody asks for.
    guard String(validating: bytes, as: UTF8.self) != nil else {
      throw APIError(.invalidRequest, "The body is not UTF-8.")
    }
    return try JSONDecoder().decode(type, from: Data(bytes))
  }

  /// All bytes of the body.
  ///
  /// - Throws: ``APIError``.
  func bytes(of request: Request) async throws -> [UInt8] {
    if let length = request.headers[.contentLength].flatMap({ Int($0) }), length > limit { throw tooLarge(length) }
    let body = request.body
    let buffer: ByteBuffer
    do {
      buffer = try await withThrowingTaskGroup(of: ByteBuffer.self) { [limit, timeout] group in
        group.addTask { try await body.collect(upTo: limit) }
        group.addTask {
          try await Task.sleep(for: .seconds(timeout))
          throw APIError(.timeout, "The request's body did not arrive within \(timeout) seconds.")
        }
        defer { group.cancelAll() }
        guard let first = try await group.next() else { return ByteBuffer() }
        return first
      }
    } catch is NIOTooManyBytesError {
      throw tooLarge(nil)
    } catch let error where !(error is APIError || error is CancellationError) {
      // The client has gone, which is no failure of the server's.
      throw APIError(.invalidRequest, "The connection was closed before the whole body had arrived.")
    }
    return Array(buffer: buffer)
  }

  private func tooLarge(_ length: Int?) -> APIError {
    let found = length.map { ", found \($0)" } ?? ""
    return APIError(.tooLarge, "The request's body is too large: expected at most \(limit) bytes\(found).")
  }
}

/// What a request asks for, with what all requests may say of sampling beside it.
struct WithSampling<Fields: Decodable & Sendable>: Decodable, Sendable {
  var fields: Fields
  var sampling: SamplingFields

  init(from decoder: any Decoder) throws {
    fields = try Fields(from: decoder)
    sampling = try SamplingFields(from: decoder)
  }
}

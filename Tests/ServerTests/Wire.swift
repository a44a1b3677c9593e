import Foundation

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// A connection to a server on this machine, byte by byte: what clients' libraries would not send can be sent with it.
///
/// Calls that a process's being stopped and continued interrupts (EINTR) are made again.
final class Wire: Sendable {
  enum Failure: Error { case refused, ended, silent }

  private let descriptor: Int32

  /// - Parameter patience: seconds to wait for bytes.
  init(port: Int, patience: Int = 60) throws {
    #if canImport(Darwin)
      let kind = SOCK_STREAM
    #else
      let kind = Int32(SOCK_STREAM.rawValue)
    #endif
    descriptor = socket(AF_INET, kind, 0)
    guard descriptor >= 0 else { throw Failure.refused }
    var time = timeval()
    time.tv_sec = patience
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
    var status: Int32
    repeat {
      status = withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { [descriptor] in
          connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
      }
    } while status != 0 && (errno == EINTR || errno == EALREADY)
    guard status == 0 || errno == EISCONN else { throw Failure.refused }
  }

  deinit { close(descriptor) }

  func send(_ bytes: some Collection<UInt8>) throws {
    let bytes = Array(bytes)
    var sent = 0
    while sent < bytes.count {
      let count = bytes.withUnsafeBytes { buffer in
        #if canImport(Darwin)
          Darwin.send(descriptor, buffer.baseAddress.map { $0 + sent }, bytes.count - sent, 0)
        #else
          Glibc.send(descriptor, buffer.baseAddress.map { $0 + sent }, bytes.count - sent, Int32(MSG_NOSIGNAL))
        #endif
      }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw Failure.ended }
      sent += count
    }
  }

  func send(_ text: String) throws { try send(Array(text.utf8)) }

  /// Some bytes; none at the connection's end.
  func receive() throws -> [UInt8] {
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    var count = recv(descriptor, &buffer, buffer.count, 0)
    while count < 0, errno == EINTR { count = recv(descriptor, &buffer, buffer.count, 0) }
    if count < 0 { throw errno == EAGAIN || errno == EWOULDBLOCK ? Failure.silent : Failure.ended }
    return Array(buffer.prefix(count))
  }

  /// Sends no more, but goes on receiving.
  func halfClose() { shutdown(descriptor, Int32(SHUT_WR)) }

  /// Goes at once.
  func abort() { shutdown(descriptor, Int32(SHUT_RDWR)) }
}

/// A reply as it came.
struct Reply: Sendable {
  var status: Int
  var headers: [String: String]
  var body: [UInt8]

  var text: String { String(decoding: body, as: UTF8.self) }

  /// The body as JSON.
  func json() throws -> JSON { try JSON(body) }

  /// What stands behind "data: " in a stream of events, without the end's mark.
  func events() throws -> [JSON] {
    try text.components(separatedBy: "\n\n").compactMap { event in
      guard let line = event.split(separator: "\n").first(where: { $0.hasPrefix("data: ") }), line != "data: [DONE]"
      else { return nil }
      return try JSON(Array(line.dropFirst(6).utf8))
    }
  }

  /// The lines of a body, each JSON.
  func lines() throws -> [JSON] { try text.split(separator: "\n").map { try JSON(Array($0.utf8)) } }
}

/// Any JSON value, to look into.
struct JSON: Equatable, @unchecked Sendable {
  // Unchecked: nobody changes what Foundation has read.
  let value: Any?

  init(_ bytes: [UInt8]) throws {
    value = try JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)
  }

  private init(value: Any?) { self.value = value }

  subscript(key: String) -> JSON { JSON(value: (value as? [String: Any])?[key]) }
  subscript(index: Int) -> JSON {
    let list = value as? [Any] ?? []
    return JSON(value: list.indices.contains(index) ? list[index] : nil)
  }
  var string: String? { value as? String }
  var int: Int? { (value as? NSNumber)?.intValue }
  var double: Double? { (value as? NSNumber)?.doubleValue }
  var bool: Bool? { value as? Bool }
  var list: [JSON] { (value as? [Any] ?? []).map { JSON(value: $0) } }
  var keys: Set<String> { Set((value as? [String: Any] ?? [:]).keys) }
  var exists: Bool { value != nil }
  var isNull: Bool { value is NSNull }

  static func == (a: JSON, b: JSON) -> Bool { (a.value as? NSObject) == (b.value as? NSObject) }
}

extension Wire {
  /// Whether the other side ends the connection, in whatever way.
  func ends() throws -> Bool {
    do {
      return try receive().isEmpty
    } catch Failure.ended {
      return true
    }
  }

  /// Reads one reply.
  ///
  /// - Parameter hasBody: false for what is said of a body without the body.
  func reply(hasBody: Bool = true) throws -> Reply {
    var bytes: [UInt8] = []
    func more() throws {
      let some = try receive()
      if some.isEmpty { throw Failure.ended }
      bytes += some
    }
    var head: String
    while true {
      while bytes.firstRange(of: Array("\r\n\r\n".utf8)) == nil { try more() }
      let end = bytes.firstRange(of: Array("\r\n\r\n".utf8))!
      head = String(decoding: bytes[..<end.lowerBound], as: UTF8.self)
      bytes.removeFirst(end.upperBound)
      // "Continue" announces the reply proper.
      if !head.hasPrefix("HTTP/1.1 100") { break }
    }
    let lines = head.components(separatedBy: "\r\n")
    var reply = Reply(status: Int(lines[0].split(separator: " ")[1]) ?? 0, headers: [:], body: [])
    for line in lines.dropFirst() {
      let parts = line.split(separator: ":", maxSplits: 1)
      reply.headers[parts[0].lowercased()] = parts.count > 1 ? parts[1].trimmingCharacters(in: .whitespaces) : ""
    }
    guard hasBody else { return reply }
    if let length = reply.headers["content-length"].flatMap(Int.init) {
      while bytes.count < length { try more() }
      reply.body = Array(bytes.prefix(length))
    } else if reply.headers["transfer-encoding"] == "chunked" {
      while true {
        while bytes.firstRange(of: [13, 10]) == nil { try more() }
        let line = bytes.firstRange(of: [13, 10])!
        let size = Int(String(decoding: bytes[..<line.lowerBound], as: UTF8.self), radix: 16) ?? 0
        bytes.removeFirst(line.upperBound)
        while bytes.count < size + 2 { try more() }
        reply.body += bytes.prefix(size)
        bytes.removeFirst(size + 2)
        if size == 0 { break }
      }
    }
    return reply
  }
}

import Foundation

/// Which names clients may call the server by, and pages of which origins may ask it.
///
/// A web page can make its visitor's browser send requests to this machine, under a name of its own that it has resolved to this machine's
/// address (DNS rebinding). Such a request carries that name as its host, and the page's origin.
struct Origins: Sendable {
  private let hosts: Set<String>
  private let origins: Set<String>

  /// - Parameters:
  ///   - hosts: names beside IP addresses and `localhost`; `*` for every name.
  ///   - origins: origins beside those of this machine; `*` for every one.
  init(hosts: [String], origins: [String]) {
    self.hosts = Set(hosts.map { $0.lowercased() })
    self.origins = Set(origins.map { $0.lowercased() })
  }

  /// Whether a request's host is one of the server's names.
  ///
  /// - Parameter authority: `name`, `name:port`, `[address]:port`; nil where the request names none, as before HTTP/1.1.
  func allows(host authority: String?) -> Bool {
    guard let authority, !authority.isEmpty else { return true }
    if hosts.contains("*") { return true }
    let name = Self.name(of: authority)
    return Self.isLocal(name) || Self.isAddress(name) || hosts.contains(name)
  }

  /// Whether a page of an origin may ask.
  ///
  /// - Parameters:
  ///   - origin: such as `https://example.org`.
  ///   - authority: the request's host, whose own pages may.
  func allows(origin: String, host authority: String?) -> Bool {
    let origin = origin.lowercased()
    if origins.contains("*") || origins.contains(origin) { return true }
    guard let scheme = origin.firstRange(of: "://") else { return false }
    guard ["http", "https"].contains(origin[..<scheme.lowerBound]) else { return false }
    let page = String(origin[scheme.upperBound...])
    if page.contains("/") || page.isEmpty { return false }
    let name = Self.name(of: page)
    return Self.isLocal(name) || Self.isLoopback(name) || page == authority?.lowercased()
  }

  private static func name(of authority: String) -> String {
    let text = authority.lowercased()
    if text.hasPrefix("["), let end = text.firstIndex(of: "]") {
      return String(text[text.index(after: text.startIndex)..<end])
    }
    guard let colon = text.lastIndex(of: ":"), text.firstIndex(of: ":") == colon else { return text }
    return String(text[..<colon])
  }

  private static func isLocal(_ name: String) -> Bool { name == "localhost" || name.hasSuffix(".localhost") }

  private static func isLoopback(_ name: String) -> Bool {
    name == "::1" || (name.hasPrefix("127.") && isAddress(name))
  }

  /// Whether a name is an IP address, which nobody resolves.
  private static func isAddress(_ name: String) -> Bool {
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    if parts.count == 4, parts.allSatisfy({ UInt8($0) != nil && $0.allSatisfy(\.isASCII) }) { return true }
    return name.contains(":") && name.allSatisfy { $0.isHexDigit || $0 == ":" || $0 == "." || $0 == "%" }
  }
}

import Hummingbird
import Synchronization

/// The paths that there are, with the methods that they take.
final class RouteTable: Sendable {
  private let table = Mutex<[String: [String]]>([:])

  func add(_ method: String, _ path: String) {
    table.withLock { $0[path, default: []].append(method) }
  }

  /// The methods of a path, as the header Allow has them; empty where there is no such path.
  func methods(of path: String) -> String {
    pattern(of: path).flatMap { pattern in table.withLock { $0[pattern] } }?.sorted().joined(separator: ", ") ?? ""
  }

  /// The path as it was added, such as `/v1/models/{model}`; nil where there is none.
  func pattern(of path: String) -> String? {
    table.withLock { table in table[path] == nil ? table.keys.first { Self.matches(path, $0) } : path }
  }

  /// Every path.
  var paths: [String: [String]] { table.withLock { $0 } }

  private static func matches(_ path: String, _ pattern: String) -> Bool {
    guard pattern.contains("{") else { return false }
    let (parts, names) = (path.split(separator: "/"), pattern.split(separator: "/"))
    return parts.count == names.count && zip(parts, names).allSatisfy { $0 == $1 || $1.hasPrefix("{") }
  }
}

/// Adds routes, and remembers them.
struct Routes {
  let router: Router<ServerContext>
  let table: RouteTable

  func get(_ path: String, _ handler: @escaping @Sendable (Request, ServerContext) async throws -> Response) {
    table.add("GET", path)
    table.add("HEAD", path)
    router.get(RouterPath(path), use: handler)
  }

  func post(_ path: String, _ handler: @escaping @Sendable (Request, ServerContext) async throws -> Response) {
    table.add("POST", path)
    router.post(RouterPath(path), use: handler)
  }
}

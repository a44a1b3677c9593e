import Foundation
import HTTPTypes
import Hummingbird
import Logging

/// What every request passes: who may come in, in which form mistakes are said, and what is written down about it.
struct Gate: RouterMiddleware {
  typealias Context = ServerContext

  let service: Service
  let routes: RouteTable
  private let origins: Origins
  private let keys: KeyRing

  /// Paths that show nothing and need no key.
  private static let open: Set<String> = ["/", "/health", "/v1/health"]

  init(_ service: Service, routes: RouteTable) {
    self.service = service
    self.routes = routes
    origins = Origins(
      hosts: service.options.allowedHosts + [service.options.host], origins: service.options.allowedOrigins)
    keys = KeyRing(service.options.apiKeys)
  }

  func handle(
    _ request: Request, context: ServerContext, next: (Request, ServerContext) async throws -> Response
  ) async throws -> Response {
    let start = ContinuousClock.now
    let path = request.uri.path
    var response: Response
    do {
      response = try await admit(request, context, next)
    } catch {
      let error = explain(error, request)
      if error.kind == .server { context.logger.error("\(error.message)", metadata: ["path": "\(path)"]) }
      response = ErrorForm(path: path).response(error, requestID: context.requestID)
      if leavesBody(request, error) { response.headers[.connection] = "close" }
    }
    response.headers[.xRequestID] = context.requestID
    if let origin = request.headers[.origin] {
      response.headers[.accessControlAllowOrigin] =
        origins.allows(origin: origin, host: request.head.authority) ? origin : nil
      response.headers[.vary] = response.headers[.vary].map { "\($0), Origin" } ?? "Origin"
    }
    return noted(response, request, context, since: start)
  }

  // MARK: Who may come in

  private func admit(
    _ request: Request, _ context: ServerContext, _ next: (Request, ServerContext) async throws -> Response
  ) async throws -> Response {
    guard origins.allows(host: request.head.authority) else {
      throw APIError(
        .forbidden,
        "The request's host is not one of this server's names; expected an IP address, localhost or one of --allowed-hosts."
      )
    }
    if let origin = request.headers[.origin] {
      guard origins.allows(origin: origin, host: request.head.authority) else {
        throw APIError(
          .forbidden, "Pages of the origin \(origin.debugDescription) may not ask this server (--cors-origins).")
      }
      if request.method == .options { return preflight(request) }
    }
    let path = request.uri.path
    if !Self.open.contains(path), !path.hasPrefix(PageRoutes.folder), !keys.admits(request.headers) {
      throw APIError(.invalidKey, "The API key is missing or wrong; expected Authorization: Bearer KEY.")
    }
    return try await next(request, context)
  }

  /// The answer to a browser that asks whether a page may ask.
  private func preflight(_ request: Request) -> Response {
    var headers: HTTPFields = [
      .accessControlAllowMethods: "GET, POST, DELETE, OPTIONS", .accessControlMaxAge: "600",
    ]
    headers[.accessControlAllowHeaders] = request.headers[.accessControlRequestHeaders] ?? "authorization, content-type"
    return Response(status: .noContent, headers: headers)
  }

  // MARK: Mistakes

  private func explain(_ error: any Error, _ request: Request) -> APIError {
    guard let error = error as? HTTPError else { return APIError(error) }
    let path = request.uri.path
    let methods = routes.methods(of: path)
    if error.status == .notFound, !methods.isEmpty {
      return APIError(
        .methodNotAllowed, "The path \(path) takes \(methods), found \(request.method.rawValue).", allow: methods)
    }
    if error.status == .notFound {
      return APIError(.notFound, "There is nothing at \(request.method.rawValue) \(path).")
    }
    return APIError(.server, error.description)
  }

  /// Whether the client may still be sending what nobody wants to read.
  private func leavesBody(_ request: Request, _ error: APIError) -> Bool {
    guard [.tooLarge, .timeout, .forbidden, .invalidKey, .notFound, .methodNotAllowed].contains(error.kind) else {
      return false
    }
    return request.headers[.transferEncoding] != nil || request.headers[.contentLength].map { $0 != "0" } ?? false
  }

  // MARK: What is written down

  private func noted(
    _ response: Response, _ request: Request, _ context: ServerContext, since start: ContinuousClock.Instant
  ) -> Response {
    var response = response
    let (body, status, path) = (response.body, response.status.code, request.uri.path)
    // What clients make up must not become ever more numbers.
    let route = routes.pattern(of: path) ?? "other"
    let (service, logger, method) = (service, context.logger, request.method.rawValue)
    let kind = routes.methods(of: path).contains(method) ? method : "other"
    let note: @Sendable () -> Void = {
      let seconds = (ContinuousClock.now - start) / .seconds(1)
      service.metrics.replied(route: route, method: kind, status: status, seconds: seconds)
      logger.info(
        "request",
        metadata: [
          "method": "\(method)", "path": "\(path.prefix(256))", "status": "\(status)",
          "seconds": "\(String(format: "%.4f", seconds))",
        ])
    }
    let length = body.contentLength
    if length != nil {
      note()
      return response
    }
    // A stream ends when it is written.
    response.body = ResponseBody(contentLength: nil) { writer in
      defer { note() }
      try await body.write(writer)
    }
    return response
  }
}

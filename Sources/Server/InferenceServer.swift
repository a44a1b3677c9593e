import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdCore
import HummingbirdTLS
public import Logging
import NIOCore
import NIOSSL
import PowerInfer
import PowerInferPlatform
import ServiceLifecycle
import Synchronization
import UnixSignals

/// An HTTP server that answers as OpenAI's, Anthropic's, ollama's and llama.cpp's do, over the engine's scheduler.
///
/// ```swift
/// let library = ModelLibrary(main: "model.gguf", folder: nil, byteLimit: nil) { path in
///   try Engine(model: LanguageModel(opening: path))
/// }
/// try await InferenceServer(options: ServerOptions(), library: library).run()
/// ```
public struct InferenceServer: Sendable {
  private let service: Service
  private let logger: Logger
  private let running = RunningGroup()

  /// - Parameters:
  ///   - options: how it listens and whom it serves.
  ///   - library: its models.
  ///   - logger: where it writes what happens.
  public init(options: ServerOptions, library: ModelLibrary, logger: Logger = Logger(label: "powerinfer")) {
    service = Service(options: options, library: library)
    self.logger = logger
  }

  /// Serves until a signal (SIGTERM, SIGINT) or a cancellation asks it to stop, then finishes the answers that run, within the time
  /// that the options give.
  ///
  /// - Parameters:
  ///   - handlesSignals: whether the signals do that; otherwise only cancellation and graceful shutdown of the task do.
  ///   - onListening: called with the port once connections are accepted.
  /// - Throws: ``ServerError`` where it cannot listen or has no certificate; what loading the model throws.
  public func run(
    handlesSignals: Bool = true, onListening: @escaping @Sendable (_ port: Int) async -> Void = { _ in }
  ) async throws {
    let options = service.options
    let files = FileDescriptors.raiseLimit()
    let failure = Failure()
    var configuration = ApplicationConfiguration(
      address: .hostname(options.host, port: options.port), serverName: "powerinfer", backlog: 1024)
    // Some descriptors are the models' and the log's.
    configuration.availableConnectionsDelegate = .maximum(
      min(options.connectionLimit, max(1, files - 64)), logger: logger)
    let application = Application(
      responder: responder(), server: try builder(), configuration: configuration,
      onServerRunning: { channel in await onListening(channel.localAddress?.port ?? options.port) }, logger: logger)
    var group = ServiceGroupConfiguration(
      services: [
        .init(service: application, successTerminationBehavior: .gracefullyShutdownGroup),
        .init(
          service: ModelKeeper(service: service, failure: failure, logger: logger),
          successTerminationBehavior: .gracefullyShutdownGroup),
      ],
      gracefulShutdownSignals: handlesSignals ? [.sigterm, .sigint] : [], logger: logger)
    group.maximumGracefulShutdownDuration = .seconds(options.shutdownTimeout)
    do {
      let services = ServiceGroup(configuration: group)
      running.set(services)
      defer { running.set(nil) }
      try await services.run()
    } catch {
      if let cause = failure.error { throw cause }
      // The time for a graceful end is up: what was left has been ended.
      if error is CancellationError || error is ServiceGroupError { return }
      throw ServerError.cannotListen(host: options.host, port: options.port, reason: "\(error)")
    }
    if let cause = failure.error { throw cause }
  }

  /// Asks ``run(handlesSignals:onListening:)`` to finish the answers that run, and to return.
  public func stop() async { await running.group?.triggerGracefulShutdown() }

  // MARK: Parts

  /// The paths that there are.
  var routes: RouteTable { parts.table }

  private func responder() -> some HTTPResponder<ServerContext> { parts.router.buildResponder() }

  private var parts: (router: Router<ServerContext>, table: RouteTable) {
    let router = Router(context: ServerContext.self, options: [.autoGenerateHeadEndpoints])
    let table = RouteTable()
    router.add(middleware: Gate(service, routes: table))
    let routes = Routes(router: router, table: table)
    PageRoutes(service: service).add(to: routes)
    GeneralRoutes(service: service).add(to: routes)
    ActivityRoutes(service: service).add(to: routes)
    OpenAIRoutes(service: service).add(to: routes)
    AnthropicRoutes(service: service).add(to: routes)
    OllamaRoutes(service: service).add(to: routes)
    OriginalRoutes(service: service).add(to: routes)
    return (router, table)
  }

  private func builder() throws -> HTTPServerBuilder {
    let options = service.options
    let limits = ConnectionHandler.Limits(
      bodyLimit: options.bodyLimit, writeTimeout: .seconds(Int64(options.writeTimeout)),
      idleTimeout: .seconds(Int64(min(options.idleTimeout, Int(Int32.max)))),
      keepAliveInterval: .seconds(Int64(options.keepAliveInterval)))
    let connections = service.connections
    let plain = HTTPServerBuilder.http1(
      configuration: .init(
        additionalChannelHandlers: [ConnectionHandler(connections, limits)],
        httpDecoderConfiguration: .init(
          maxHeaderFieldSize: ConnectionHandler.headLimits.fieldBytes,
          maxHeaderListSize: ConnectionHandler.headLimits.bytes,
          maxHeaderFieldCount: ConnectionHandler.headLimits.fields)))
    guard let certificatePath = options.certificatePath, let keyPath = options.keyPath else { return plain }
    do {
      let chain = try NIOSSLCertificate.fromPEMFile(certificatePath)
      let key = try NIOSSLPrivateKey(file: keyPath, format: .pem)
      var tls = TLSConfiguration.makeServerConfiguration(
        certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
      tls.minimumTLSVersion = .tlsv12
      tls.applicationProtocols = ["http/1.1"]
      return try .tls(plain, tlsConfiguration: tls)
    } catch {
      throw ServerError.badCertificate(certificate: certificatePath, key: keyPath, reason: "\(error)")
    }
  }
}

/// The services while they run.
private final class RunningGroup: Sendable {
  private let state = Mutex<ServiceGroup?>(nil)

  var group: ServiceGroup? { state.withLock { $0 } }

  func set(_ group: ServiceGroup?) { state.withLock { $0 = group } }
}

/// Loads the main model beside the server, and gives models up that nobody uses.
private struct ModelKeeper: ServiceLifecycle.Service {
  let service: Service
  let failure: Failure
  let logger: Logger

  func run() async throws {
    do {
      try await service.library.loadMain()
      logger.info("ready")
    } catch {
      failure.set(error)
      return
    }
    await cancelWhenGracefulShutdown {
      while !Task.isCancelled {
        try? await Task.sleep(for: .seconds(1))
        if let seconds = service.options.idleUnload { await service.library.unload(idleFor: .seconds(seconds)) }
      }
    }
  }
}

/// Why a server does not serve.
public enum ServerError: Error, Equatable, CustomStringConvertible {
  case cannotListen(host: String, port: Int, reason: String)
  case badCertificate(certificate: String, key: String, reason: String)

  public var description: String {
    switch self {
    case .cannotListen(let host, let port, let reason):
      "The server cannot listen on \(host), port \(port): \(reason)"
    case .badCertificate(let certificate, let key, let reason):
      "The certificate \(certificate) with the key \(key) cannot be used: \(reason)"
    }
  }
}

import Dispatch
import Foundation
import Logging
import PowerInfer
import PowerInferServer
import PowerInferTestKit
import Synchronization

/// A server of a tiny random model, on a port of its own.
final class TestServer: Sendable {
  let port: Int
  /// What runs behind it; nil where it has a folder of models alone.
  let engine: Engine?
  private let server: InferenceServer
  private let task: Task<Void, any Error>
  private let folder: TemporaryFolder

  /// - Parameters:
  ///   - options: how it serves.
  ///   - scheduling: how requests share the engine.
  ///   - models: further files, each of another seed, in a folder.
  ///   - template: a chat template in place of the model's.
  ///   - logger: takes what it writes down; nobody by itself.
  init(
    options: (inout ServerOptions) -> Void = { _ in }, scheduling: (inout SchedulingOptions) -> Void = { _ in },
    contextSize: Int = 256, models: [String] = [], hasMain: Bool = true, template: String? = nil,
    logger: Logger? = nil
  ) async throws {
    folder = try TemporaryFolder()
    var serverOptions = ServerOptions()
    serverOptions.port = 0
    // A machine that stalls for a while must change nothing.
    serverOptions.shutdownTimeout = 120
    serverOptions.readTimeout = 120
    options(&serverOptions)
    var engineOptions = EngineOptions(contextSize: contextSize, threads: 1)
    engineOptions.isDeterministic = true
    scheduling(&engineOptions.scheduling)
    engineOptions.chatTemplate = template
    let settings = engineOptions
    for (index, name) in models.enumerated() {
      try TinyModel(seed: UInt64(100 + index)).write(to: folder.file(name + ".gguf"))
    }
    let load: @Sendable (String) throws -> Engine = {
      try Engine(model: LanguageModel(opening: $0), options: settings)
    }
    let main = try TinyModel().write(to: folder.file("tiny.gguf"))
    let engine = hasMain ? try load(main) : nil
    self.engine = engine
    let library = ModelLibrary(
      main: hasMain ? main : nil, folder: models.isEmpty ? nil : URL(filePath: main).deletingLastPathComponent().path,
      byteLimit: serverOptions.modelByteLimit
    ) { path in
      if path == main, let engine { return engine }
      return try load(path)
    }
    (server, task, port) = try await Self.start(serverOptions, library, logger)
    guard hasMain else { return }
    while try await get("/health").status != 200 { try await Task.sleep(for: .milliseconds(5)) }
  }

  /// A server of other models, of which none need be ready.
  init(library: ModelLibrary) async throws {
    (folder, engine) = (try TemporaryFolder(), nil)
    var options = ServerOptions()
    options.port = 0
    (server, task, port) = try await Self.start(options, library)
  }

  private static func start(
    _ options: ServerOptions, _ library: ModelLibrary, _ logger: Logger? = nil
  ) async throws -> (InferenceServer, Task<Void, any Error>, Int) {
    let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    let server = InferenceServer(options: options, library: library, logger: logger ?? quiet)
    let ports = AsyncStream<Int>.makeStream()
    let running = Task {
      defer { ports.continuation.finish() }
      try await server.run(handlesSignals: false) { port in ports.continuation.yield(port) }
    }
    var iterator = ports.stream.makeAsyncIterator()
    guard let port = await iterator.next() else {
      try await running.value
      throw Wire.Failure.refused
    }
    return (server, running, port)
  }

  deinit { task.cancel() }

  /// Lets it finish what it is doing, and waits until it has ended.
  func stopGracefully() async {
    await server.stop()
    _ = await task.result
  }

  // MARK: Requests

  /// Does something that waits, not on a task's thread, of which the server needs some.
  func off<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
      let thread = Thread { continuation.resume(with: Result { try body() }) }
      thread.start()
    }
  }

  func exchange(_ request: [UInt8], hasBody: Bool = true) async throws -> Reply {
    let port = port
    return try await off {
      let wire = try Wire(port: port)
      try wire.send(request)
      return try wire.reply(hasBody: hasBody)
    }
  }

  func get(_ path: String, _ headers: [String: String] = [:], method: String = "GET") async throws -> Reply {
    try await exchange(Self.request(method, path, headers, body: nil), hasBody: method != "HEAD")
  }

  func post(_ path: String, _ body: String, _ headers: [String: String] = [:]) async throws -> Reply {
    try await exchange(Self.request("POST", path, headers, body: Array(body.utf8)))
  }

  func post(_ path: String, bytes: [UInt8]) async throws -> Reply {
    try await exchange(Self.request("POST", path, [:], body: bytes))
  }

  static func request(_ method: String, _ path: String, _ headers: [String: String], body: [UInt8]?) -> [UInt8] {
    var head = "\(method) \(path) HTTP/1.1\r\n"
    var headers = headers
    if headers["Host"] == nil { headers["Host"] = "localhost" }
    if let body {
      headers["Content-Length"] = String(body.count)
      headers["Content-Type"] = headers["Content-Type"] ?? "application/json"
    }
    for (name, value) in headers { head += "\(name): \(value)\r\n" }
    return Array((head + "\r\n").utf8) + (body ?? [])
  }
}

/// Waits until something holds.
///
/// - Returns: false after a minute, which is a hang.
func eventually(_ condition: () async throws -> Bool) async throws -> Bool {
  for _ in 0..<6000 {
    if try await condition() { return true }
    try await Task.sleep(for: .milliseconds(10))
  }
  return false
}

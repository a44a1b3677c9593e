import ArgumentParser
import Foundation
import Logging
import PowerInfer
import PowerInferPlatform
import PowerInferServer
import Synchronization

/// `powerinfer serve`: answers over HTTP.
struct Serve: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Serve a model over HTTP, as OpenAI, Anthropic, ollama and llama.cpp do.",
    discussion: """
      In a browser, http://127.0.0.1:8080 is a page to chat on (--open opens it). Clients of these APIs work with the same \
      address, OpenAI's with /v1 behind it. Ctrl-C and SIGTERM let running answers finish, then end the program.

      Every option may also stand in a YAML file, by its long name (--config; a flag wins over its variable, a variable over \
      the file), and --print-config shows what came of them all.

      Examples:
        powerinfer serve --open
        powerinfer serve -m model.gguf --host 0.0.0.0 --port 8000 --api-key-file keys.txt
        powerinfer serve --models-dir models --models-memory 16GiB --idle-unload 300
        powerinfer serve --config server.yaml --print-config
        curl localhost:8080/v1/chat/completions -d '{"messages": [{"role": "user", "content": "Hello!"}]}'
      """)

  @OptionGroup(title: "Server") var serverFlags: ServerFlags
  @OptionGroup(title: "Limits") var limitFlags: ServerLimitFlags
  @OptionGroup(title: "Models") var libraryFlags: LibraryFlags
  @OptionGroup(title: "Model") var modelOptions: ModelOptions
  @OptionGroup(title: "Model") var templateFlags: TemplateFlags
  @OptionGroup(title: "Sampling") var samplingFlags: SamplingFlags

  @Option(
    name: [.customShort("n"), .customLong("predict"), .customLong("n-predict")], parsing: .unconditional,
    help: ArgumentHelp(
      "The most tokens of an answer, whatever a request says; -1 until the model ends by itself or the context is full. "
        + "(default: -1; environment: POWERINFER_PREDICT)", valueName: "n"))
  var predict: Int?

  @Option(
    help: ArgumentHelp("Read options from a YAML file. (environment: POWERINFER_CONFIG)", valueName: "file"),
    completion: .file())
  var config: String?

  @Flag(help: "Print all options and what they are set to, as such a file, and end.")
  var printConfig = false

  @Flag(help: "Open the chat page in the browser.")
  var open = false

  func run() throws {
    let environment = try configuredEnvironment()
    let settings = try resolve(environment)
    if printConfig { return try StandardOutput.write(settings.yaml()) }
    let logger = settings.log.logger
    let model = settings.model
    // A file that somebody makes shorter is the matter of its own requests.
    ShortenedFiles.survive()
    let library = ModelLibrary(
      main: settings.hasMainModel ? model.path : nil, folder: settings.modelsFolder,
      byteLimit: settings.options.modelByteLimit
    ) { path in
      var model = model
      model.path = path
      return try LoadedModel(model) { logger.warning("\($0)", metadata: ["model": "\(path)"]) }.engine
    }
    let server = InferenceServer(options: settings.options, library: library, logger: logger)
    let (address, page) = (settings.address, open ? settings.pageAddress : nil)
    // The command runs on the main thread, the server on the tasks' threads.
    let outcome = Mutex<Result<Void, any Error>>(.success(()))
    let end = DispatchSemaphore(value: 0)
    Task.detached {
      do {
        try await server.run { port in
          StandardOutput.note("Listening on \(address(port))\n")
          if let page { Self.show(page(port)) }
        }
      } catch {
        outcome.withLock { $0 = .failure(error) }
      }
      end.signal()
    }
    end.wait()
    try outcome.withLock { $0 }.get()
  }

  /// Opens the page, or says why it cannot.
  private static func show(_ address: String) {
    Browser.open(address) { failure in
      guard let failure else { return }
      StandardOutput.note("No browser was opened: \(failure). The page is at \(address)\n")
    }
  }

  /// The environment with the file's options behind it.
  ///
  /// - Throws: `ConfigurationFileError`.
  func configuredEnvironment(_ environment: Environment = Environment()) throws -> Environment {
    guard let path = try environment.value(config, or: "CONFIG") else { return environment }
    let options = try ConfigurationFile.read(path, known: ServerSettings.names)
    return Environment(options.merging(environment.variables.filter { !$0.value.isEmpty }) { $1 })
  }

  /// - Throws: `EnvironmentError`, `OptionError` and what the groups of options throw.
  func resolve(_ environment: Environment) throws -> ServerSettings {
    var settings = ServerSettings()
    settings.options.sampling = try samplingFlags.resolve(environment)
    settings.options.ignoresEnd = try samplingFlags.resolveIgnoreEos(environment)
    settings.overrides =
      modelOptions.overrideFlag.overrideKv.isEmpty
      ? (environment["POWERINFER_OVERRIDE_KV"] ?? "").split(separator: "\n").map(String.init)
      : modelOptions.overrideFlag.overrideKv
    try serverFlags.resolve(environment, &settings)
    try limitFlags.resolve(environment, &settings)
    try libraryFlags.resolve(environment, &settings)
    if let most = try environment.value(predict, or: "PREDICT") {
      guard most >= -1 else {
        throw OptionError.outOfRange(option: "predict", expected: "-1 (no limit), 0 or more", found: "\(most)")
      }
      settings.options.tokenLimit = most == -1 ? nil : most
    }
    // With a folder of models, none is loaded at the start unless it is named.
    settings.hasMainModel =
      settings.modelsFolder == nil || modelOptions.choice.model != nil || environment["POWERINFER_MODEL"] != nil
    settings.model = try modelOptions.resolve(environment, needsModel: settings.hasMainModel)
    settings.model.chatTemplate = try templateFlags.resolve(environment)
    (settings.model.scheduling, settings.model.cacheByteLimit) = (settings.scheduling, settings.cacheByteLimit)
    return settings
  }
}

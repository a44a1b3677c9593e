import ArgumentParser
import Foundation
import Logging
import PowerInfer
import PowerInferGGUF
import PowerInferServer
import PowerInferSparsity
import PowerInferTestKit
import Testing

@testable import PowerInferCommandLine

@Suite struct ServeCommandTests {
  private func settings(_ arguments: [String], _ variables: [String: String] = [:]) throws -> ServerSettings {
    let files = try ExampleFiles.shared.get()
    let command = try Serve.parse(["-m", files.folder.file("model.gguf")] + arguments)
    return try command.resolve(command.configuredEnvironment(Environment(variables)))
  }

  @Test func withoutFlagsTheDefaultsHold() throws {
    let settings = try settings([])
    let options = settings.options
    #expect(options.host == "127.0.0.1" && options.port == 8080 && options.apiKeys == [])
    #expect(options.allowedOrigins == [] && options.allowedHosts == [] && options.certificatePath == nil)
    #expect(settings.scheduling.parallel == 16 && settings.scheduling.queueLimit == 256)
    #expect(options.bodyLimit == 16 << 20 && options.requestTimeout == nil && options.tokenLimit == nil)
    #expect(options.idleUnload == nil && settings.modelsFolder == nil && settings.hasMainModel)
    #expect(settings.log.level == .info && settings.log.format == .text && options.pooling == .mean)
    #expect(options.sampling.repeatPenalty == 1.1)
  }

  @Test func aFlagWinsOverItsVariableAndThatOverTheFile() throws {
    let folder = try TemporaryFolder()
    let file = try folder.write(
      "server.yaml",
      """
      # A comment.
      port: 1
      parallel: 2
      queue: 3
      host: 0.0.0.0
      temp: 0.25
      api-key: [one, two]
      deterministic: true
      max-body: 1MiB
      """)
    let settings = try settings(
      ["--config", file, "--port", "9"], ["POWERINFER_PORT": "8", "POWERINFER_PARALLEL": "7", "POWERINFER_QUEUE": ""])
    #expect(settings.options.port == 9 && settings.scheduling.parallel == 7 && settings.scheduling.queueLimit == 3)
    #expect(settings.options.host == "0.0.0.0" && settings.options.sampling.temperature == 0.25)
    #expect(settings.options.apiKeys == ["one", "two"] && settings.model.isDeterministic)
    #expect(settings.options.bodyLimit == 1 << 20 && settings.model.scheduling == settings.scheduling)
  }

  @Test func whatIsPrintedCanBeReadAgain() throws {
    let arguments = [
      "--port", "9", "--cors-origins", "https://a.example, https://b.example", "--idle-unload", "5", "-n", "7",
      "--temp", "0.5",
      "-c", "64", "-t", "2", "--timeout", "60", "--seed", "3", "--log-format", "json", "--pooling", "last",
    ]
    let first = try settings(arguments)
    let text = try first.yaml()
    #expect(text.contains("port: 9\n") && text.contains("host: 127.0.0.1\n") && !text.contains("api-key"))
    let folder = try TemporaryFolder()
    let second = try settings(["--config", folder.write("printed.yaml", text)])
    #expect(second.options == first.options && second.scheduling == first.scheduling && second.model == first.model)
    #expect(try second.yaml() == text)
    // Keys stay where they are.
    let secret = try settings(["--api-key", "secret"]).yaml()
    #expect(!secret.contains("secret") && secret.hasPrefix("# 1 API keys are set and not shown.\n"))
  }

  @Test func everyNameOfTheFileIsAnOption() {
    let help = Serve.helpMessage(columns: 2000)
    for name in ServerSettings.names { #expect(help.contains("--\(name)"), "\(name)") }
    // And every option has one, but for other names of the same and for what is no setting.
    let others = [
      "config", "print-config", "open", "help", "version", "jinja", "no-mmap", "list-templates", "loss",
      "ssl-cert-file",
      "ssl-key-file", "temperature", "typical-p", "n-predict", "gpu-layers",
    ]
    for option in help.matches(of: /--([a-z][a-z0-9-]+)/).map({ String($0.output.1) }) {
      #expect(ServerSettings.names.contains(option) || others.contains(option), "\(option)")
    }
  }

  @Test func whatWasOnlyAFlagIsAlsoOfTheFileAndOfVariables() throws {
    let folder = try TemporaryFolder()
    let file = try folder.write(
      "server.yaml",
      """
      mmap: true
      override-kv: ["a.b=str:x,y", "c=int:5"]
      logit-bias: [5+1, 6-inf]
      ignore-eos: true
      neuron-profile: p.gguf
      gate-thresholds: t.gguf
      bit-margins: m.gguf
      predictor-type: q8_0
      gpu: none
      vram-budget: 50%
      n-gpu-layers: 3
      disable-gpu-index: true
      log-prompts: true
      reasoning-format: none
      """)
    let first = try settings(["--config", file])
    let model = first.model
    #expect("\(model.residency)" == "mapped" && model.sparsity.options.predictorFormat == .q8_0)
    #expect(model.overrides.map(\.key) == ["a.b", "c"] && model.overrides[0].value == .string("x,y"))
    #expect(first.options.sampling.logitBias == [5: 1, 6: -.infinity] && first.options.ignoresEnd)
    let sparsity = model.sparsity
    #expect([sparsity.profilePath, sparsity.thresholdsPath, sparsity.marginsPath] == ["p.gguf", "t.gguf", "m.gguf"])
    #expect("\(model.gpu)" == "none" && "\(model.hybrid.budget)" == "share(0.5)" && model.hybrid.layers == 3)
    #expect(model.hybrid.neurons == .none && first.options.logsPrompts && first.options.reasoning == .inline)
    let second = try settings(["--config", folder.write("printed.yaml", first.yaml())])
    #expect(second.options == first.options && second.model == first.model)
    #expect(try second.yaml() == first.yaml())
    // A flag wins.
    let third = try settings(["--config", file, "--no-mmap", "--logit-bias", "7+1", "--reset-gpu-index"])
    #expect("\(third.model.residency)" == "copied" && third.options.sampling.logitBias == [7: 1])
    #expect(third.model.hybrid.neurons == .byFrequency)
    let fourth = try settings([], ["POWERINFER_MMAP": "false", "POWERINFER_OVERRIDE_KV": "a=int:1"]).model
    #expect("\(fourth.residency)" == "copied" && fourth.overrides.map(\.key) == ["a"])
  }

  @Test(arguments: [
    ("prot: 1", "sets \"prot\", which is no option of powerinfer serve."),
    ("- 1", "must map options to values, but it does not."),
    ("port: {a: 1}", "must set port to a value or a list of values, but it is something else."),
    ("port: [1, 2", "is not YAML: "),
    ("port: x", "The environment variable POWERINFER_PORT must be a whole number, but it is \"x\"."),
  ]) func wrongFilesAreSentences(text: String, sentence: String) throws {
    let folder = try TemporaryFolder()
    let file = try folder.write("server.yaml", text)
    do {
      _ = try settings(["--config", file])
      Issue.record("\(text) was accepted")
    } catch {
      #expect("\(error)".contains(sentence), "\(error)")
    }
  }

  @Test(arguments: [
    (["--port", "65536"], "The option --port must be from 0 to 65535, but it is 65536."),
    (["--parallel", "0"], "The option --parallel must be from 1 to 4096, but it is 0."),
    (
      ["--max-body", "much"],
      "The option --max-body must look like 8GiB, 500M or a number of bytes, but it is \"much\"."
    ),
    (
      ["--tls-cert", "c.pem"],
      "The option --tls-cert must look like a file with --tls-key beside it, but it is \"it alone\"."
    ),
    (["--log-format", "xml"], "The option --log-format must look like text or json, but it is \"xml\"."),
    (
      ["--reasoning-format", "some"],
      "The option --reasoning-format must look like none, auto or deepseek, but it is \"some\"."
    ),
    (["--pooling", "max"], "The option --pooling must look like mean, last or cls, but it is \"max\"."),
  ]) func wrongFlagsAreSentences(flags: [String], sentence: String) throws {
    let error = #expect(throws: OptionError.self) { try settings(flags) }
    #expect(error?.description == sentence)
  }

  @Test func keysOfAFile() throws {
    let folder = try TemporaryFolder()
    let file = try folder.write("keys", "# ours\none\n\n  two  \n")
    #expect(try settings(["--api-key-file", file, "--api-key", "three"]).options.apiKeys == ["three", "one", "two"])
    let empty = try folder.write("empty", "# none\n")
    #expect(throws: OptionError.self) { try settings(["--api-key-file", empty]) }
  }

  @Test func aFolderOfModelsNeedsNoModel() throws {
    let command = try Serve.parse(["--models-dir", "/models", "--models-memory", "2GiB", "--cache-memory", "64MiB"])
    let settings = try command.resolve(Environment([:]))
    #expect(settings.modelsFolder == "/models" && !settings.hasMainModel && settings.options.modelByteLimit == 2 << 30)
    #expect(settings.model.cacheByteLimit == 64 << 20)
  }

  @Test func linesOfTheLog() throws {
    let moment = Date(timeIntervalSince1970: 1_000_000_000.25)
    let text = LineLogHandler(format: .text, logLevel: .info)
    #expect(
      text.line(.info, "request", ["path": "/a b\"\n", "status": "200", "hb.request.id": "7"], at: moment)
        == #"2001-09-09T01:46:40.250Z info request path="/a b\"\n" status=200"#)
    let json = LineLogHandler(format: .json, logLevel: .info).line(.error, "a\nb", ["path": "/x"], at: moment)
    #expect(json == #"{"level":"error","message":"a\nb","path":"/x","time":"2001-09-09T01:46:40.250Z"}"#)
  }

  /// The process itself: it says where it listens, and a signal ends it in order.
  @Test(.timeLimit(.minutes(5))) func theProgramServesAndStops() async throws {
    let files = try ExampleFiles.shared.get()
    let folder = try TemporaryFolder()
    let process = Process()
    process.executableURL = Executable.url
    process.arguments = ["serve", "-m", files.folder.file("model.gguf"), "--port", "0", "--log-format", "json"]
    process.standardInput = FileHandle.nullDevice
    try folder.write("error", "")
    process.standardError = FileHandle(forWritingAtPath: folder.file("error"))
    let end = AsyncStream<Int32>.makeStream()
    process.terminationHandler = { end.continuation.yield($0.terminationStatus) }
    try process.run()
    func log() throws -> String { String(decoding: try folder.read("error"), as: UTF8.self) }
    while !(try log().contains("\"message\":\"ready\"")), process.isRunning {
      try await Task.sleep(for: .milliseconds(20))
    }
    #expect(try log().contains("Listening on http://127.0.0.1:"))
    process.terminate()
    var statuses = end.stream.makeAsyncIterator()
    #expect(await statuses.next() == 0)
    // What cannot be served ends with a sentence.
    let failed = try await Executable.run(["serve", "-m", files.folder.file("noise.gguf"), "--port", "0"])
    #expect(failed.status == 1 && failed.error.contains("Error: "))
  }
}

/// `powerinfer serve --open`, with a browser of the test's own. The limit on time is for hangs.
@Suite(.timeLimit(.minutes(5))) struct OpenCommandTests {
  /// - Parameters:
  ///   - script: stands in the place of the system's program that opens addresses.
  ///   - isDone: a command that succeeds once the server may end.
  ///   - folder: where the script is, and may write; the server's messages go to its file `messages`.
  private func serve(
    _ script: String, until isDone: String, in folder: TemporaryFolder
  ) async throws -> Executable.Outcome {
    let files = try ExampleFiles.shared.get()
    for name in ["xdg-open", "open"] {
      let path = try folder.write(name, "#!/bin/sh\n\(script)\n")
      try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
    }
    // Nothing that the script starts may outlive it: Foundation on Linux notices the end of a program only once its children have ended.
    let commands = """
      "$0" "$@" 2>'\(folder.file("messages"))' & server=$!
      n=0; until \(isDone) || [ $n = 1200 ]; do n=$((n + 1)); sleep 0.1; done
      kill -TERM $server; wait $server
      """
    return try await Executable.run(
      [
        "-c", commands, Executable.url.path, "serve", "-m", files.folder.file("model.gguf"), "--port", "0", "--open",
        "--log-level", "error",
      ], program: URL(fileURLWithPath: "/bin/sh"), environment: ["PATH": "\(folder.file("")):/usr/bin:/bin"])
  }

  @Test func theBrowserGetsThePagesAddress() async throws {
    let folder = try TemporaryFolder()
    let seen = folder.file("seen")
    let script = "echo \"$1\" >'\(seen).new'; mv '\(seen).new' '\(seen)'"
    let outcome = try await serve(script, until: "[ -e '\(seen)' ]", in: folder)
    let messages = String(decoding: try folder.read("messages"), as: UTF8.self)
    let address = try #require(messages.firstMatch(of: /Listening on (http:\/\/127\.0\.0\.1:\d+)\n/)).output.1
    #expect(outcome.status == 0 && !messages.contains("No browser"))
    #expect(String(decoding: try folder.read("seen"), as: UTF8.self) == "\(address)/\n")
  }

  @Test func aBrowserThatDoesNotOpenIsSaid() async throws {
    let folder = try TemporaryFolder()
    let isSaid = "grep -q 'The page is at' '\(folder.file("messages"))'"
    let outcome = try await serve("exit 3", until: isSaid, in: folder)
    let messages = String(decoding: try folder.read("messages"), as: UTF8.self)
    #expect(outcome.status == 0)
    #expect(
      messages.contains("No browser was opened: xdg-open ended with status 3. The page is at http://127.0.0.1:")
        || messages.contains("No browser was opened: open ended with status 3. The page is at http://127.0.0.1:"))
  }

  @Test func allOfAMachinesAddressesAreNotOneToGoTo() {
    var settings = ServerSettings()
    for (host, address) in [
      ("0.0.0.0", "http://127.0.0.1:8080/"), ("::", "http://[::1]:8080/"), ("fd00::1", "http://[fd00::1]:8080/"),
      ("localhost", "http://localhost:8080/"),
    ] {
      settings.options.host = host
      #expect(settings.pageAddress(8080) == address)
    }
  }
}

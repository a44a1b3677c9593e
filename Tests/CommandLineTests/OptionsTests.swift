import ArgumentParser
import Foundation
import PowerInfer
import PowerInferGGUF
import PowerInferModel
import PowerInferTestKit
import Testing

@testable import PowerInferCommandLine

@Suite struct OptionsTests {
  private func sampling(_ arguments: [String], _ variables: [String: String] = [:]) throws -> SamplingOptions {
    try SamplingFlags.parse(arguments).resolve(Environment(variables))
  }

  @Test func withoutFlagsAndVariablesTheDefaultsHold() throws {
    var expected = SamplingOptions()
    expected.repeatPenalty = 1.1
    #expect(try sampling([]) == expected)
    var length = GenerationOptions()
    length.maxTokens = 1024
    #expect(try GenerationFlags.parse([]).resolve(Environment([:]), ignoreEnd: false) == length)
  }

  @Test func flagsCarryLlamaCppsNames() throws {
    let options = try sampling([
      "--temp", "0.5", "--top-k", "-1", "--top-p", "0.9", "--min-p", "0.1", "--typical", "0.8", "--repeat-penalty",
      "1.1",
      "--repeat-last-n", "-1", "--frequency-penalty", "-0.5", "--presence-penalty", "0.25", "-s", "42",
      "--logit-bias", "15043+1.5", "--logit-bias", "7-inf",
    ])
    var expected = SamplingOptions()
    expected.temperature = 0.5
    expected.topK = -1
    expected.topP = 0.9
    expected.minP = 0.1
    expected.typicalP = 0.8
    expected.repeatPenalty = 1.1
    expected.repeatLastN = -1
    expected.frequencyPenalty = -0.5
    expected.presencePenalty = 0.25
    expected.seed = 42
    expected.logitBias = [15043: 1.5, 7: -.infinity]
    #expect(options == expected)
    #expect(try sampling(["--temperature", "-1"]).temperature == -1)
    #expect(try sampling(["--seed", "-1"]).seed == nil)
  }

  @Test func aFlagWinsOverItsVariableAndThatOverTheDefault() throws {
    let variables = [
      "POWERINFER_TEMP": "0.3", "POWERINFER_TOP_K": "7", "POWERINFER_SEED": "9", "POWERINFER_MIN_P": "",
      "POWERINFER_REPEAT_LAST_N": "5",
    ]
    let options = try sampling(["--top-k", "8"], variables)
    #expect(options.temperature == 0.3 && options.topK == 8 && options.seed == 9 && options.minP == 0.05)
    #expect(options.repeatLastN == 5)
    let generation = try GenerationFlags.parse([]).resolve(Environment(["POWERINFER_PREDICT": "12"]), ignoreEnd: true)
    #expect(generation.maxTokens == 12 && generation.ignoreEndOfGeneration)
  }

  @Test func aBadVariableIsNamed() {
    func message(_ name: String, _ value: String) -> String? {
      do {
        _ = try sampling([], [name: value])
        return nil
      } catch {
        return "\(error)"
      }
    }
    #expect(
      message("POWERINFER_TEMP", "hot")
        == "The environment variable POWERINFER_TEMP must be a number, but it is \"hot\".")
    #expect(
      message("POWERINFER_TOP_K", "1.5")
        == "The environment variable POWERINFER_TOP_K must be a whole number, but it is \"1.5\".")
    #expect(
      message("POWERINFER_TOP_P", "-1") == "The sampling option top-p must be between 0 and 1, but it is -1.0.")
    #expect(message("POWERINFER_SEED", "-2") == "The option --seed must be -1 (random), 0 or more, but it is -2.")
  }

  @Test(arguments: ["15043", "+1", "a+1", "15043+", "15043+x", "15043+inf", "15043-nan", "99999999999+1", "1 +1"])
  func aMalformedBiasIsASentence(text: String) {
    let error = #expect(throws: OptionError.self) { try sampling(["--logit-bias", text]) }
    #expect(
      error?.description
        == "The option --logit-bias must look like 15043+1, 15043-1 or 15043-inf, but it is \"\(text)\".")
  }

  @Test func lengthAndStops() throws {
    let options = try GenerationFlags.parse([
      "-n", "5", "--stop", #"\n\n"#, "--reverse-prompt", "User:", "-e", "--context-shift", "--keep", "3",
    ]).resolve(Environment([:]), ignoreEnd: false)
    #expect(options.maxTokens == 5 && options.stopStrings == ["\n\n", "User:"])
    #expect(options.contextPolicy == .slide(keep: 3))
    for flags in [["-n", "-1"], ["--predict", "-1"], ["--n-predict", "-1"]] {
      #expect(try GenerationFlags.parse(flags).resolve(Environment([:]), ignoreEnd: false).maxTokens == nil)
    }
    // Until the context is full, whatever else is said.
    let full = try GenerationFlags.parse(["-n", "-2", "--context-shift", "-r", "x", "--no-escape"])
      .resolve(Environment([:]), ignoreEnd: false)
    #expect(full.maxTokens == nil && full.contextPolicy == .stop && full.stopStrings == ["x"])
    let whole = try GenerationFlags.parse(["--context-shift", "--keep", "-1"]).resolve(
      Environment([:]), ignoreEnd: false)
    #expect(whole.contextPolicy == .slide(keep: -1))
    let error = #expect(throws: OptionError.self) {
      try GenerationFlags.parse(["-n", "-3"]).resolve(Environment([:]), ignoreEnd: false)
    }
    #expect(
      error?.description
        == "The option --predict must be -1 (no limit), -2 (until the context is full), 0 or more, but it is -3.")
    #expect(throws: GenerationError.emptyStopString) {
      try GenerationFlags.parse(["--stop", ""]).resolve(Environment([:]), ignoreEnd: false)
    }
  }

  @Test(arguments: [
    (#"a\nb\tc\\n"#, "a\nb\tc\\n"), (#"\x41\x4"#, #"A\x4"#), (#"\q\"#, #"\q\"#), (#"\"\'"#, "\"'"),
    (#"\xff"#, #"\xff"#),
    ("é\\r", "é\r"),
  ]) func escapesAreRead(text: String, meaning: String) {
    #expect(Escapes.interpret(text) == meaning)
  }

  @Test func modelOptions() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("a.gguf", "")
    let none = try ModelOptions.parse(["-m", path]).resolve(Environment([:]))
    #expect(none == .init(path: path, threads: nil, contextSize: .automatic, batchSize: nil))
    let all = try ModelOptions.parse(["--model", path, "-t", "3", "-c", "0", "-b", "64"])
      .resolve(Environment(["POWERINFER_THREADS": "9"]))
    #expect(all == .init(path: path, threads: 3, contextSize: .full, batchSize: 64))
    let variables = try ModelOptions.parse(["-m", path])
      .resolve(Environment(["POWERINFER_THREADS": "9", "POWERINFER_CTX_SIZE": "100"]))
    #expect(variables.threads == 9 && variables.contextSize == .tokens(100))
    #expect(none.cache == .init(keys: .f16, values: .f16))
    let cache = try ModelOptions.parse(["-m", path, "-ctk", "q8_0", "--cache-type-v", "f16"])
      .resolve(Environment(["POWERINFER_CACHE_TYPE_K": "f16", "POWERINFER_CACHE_TYPE_V": "q8_0"])).cache
    #expect(cache == .init(keys: .q8_0, values: .f16))
    #expect(try CacheOptions.parse(["-ctv", "q8_0"]).resolve(Environment([:])) == .init(keys: .f16, values: .q8_0))
    #expect(throws: (any Error).self) { try CacheOptions.parse(["-ctk", "q4_0"]) }
    let wrong = #expect(throws: EnvironmentError.self) {
      try CacheOptions.parse([]).resolve(Environment(["POWERINFER_CACHE_TYPE_V": "f32"]))
    }
    #expect(
      wrong?.description
        == "The environment variable POWERINFER_CACHE_TYPE_V must be f16 or q8_0, but it is \"f32\".")
    for (flags, sentence) in [
      (["-t", "513"], "The option --threads must be from 1 to 512, but it is 513."),
      (["-c", "-5"], "The option --ctx-size must be from 0 to 16777216, but it is -5."),
      (["-b", "0"], "The option --batch-size must be 1 or more, but it is 0."),
    ] {
      let error = #expect(throws: OptionError.self) { try ModelOptions.parse(flags).resolve(Environment([:])) }
      #expect(error?.description == sentence)
    }
  }

  /// What llama.cpp takes and means.
  @Test func habitsOfLlamaCpp() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("a.gguf", "")
    for threads in ["0", "-1"] {
      #expect(try ModelOptions.parse(["-m", path, "-t", threads]).resolve(Environment([:])).threads == nil)
    }
    #expect(try ModelOptions.parse(["-m", path, "-b", "8192"]).resolve(Environment([:])).batchSize == 4096)
    let options = try sampling(["--temp", "-1", "--top-p", "1.1", "--top-k", "-1", "--min-p", "-1", "--typical", "2"])
    #expect(options.topP == 1 && options.minP == 0 && options.typicalP == 1)
    let run = try Run.parse(["-sys", "Be brief.", "-r", "x", "Hi"])
    #expect(run.system == "Be brief." && run.generationFlags.stop == ["x"])
    #expect(try Run.parse(["-no-cnv", "Hi"]).raw)
    #expect(try Run.parse(["Hi"]).parseSpecial == nil && Run.parse(["--no-parse-special", "Hi"]).parseSpecial == false)
    let overrides = try ModelOptions.parse([
      "-m", path, "--override-kv", "tokenizer.ggml.eos_token_id=int:2", "--override-kv", "a=str:b=c:d",
    ]).resolve(Environment([:])).overrides
    #expect(
      try overrides == [
        MetadataOverride("tokenizer.ggml.eos_token_id=int:2"), MetadataOverride("a=str:b=c:d"),
      ])
  }

  /// As llama.cpp reads it.
  @Test func layersOnTheGPUAreANumberOrAWord() throws {
    func layers(_ text: String) throws -> Int? {
      try GPUFlag.parse(["-ngl", text]).resolveHybrid(Environment([:])).layers
    }
    #expect(try layers("0") == 0 && layers("7") == 7 && layers("99") == 99)
    #expect(try layers("auto") == nil && layers("-1") == nil)
    let all = try #require(try layers("all"))
    #expect(try all == layers("-2") && all > 1_000_000)
    for text in ["some", "", "1.5", "99999999999"] { #expect(throws: (any Error).self) { try layers(text) } }
    let variable = Environment(["POWERINFER_N_GPU_LAYERS": "all"])
    #expect(try GPUFlag.parse([]).resolveHybrid(variable).layers == all)
  }

  @Test func noShareOfTheMemoryIsNoGPU() throws {
    func budget(_ text: String) throws -> String {
      try "\(GPUFlag.parse(["--vram-budget", text]).resolveHybrid(Environment([:])).budget)"
    }
    #expect(try budget("0%") == budget("0") && budget("0") == "bytes(0)")
    #expect(try budget("50%") == "share(0.5)" && budget("0.5GiB") == "bytes(536870912)")
  }

  @Test func aBlankVariableNamesNoGPU() throws {
    #expect(try "\(GPUFlag.parse([]).resolve(Environment(["POWERINFER_GPU": ""])))" == "auto")
    let expected = "auto, none, a number or a part of a GPU's name"
    #expect(throws: EnvironmentError(variable: "POWERINFER_GPU", expected: expected, found: " ")) {
      try GPUFlag.parse([]).resolve(Environment(["POWERINFER_GPU": " "]))
    }
  }

  @Test func everyForeignFlagHasItsSentence() {
    let message = "Error: Unknown option '-ub'. Did you mean '-b'?\nUsage: powerinfer run"
    #expect(ForeignFlags.unknown(in: message) == "-ub")
    #expect(
      ForeignFlags.sentence("-ub")
        == "The option -ub of llama.cpp or PowerInfer is not here: --batch-size is the number of tokens computed at once."
    )
    #expect(ForeignFlags.sentence("--mirostat=2")?.hasPrefix("The option --mirostat of ") == true)
    #expect(ForeignFlags.sentence("--dance") == nil && ForeignFlags.unknown(in: "Missing value for '-c'") == nil)
    for (flag, reason) in ForeignFlags.reasons { #expect(flag.hasPrefix("-") && !reason.hasSuffix("."), "\(flag)") }
  }

  /// `docs/flags.md` says the same of the flags that are not here as the program.
  @Test func theListOfFlagsIsComplete() throws {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let text = try String(contentsOf: root.appending(path: "docs/flags.md"), encoding: .utf8)
    for flag in ForeignFlags.reasons.keys { #expect(text.contains("`\(flag)`"), "\(flag)") }
  }

  @Test func templatesAreGivenByNameTextOrFile() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("t.jinja", "{{ messages }}")
    let none = Environment([:])
    #expect(try TemplateFlags.parse([]).resolve(none) == nil)
    #expect(
      try TemplateFlags.parse(["--jinja", "--chat-template", "chatml"]).resolve(none) == ChatTemplate.builtIn("chatml"))
    #expect(try TemplateFlags.parse(["--chat-template", "{{ x }}"]).resolve(none) == "{{ x }}")
    #expect(try TemplateFlags.parse(["--chat-template-file", path]).resolve(none) == "{{ messages }}")
    #expect(
      try TemplateFlags.parse([]).resolve(Environment(["POWERINFER_CHAT_TEMPLATE": "gemma"]))
        == ChatTemplate.builtIn("gemma"))
    #expect(
      try TemplateFlags.parse([]).resolve(Environment(["POWERINFER_CHAT_TEMPLATE_FILE": path])) == "{{ messages }}")
    #expect(throws: ChatTemplateError.self) { try TemplateFlags.parse(["--chat-template", "chatlm"]).resolve(none) }
  }

  @Test func runTakesItsPromptOnce() throws {
    #expect(try Run.parse(["Why?"]).promptOptions.positional == "Why?")
    #expect(try Run.parse(["-p", "-1 + 1?", "--raw", "--json", "-q"]).promptOptions.prompt == "-1 + 1?")
    for (arguments, sentence) in [
      (["a", "-p", "b"], "Give the text once: as an argument, with --prompt or with --file."),
      (["a", "--json", "--json-lines"], "Give either --json or --json-lines, not both."),
      (
        ["a", "--raw", "--system", "s"],
        "A system prompt (--system) needs the chat template, but --raw goes without."
      ),
    ] {
      do {
        _ = try Run.parse(arguments)
        Issue.record("\(arguments) was accepted")
      } catch {
        #expect(Run.message(for: error) == sentence)
        #expect(Run.exitCode(for: error).rawValue == 64)
      }
    }
  }

  @Test func logitsTakesOneInput() throws {
    #expect(try Logits.parse(["--tokens", "1,2, 3"]).tokens == "1,2, 3")
    #expect(try Logits.parse(Array("1, 2\n3".split(separator: "x").map { "--tokens=\($0)" })).top == 10)
    #expect(throws: (any Error).self) { try Logits.parse([]) }
    #expect(throws: (any Error).self) { try Logits.parse(["-p", "a", "--tokens", "1"]) }
    do {
      _ = try Logits.parse(["--tokens", "1,x"])
      Issue.record("a token x was accepted")
    } catch {
      #expect(Logits.message(for: error) == "\"x\" is no token id; expected numbers such as 504,3575,282.")
    }
  }

  @Test func benchTakesListsOfNumbers() throws {
    let bench = try Bench.parse(["-p", "512,1024", "-n", "0", "-r", "2", "-t", "1,2", "-o", "json"])
    #expect(bench.promptTokens.numbers == [512, 1024] && bench.decodeTokens.numbers == [0])
    #expect(bench.threads?.numbers == [1, 2] && bench.output == .json)
    #expect(bench.depths.numbers == [0])
    #expect(try Bench.parse(["-d", "0,4096"]).depths.numbers == [0, 4096])
    for text in ["", "1,", "x", "1,-2"] { #expect(NumberList(argument: text) == nil) }
    #expect(throws: (any Error).self) { try Bench.parse(["-r", "0"]) }
  }

  @Test func theRootKnowsItsVersionAndCommands() {
    #expect(PowerInfer.configuration.version == "0.1.0")
    #expect(throws: (any Error).self) { try PowerInfer.parseAsRoot(["dance"]) }
    for command in PowerInfer.configuration.subcommands {
      #expect(command.configuration.discussion.contains("Examples:"), "\(command)")
    }
  }
}

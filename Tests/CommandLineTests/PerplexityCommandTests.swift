import Foundation
import PowerInferTestKit
import Testing

/// `powerinfer perplexity` as a person at a shell has it.
@Suite(.serialized) struct PerplexityCommandTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// Runs it in which `@name` is an example file and `%name` one of this test's folder.
  private func run(
    _ arguments: String, input: String = "", variables: [String: String] = [:]
  ) async throws -> Executable.Outcome {
    let examples = try ExampleFiles.shared.get().folder.path
    let words = arguments.split(separator: " ").map {
      String($0).replacing("@", with: examples + "/").replacing("%", with: folder.path + "/")
    }
    return try await Executable.run(["perplexity"] + words, input: Array(input.utf8), environment: variables)
  }

  private func json(_ outcome: Executable.Outcome) throws -> [String: Any] {
    #expect(outcome.status == 0 && outcome.error == "", "\(outcome.error)")
    return try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
  }

  private func result(_ arguments: String, variables: [String: String] = [:]) async throws -> NSDictionary {
    try #require(json(await run(arguments + " --json", variables: variables))["result"] as? NSDictionary)
  }

  @Test func theResultStandsOnStandardOutputAlone() async throws {
    let outcome = try await run("-m @model.gguf -f @text.txt -c 16 --chunks 3")
    #expect(outcome.status == 0)
    let figure = #/perplexity {19}\d+\.\d{4} ± \d+\.\d{4}\n/#
    #expect(outcome.output.wholeMatch(of: figure) != nil, "\(outcome.output)")
    let lines = outcome.error.split(separator: "\n")
    #expect(lines.count == 6 && lines.first == "3 chunks of 16 tokens, 7 of them scored")
    #expect(lines.last?.wholeMatch(of: #/48 tokens in \d+\.\d s at \d+\.\d tok\/s, 21 scored/#) != nil)
    // The last running value is the result.
    let value = outcome.output.split(separator: " ").dropFirst().joined(separator: " ").trimmingCharacters(
      in: .newlines)
    #expect(lines.dropLast().last?.hasSuffix(value) == true)

    let quiet = try await run("-m @model.gguf -f @text.txt -c 16 --chunks 3 -q")
    #expect(quiet.output == outcome.output && quiet.error == "")
  }

  @Test func theModelAndTheTextComeFromAnywhere() async throws {
    let examples = try ExampleFiles.shared.get().folder
    let expected = try await run("-m @model.gguf -f @text.txt -c 16 -q").output
    #expect(!expected.isEmpty)
    #expect(try await run("@model.gguf -f @text.txt -c 16 -q").output == expected)
    let variables = ["POWERINFER_MODEL": examples.file("model.gguf"), "POWERINFER_CTX_SIZE": "9"]
    #expect(try await run("-f @text.txt -c 16 -q", variables: variables).output == expected)
    let text = String(decoding: try examples.read("text.txt"), as: UTF8.self)
    #expect(try await run("@model.gguf -f - -c 16 -q", input: text).output == expected)
  }

  @Test func sameFiguresForAnyThreadsAndBatches() async throws {
    let expected = try await result("@no-template.gguf -f @text.txt -c 20 -t 1")
    #expect((expected["scored"] as? Int ?? 0) > 50)
    for options in ["-t 3", "-b 7", "-t 2 -b 1"] {
      #expect(try await result("@no-template.gguf -f @text.txt -c 20 \(options)") == expected)
    }
    let variables = ["POWERINFER_THREADS": "2", "POWERINFER_BATCH_SIZE": "5"]
    #expect(try await result("@no-template.gguf -f @text.txt -c 20", variables: variables) == expected)
  }

  @Test func aReportForMachinesHasEverything() async throws {
    let report = try json(await run("@model.gguf -f @text.txt -c 16 --chunks 4 -t 1 --json"))
    #expect(report["model"] as? String == "model.gguf" && report["contextSize"] as? Int == 16)
    #expect(report["threads"] as? Int == 1 && report["chunksInAll"] as? Int == 4)
    let running = try #require(report["runningPerplexities"] as? [Double])
    let found = try #require(report["result"] as? [String: Any])
    let perplexity = try #require(found["perplexity"] as? [String: Double])
    #expect(running.count == 4 && running.last == perplexity["value"])
    #expect(found["chunks"] as? Int == 4 && found["tokens"] as? Int == 64 && found["scored"] as? Int == 28)
    #expect(found["divergence"] == nil)
  }

  @Test func savedLogitsCompareModels() async throws {
    let saved = try await result("@model.gguf -f @text.txt -c 16 --chunks 5 --save-logits %base")
    #expect(try folder.names() == ["base"])
    // Against itself; the text and its cut come from the file.
    let same = try await result("@model.gguf --kl-with %base")
    #expect(same["perplexity"] as? NSDictionary == saved["perplexity"] as? NSDictionary)
    let own = try #require(same["divergence"] as? [String: Any])
    #expect((own["sameTop"] as? [String: Double])?["value"] == 1)
    #expect((own["ratio"] as? [String: Double])?["value"] == 1)
    #expect(try #require(own["maximum"] as? Double) < 1e-6)

    _ = try await Executable.run([
      "quantize", try ExampleFiles.shared.get().folder.file("model.gguf"), folder.file("q8.gguf"), "q8_0",
    ])
    let other = try await run("%q8.gguf --kl-with %base -f @text.txt -c 16")
    #expect(other.status == 0)
    let titles = [
      "perplexity ", "perplexity of the reference ", "ratio of the two ", "ln of the ratio ", "correlation of ln p ",
      "mean KL divergence ", "  maximum ", "  99.9 % ", "  99 % ", "  95 % ", "  90 % ", "  median ", "mean Δp ",
      "RMS Δp ",
      "same top token ",
    ]
    let lines = other.output.split(separator: "\n")
    #expect(lines.count == titles.count && zip(lines, titles).allSatisfy { $0.hasPrefix($1) }, "\(other.output)")
    #expect(!other.output.contains("nan") && !other.output.contains("inf"))
    let fewer = try await result("%q8.gguf --kl-with %base --chunks 2")
    #expect(fewer["chunks"] as? Int == 2)
    #expect(try #require((fewer["divergence"] as? [String: Any])?["maximum"] as? Double) > 1e-6)
  }

  @Test func savedLogitsOfSomethingElseAreASentence() async throws {
    _ = try await result("@model.gguf -f @text.txt -c 16 --chunks 3 --save-logits %base")
    let base = folder.file("base")
    func failure(_ arguments: String, input: String = "") async throws -> String {
      let outcome = try await run(arguments, input: input)
      #expect(outcome.status == 1 && outcome.output == "")
      return outcome.error
    }
    #expect(
      try await failure("@no-template.gguf --kl-with %base")
        == "Error: \"\(base)\" was saved from a model with a vocabulary of 280 tokens, but this model's has 290.\n")
    #expect(
      try await failure("@model.gguf --kl-with %base -c 17")
        == "Error: \"\(base)\" was saved with a context of 16 tokens, but 17 was asked for.\n")
    let other = try await failure("@model.gguf --kl-with %base -f -", input: String(repeating: "x y ", count: 99))
    #expect(other == "Error: \"\(base)\" was saved from another text: token 0 is not the same.\n")
    try folder.write("base", Array(try folder.read("base").dropLast(9)))
    let cut = try await failure("@model.gguf --kl-with %base")
    #expect(cut.hasPrefix("Error: \"\(base)\" should have ") && cut.hasSuffix("; it was cut off or changed.\n"))
  }

  @Test func aContextBeyondTheModelsIsNoted() async throws {
    let text = String(repeating: "hello world ", count: 200)
    let outcome = try await run("@model.gguf -f - -c 129", input: text)
    #expect(outcome.status == 0)
    #expect(
      outcome.error.hasPrefix("Note: chunks of 129 tokens are longer than the 128 that the model was trained for.\n"))
    #expect(try await run("@model.gguf -f - -c 129 -q", input: text).error == "")
  }

  #if os(Linux)
    /// A limit on the size of files stands in for a disk that is full.
    @Test func savingWithoutRoomLeavesNothing() async throws {
      let examples = try ExampleFiles.shared.get().folder
      let process = Process()
      process.executableURL = URL(filePath: "/bin/sh")
      process.arguments = [
        "-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" perplexity \"$1\" -q -f \"$2\" -c 16 --save-logits \"$3\"",
        Executable.url.path, examples.file("model.gguf"), examples.file("text.txt"), folder.file("base"),
      ]
      let error = Pipe()
      process.standardError = error
      process.standardOutput = FileHandle.nullDevice
      try process.run()
      let text = String(decoding: try error.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
      process.waitUntilExit()
      #expect(process.terminationStatus == 1)
      #expect(text == "Error: \"\(folder.file("base"))\" could not be written: File too large.\n")
      #expect(try folder.names() == [])
    }
  #endif

  private let conversation =
    #"{"messages": [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "the river"}]}"#

  @Test func answersOfConversationsAreScored() async throws {
    try folder.write("chats.jsonl", "\(conversation)\n\(conversation)\n")
    try folder.write("chats.json", "[\(conversation), \(conversation)]")
    let outcome = try await run("@model.gguf --chat -f %chats.jsonl")
    #expect(outcome.status == 0)
    #expect(outcome.output.wholeMatch(of: #/perplexity {19}\d+\.\d{4} ± \d+\.\d{4}\n/#) != nil, "\(outcome.output)")
    #expect(
      outcome.error.contains(#/2 answers of 2 conversations, \d+ tokens scored; \d+ read in/#), "\(outcome.error)")
    #expect(try await run("@model.gguf --chat -f %chats.json -q").output == outcome.output)
    let report = try json(await run("@model.gguf --chat -f %chats.json --json"))
    #expect(report["conversations"] as? Int == 2 && report["answersLeftOut"] as? Int == 0)

    // Another template makes other texts; a model without one needs it.
    let chatML = try await run("@no-template.gguf --chat -f %chats.jsonl -q -c 2000 --chat-template chatml")
    let alpaca = try await run("@no-template.gguf --chat -f %chats.jsonl -q -c 2000 --chat-template alpaca --jinja")
    #expect(chatML.status == 0 && alpaca.status == 0 && chatML.output != alpaca.output)
    let without = try await run("@no-template.gguf --chat -f %chats.jsonl")
    #expect(without.status == 1 && without.error.contains("The model has no chat template"))
  }

  @Test func conversationsThatAreNoneAreASentence() async throws {
    try folder.write("text.jsonl", "{}\n")
    let outcome = try await run("@model.gguf --chat -f %text.jsonl")
    #expect(outcome.status == 1)
    #expect(outcome.error.contains("text.jsonl\" holds no conversations. Conversation 1 has no messages; expected"))
    try folder.write("silent.jsonl", #"[{"role": "user", "content": "hello"}]"#)
    #expect(
      try await run("@model.gguf --chat -f %silent.jsonl").error.contains(
        "The conversations have no message of the role \"assistant\", of which at least one was expected."))
    try folder.write("chats.jsonl", conversation)
    for (options, sentence) in [
      ("--chat", "The option --chat needs conversations: give a file with --file."),
      ("--chat -f %chats.jsonl --compare", "Give either --chat or --compare, not both."),
      ("--chat -f %chats.jsonl --chunks 2", "Give either --chat or --chunks, not both."),
      ("-f %chats.jsonl --chat-template chatml", "The options of the chat template belong to --chat."),
    ] {
      let outcome = try await run("@model.gguf \(options)")
      #expect(outcome.status == 64 && outcome.error.contains(sentence), "\(outcome.error)")
    }
  }
}

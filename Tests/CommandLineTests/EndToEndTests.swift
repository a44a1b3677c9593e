import Foundation
import PowerInferGGUF
import PowerInferTestKit
import PowerInferToolkit
import Testing

/// What a person at a shell sees, for every command: arguments and standard input against exit status and both outputs.
///
/// In arguments and expected texts `@name` is a file of `ExampleFiles`.
@Suite(.serialized) struct EndToEndTests {
  /// A command that fails.
  struct Failure: CustomTestStringConvertible, Sendable {
    var arguments: [String]
    var input: [UInt8] = []
    var variables: [String: String] = [:]
    var status: Int32 = 1
    /// The sentence on standard error.
    var sentence: String

    var testDescription: String { (variables.map { "\($0)=\($1)" } + arguments).joined(separator: " ") }

    /// A failure at run time.
    init(_ arguments: String, input: String = "", _ sentence: String) {
      self.init(arguments, bytes: Array(input.utf8), sentence)
    }

    init(_ arguments: String, bytes: [UInt8], _ sentence: String) {
      self.arguments = arguments.split(separator: " ").map { $0 == "''" ? "" : String($0) }
      input = bytes
      self.sentence = sentence
    }

    /// A mistake in the command line or in a variable.
    static func usage(_ arguments: String, variables: [String: String] = [:], _ sentence: String) -> Failure {
      var failure = Failure(arguments, sentence)
      failure.variables = variables
      failure.status = 64
      return failure
    }
  }

  private func path(_ text: String) throws -> String {
    text.replacing("@", with: try ExampleFiles.shared.get().folder.path + "/")
  }

  private func run(
    _ arguments: [String], input: [UInt8] = [], variables: [String: String] = [:]
  ) async throws -> Executable.Outcome {
    try await Executable.run(try arguments.map(path), input: input, environment: variables)
  }

  @Test(arguments: FailureTable.all) func aFailureIsOneSentence(failure: Failure) async throws {
    let folder = try ExampleFiles.shared.get().folder
    let before = try folder.names()
    let outcome = try await run(failure.arguments, input: failure.input, variables: failure.variables)
    #expect(!outcome.wasSignalled)
    #expect(outcome.status == failure.status)
    #expect(outcome.output == "")
    let lines = outcome.error.split(separator: "\n").map(String.init)
    #expect(lines.first == "Error: " + (try path(failure.sentence)))
    // After a mistake in the command line the parser explains the option and how to use the command.
    let isExplanation = { (line: String) in ["Help: ", "Usage: ", "  "].contains { line.hasPrefix($0) } }
    #expect(lines.dropFirst().allSatisfy { failure.status == 64 && isExplanation($0) })
    #expect(try folder.names() == before)
  }

  @Test(arguments: [
    (["--version"], "", "0.1.0\n"),
    (["tokenize", "-m", "@model.gguf", "--ids", "hello world"], "", "274 276\n"),
    (["tokenize", "-m", "@model.gguf", "--ids", "-p", "hello world"], "", "274 276\n"),
    (["tokenize", "-m", "@model.gguf", "--ids", "-f", "-"], "hello world", "274 276\n"),
    (["tokenize", "-m", "@model.gguf", "--ids"], "hello world", "274 276\n"),
    (["tokenize", "-m", "@model.gguf"], "hello\n", "   274  \"hello\"\n    13  \"\\n\"\n"),
    (["tokenize", "-m", "@model.gguf", "--ids", "--null"], "hello\0hello world\0", "274\n274 276\n"),
    (["tokenize", "-m", "@model.gguf", "--decode", "274, 276"], "", "hello world\n"),
    (["tokenize", "-m", "@model.gguf", "--ids", ""], "", "\n"),
    (
      ["template", "-m", "@model.gguf", "hi"], "",
      "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"
    ),
    (
      ["template", "-m", "@model.gguf", "--messages", "@chat.json", "--no-generation-prompt"], "",
      "<|im_start|>user\nhi<|im_end|>\n"
    ),
    (
      ["template", "--chatml", "-f", "-"], "hi",
      "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"
    ),
  ]) func anOutputIsExact(arguments: [String], input: String, output: String) async throws {
    let outcome = try await run(arguments, input: Array(input.utf8))
    #expect(outcome.output == output)
    #expect(outcome.error == "")
    #expect(outcome.status == 0)
  }

  @Test(arguments: [
    ["tokenize", "-m", "@model.gguf", "--json", "hello 😀"],
    ["inspect", "--json", "@model.gguf"],
    ["inspect", "--json", "--full", "-m", "@sparse.gguf"],
    ["logits", "-m", "@model.gguf", "--tokens", "1,2,3", "--top", "20", "--json"],
    ["logits", "-m", "@sparse.gguf", "--all", "--json", "hello"],
    ["bench", "-m", "@model.gguf", "-p", "3", "-n", "2", "-r", "1", "-t", "1", "--profile", "--json"],
    ["bench", "-m", "@model.gguf", "-p", "3", "-n", "2", "-r", "1", "-t", "2", "--bandwidth", "7.5", "-o", "json"],
    ["run", "-m", "@model.gguf", "--json", "--ignore-eos", "-n", "3", "hello"],
    ["run", "-m", "@sparse.gguf", "--json", "--raw", "-n", "0", "hello"],
    ["template", "-m", "@model.gguf", "--batch", "@number-list.json"],
  ]) func anOutputForMachinesIsJSON(arguments: [String]) async throws {
    let folder = try ExampleFiles.shared.get().folder
    if arguments.contains("@number-list.json") { try folder.write("number-list.json", "[1]") }
    let outcome = try await run(arguments)
    #expect(outcome.status == 0)
    #expect(outcome.error == "")
    #expect(throws: Never.self) { try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) }
  }

  @Test func anAnswerInPiecesIsALineOfJSONEach() async throws {
    let outcome = try await run(
      ["run", "-m", "@model.gguf", "--json-lines", "--ignore-eos", "-n", "5", "--temp", "0", "hello"])
    #expect(outcome.status == 0)
    let objects = try outcome.output.split(separator: "\n").map {
      try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
    }
    let pieces = objects.dropLast().compactMap { $0["piece"] as? String }
    #expect(pieces.count == objects.count - 1)
    #expect(objects.last?["text"] as? String == pieces.joined())
    #expect((objects.last?["tokens"] as? [Int])?.count == 5)
  }

  @Test func theSamePromptGivesTheSameAnswerFromEverySource() async throws {
    let options = ["run", "-m", "@model.gguf", "-q", "--ignore-eos", "-n", "6", "--temp", "0"]
    let answer = try await run(options + ["hello world"])
    #expect(answer.status == 0 && !answer.output.isEmpty && answer.error == "")
    for (source, input) in [
      (["-p", "hello world"], ""), (["-f", "@hello.txt"], ""), (["-f", "-"], "hello world\n"), ([], "hello world"),
    ] {
      #expect(try await run(options + source, input: Array(input.utf8)).output == answer.output, "\(source)")
    }
  }

  @Test func statisticsAndNotesStandOnStandardError() async throws {
    let outcome = try await run(["run", "-m", "@no-template.gguf", "--ignore-eos", "-n", "2", "hello"])
    #expect(outcome.status == 0)
    #expect(outcome.error.hasPrefix("Note: no-template.gguf has no chat template;"))
    #expect(outcome.error.contains("| ended at the limit of --predict\n"))
    #expect(!outcome.error.contains("\u{1B}") && !outcome.output.contains("\u{1B}"))
  }

  @Test func quantizeWritesAModelThatRuns() async throws {
    let folder = try TemporaryFolder()
    let path = folder.file("q8.gguf")
    let outcome = try await run(["quantize", "@model.gguf", path, "q8_0", "--json"])
    #expect(outcome.status == 0)
    let report = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any]
    #expect((report?["tensors"] as? [Any])?.isEmpty == false)
    #expect(try folder.names() == ["q8.gguf"])
    let answer = try await run(["run", "-m", path, "-n", "2", "--json", "hello"])
    #expect(answer.status == 0)
  }

  @Test func quantizeTakesImportanceAndTexts() async throws {
    let folder = try TemporaryFolder()
    let matrix = folder.file("m.imatrix.gguf")
    let made = try await run(["imatrix", "@model.gguf", "-f", "@text.txt", "-f", "@text.txt", "-c", "16", "-o", matrix])
    #expect(made.status == 0 && made.error == "", "\(made.error)")
    let line = #/.*m\.imatrix\.gguf: 14 tensors, \d+ chunks of 16 tokens, \d+\.\d seconds\n/#
    #expect(made.output.wholeMatch(of: line) != nil, "\(made.output)")
    // Beside the model where nothing else is said.
    let json = try await run([
      "imatrix", "@sparse.gguf", "-f", "@text.txt", "-c", "16", "--json", "-o", folder.file("s"),
    ])
    let report = try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any]
    #expect(report?["tensors"] as? Int == 14 && report?["contextSize"] as? Int == 16)

    let plain = folder.file("plain.gguf")
    #expect(try await run(["quantize", "@model.gguf", plain, "q4_0"]).status == 0)
    for (name, arguments) in [
      ("i.gguf", ["--imatrix", matrix]), ("c.gguf", ["--compensate", "@text.txt", "-c", "16", "--chunks", "9"]),
    ] {
      let path = folder.file(name)
      let outcome = try await run(["quantize", "@model.gguf", path, "q4_0"] + arguments)
      #expect(outcome.status == 0, "\(outcome.error)")
      #expect(try folder.read(name) != folder.read("plain.gguf"))
      #expect(try await run(["run", "-m", path, "-q", "-n", "2", "--ignore-eos", "hello"]).status == 0)
      let again = folder.file("again.gguf")
      #expect(try await run(["quantize", "@model.gguf", again, "q4_0", "-t", "1"] + arguments).status == 0)
      #expect(try folder.read("again.gguf") == folder.read(name))
    }
    let steps = try History.steps(of: GGUFFile(opening: folder.file("c.gguf")).metadata)
    #expect(steps.count == 1)
    #expect(
      steps.first?.wholeMatch(
        of: #/quantize Q4_0, errors compensated on 9 chunks of 16 tokens of text\.txt sha256 [0-9a-f]{8}…/#) != nil,
      "\(steps)")
    let dry = try await run(["quantize", "@model.gguf", folder.file("dry.gguf"), "q4_K_M", "--dry-run"])
    #expect(dry.status == 0 && dry.output.contains("dry.gguf (not written): "))
    #expect(try !folder.names().contains("dry.gguf"))
  }

  @Test(arguments: ["bamboo", "falcon", "opt"])
  func everyFamilyIsShownQuantizedAndRun(family: String) async throws {
    let shown = try await run(["inspect", "@\(family).gguf"])
    #expect(shown.status == 0 && shown.output.contains(family) && shown.output.contains("blk.1.fc2.weight"))
    let folder = try TemporaryFolder()
    let path = folder.file("q4.gguf")
    #expect(try await run(["quantize", "@\(family).gguf", path, "q4_0", "--json"]).status == 0)
    let options = ["-q", "--ignore-eos", "-n", "6", "--temp", "0", "hello"]
    for model in ["@\(family).gguf", path] {
      let answer = try await run(["run", "-m", model] + options)
      #expect(answer.status == 0 && !answer.output.isEmpty && answer.error == "")
      #expect(try await run(["run", "-m", model, "-t", "1"] + options).output == answer.output)
    }
  }

  @Test(arguments: [
    ["--help"], ["help", "run"], ["run", "--help"], ["quantize", "-h"], ["calibrate", "-h"], ["profile", "-h"],
    ["convert", "-h"], [],
  ])
  func helpHasExamples(arguments: [String]) async throws {
    let outcome = try await run(arguments)
    #expect(outcome.status == 0 && outcome.error == "")
    #expect(outcome.output.contains("Examples:\n") && outcome.output.contains("USAGE: powerinfer"))
  }

  @Test func anUnknownInstructionSetIsNamedWithItsVariable() async throws {
    let arguments = ["tokenize", "-m", "@model.gguf", "hello"]
    let outcome = try await run(arguments, variables: ["POWERINFER_ISA": "mmx"])
    #expect(outcome.status == 64 && outcome.output == "")
    let start = "Error: The environment variable POWERINFER_ISA must be an instruction set of this processor (portable"
    #expect(outcome.error.hasPrefix(start) && outcome.error.hasSuffix("), but it is \"mmx\".\n"))
    #expect(try await run(arguments, variables: ["POWERINFER_ISA": "portable"]).status == 0)
    #expect(try await run(["--help"], variables: ["POWERINFER_ISA": "mmx"]).status == 0)
  }

  @Test func memoryNodesAreSpreadOverOrNot() async throws {
    let arguments = ["tokenize", "-m", "@model.gguf", "hello"]
    for choice in ["off", "distribute"] {
      #expect(try await run(arguments, variables: ["POWERINFER_NUMA": choice]).status == 0)
    }
    let outcome = try await run(arguments, variables: ["POWERINFER_NUMA": "isolate"])
    let expected = "Error: The environment variable POWERINFER_NUMA must be off or distribute, but it is \"isolate\".\n"
    #expect(outcome.status == 64 && outcome.output == "" && outcome.error == expected)
  }

  @Test func aReaderThatLeavesIsNoError() async throws {
    for arguments in [
      ["inspect", "@model.gguf"], ["tokenize", "-m", "@model.gguf", "hello"], ["template", "-m", "@model.gguf", "hi"],
      ["run", "-m", "@model.gguf", "-q", "--ignore-eos", "-n", "3", "hi"], ["logits", "-m", "@model.gguf", "hi"],
    ] {
      let pipe = Pipe()
      try pipe.fileHandleForReading.close()
      let outcome = try await Executable.run(try arguments.map(path), output: pipe.fileHandleForWriting)
      #expect(outcome.status == 0 && !outcome.wasSignalled && outcome.error == "", "\(arguments)")
    }
  }

  #if os(Linux)
    @Test func aFullDiskIsASentence() async throws {
      let full = try #require(FileHandle(forWritingAtPath: "/dev/full"))
      let outcome = try await Executable.run([try path("inspect"), try path("@model.gguf")], output: full)
      #expect(outcome.status == 1)
      #expect(outcome.error == "Error: Standard output could not be written: No space left on device.\n")
    }
  #endif
}

import ArgumentParser
import PowerInferPlatform

/// A text to work on: given on the command line or read from a file.
struct PromptOptions: ParsableArguments {
  @Argument(help: ArgumentHelp("The prompt, or text.", valueName: "prompt"))
  var positional: String?

  @Option(name: [.customShort("p"), .long], parsing: .unconditional, help: "The same, as llama.cpp has it.")
  var prompt: String?

  @Option(
    name: [.customShort("f"), .long], help: "Read it from a file; - is standard input.", completion: .file())
  var file: String?

  func validate() throws {
    if [positional, prompt, file].count(where: { $0 != nil }) > 1 {
      throw ValidationError("Give the text once: as an argument, with --prompt or with --file.")
    }
  }

  /// The text as an argument; bytes that are no part of a character are U+FFFD in it.
  var given: String? { (positional ?? prompt)?.withoutSystemBytes }

  var isGiven: Bool { given != nil || file != nil }

  /// The text; nil where there is none.
  ///
  /// - Throws: as ``InputFile/text(_:)``.
  func text() throws -> String? {
    try given ?? file.map(InputFile.text)
  }
}

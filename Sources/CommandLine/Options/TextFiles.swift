import ArgumentParser
import Foundation

/// Texts that are run through a model one after the other.
struct TextFiles: ParsableArguments {
  @Option(
    name: [.customShort("f"), .long], parsing: .upToNextOption,
    help: ArgumentHelp("The text: files in UTF-8, read one after the other; - is standard input.", valueName: "file"),
    completion: .file())
  var file: [String]

  /// What the texts are called in results: their files, without folders.
  var name: String {
    file.map { $0 == InputFile.standardInput ? "standard input" : URL(filePath: $0).lastPathComponent }
      .joined(separator: ", ")
  }
}

import ArgumentParser
import PowerInfer
import PowerInferModel

/// The text of `bench --compare`, of which little is read unless more is asked for.
struct BenchTextOptions: ParsableArguments {
  @Option(
    name: [.customShort("f"), .long], help: "The text, a file in UTF-8; - is standard input.", completion: .file())
  var file: String?

  @Option(
    name: [.customShort("c"), .long], parsing: .unconditional,
    help: ArgumentHelp(
      "Tokens of a chunk; 0 for as many as the model was trained for. (default: \(Perplexity.defaultContextSize))",
      valueName: "n"))
  var ctxSize: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Read at most so many chunks. (default: \(Self.defaultChunks))", valueName: "n"))
  var chunks: Int?

  static let defaultChunks = 4

  var chunkLimit: Int { chunks ?? Self.defaultChunks }

  func contextSize(of model: LanguageModel) -> Int {
    let size = ctxSize ?? Perplexity.defaultContextSize
    return size == 0 ? model.configuration.contextLength : size
  }

  /// - Throws: `FileError`, `InputError`.
  func read() throws -> String { try Perplexity.readText(file ?? InputFile.standardInput) }

  /// - Throws: `ValidationError` where there is no text, or numbers are out of range.
  func check() throws {
    if file == nil { throw ValidationError("The option --compare needs a text: give one with --file.") }
    try Perplexity.check(ctxSize: ctxSize, chunks: chunks)
  }

  /// - Throws: `ValidationError` where there is one though nothing is compared.
  func refuse() throws {
    let given = [("file", file != nil), ("ctx-size", ctxSize != nil), ("chunks", chunks != nil)]
    if let (name, _) = given.first(where: \.1) { throw ValidationError("The option --\(name) needs --compare.") }
  }
}

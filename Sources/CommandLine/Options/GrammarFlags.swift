import ArgumentParser
import PowerInfer

/// What an answer has to look like.
struct GrammarFlags: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Hold the answer to a grammar in GBNF, llama.cpp's notation: the grammar itself or a file with it.",
      valueName: "grammar|file"), completion: .file())
  var grammar: String?

  @Option(help: ArgumentHelp("The same, a file only.", valueName: "file"), completion: .file())
  var grammarFile: String?

  @Option(
    name: [.long, .customShort("j")],
    help: ArgumentHelp(
      "Hold the answer to JSON of a schema: the schema itself or a file with it.", valueName: "schema|file"),
    completion: .file())
  var jsonSchema: String?

  @Option(
    name: [.long, .customLong("jf", withSingleDash: true)],
    help: ArgumentHelp("The same, a file only.", valueName: "file"), completion: .file())
  var jsonSchemaFile: String?

  func validate() throws {
    if [grammar, grammarFile, jsonSchema, jsonSchemaFile].count(where: { $0 != nil }) > 1 {
      throw ValidationError("Give only one of --grammar, --grammar-file, --json-schema and --json-schema-file.")
    }
  }

  /// - Throws: `GrammarError`, and what reading the file throws.
  func resolve() throws -> Grammar? {
    if let grammar { return try Grammar(gbnf: grammar.contains("::=") ? grammar : InputFile.text(grammar)) }
    if let grammarFile { return try Grammar(gbnf: InputFile.text(grammarFile)) }
    if let jsonSchema {
      let isSchema = ["{", "true", "false"].contains { jsonSchema.drop(while: \.isWhitespace).hasPrefix($0) }
      return try Grammar(jsonSchema: isSchema ? jsonSchema : InputFile.text(jsonSchema))
    }
    return try jsonSchemaFile.map { try Grammar(jsonSchema: InputFile.text($0)) }
  }
}

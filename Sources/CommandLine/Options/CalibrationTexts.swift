import Foundation
import PowerInfer
import PowerInferModel
import PowerInferToolkit

/// Texts that a model reads so that one sees what goes into its matrices, and how they are cut.
struct CalibrationTexts {
  var files: [String]
  /// Tokens of a chunk; 0 for as many as the model was trained for.
  var contextSize: Int
  /// At most so many; nil for all.
  var chunkLimit: Int?
  /// Whether control tokens spelt in the texts are such.
  var parsesSpecial: Bool

  /// The texts one after the other, cut for a model, their names, and a line of history for each.
  ///
  /// - Throws: `FileError`, `InputError`, `EvaluationError`.
  func read(for model: LanguageModel) throws -> (text: ScoredText, names: [String], lines: [String]) {
    let tokenizer = model.tokenizer
    var tokens: [Int32] = []
    var names: [String] = []
    var lines: [String] = []
    for file in files {
      let content = try InputFile.data(file)
      var text = try InputFile.text(of: content, named: file)
      // As llama.cpp reads it: without the line break at the file's end.
      if text.utf8.last == UInt8(ascii: "\n") { text = String(text.unicodeScalars.dropLast()) }
      if text.isEmpty { throw InputError.emptyText(file) }
      let name = file == InputFile.standardInput ? "standard input" : URL(filePath: file).lastPathComponent
      names.append(name)
      lines.append(FileDigest.line(name: name, content: content))
      tokens += tokenizer.encode(text, addSpecial: tokens.isEmpty, parseSpecial: parsesSpecial)
      // An end belongs after the texts, not into them.
      if tokenizer.addsEOS, tokens.last == tokenizer.eos { tokens.removeLast() }
    }
    let text = try ScoredText(
      tokens: tokens, contextSize: contextSize == 0 ? model.configuration.contextLength : contextSize,
      beginning: tokenizer.addsBOS ? tokenizer.bos : nil, chunkLimit: chunkLimit)
    return (text, names, lines)
  }
}

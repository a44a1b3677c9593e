import ArgumentParser
import PowerInferGGUF
import PowerInferModel

/// `powerinfer tokenize`: text to token ids and back.
struct Tokenize: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show how a model cuts text into tokens, or turn tokens back into text.",
    discussion: """
      Without a text, standard input is read.

      Examples:
        powerinfer tokenize "Hello, world!"
        powerinfer tokenize -m model.gguf --ids -f letter.txt
        powerinfer tokenize -m model.gguf --parse-special "<|im_start|>user"
        powerinfer tokenize -m model.gguf --decode "19556 28 905 17"
      """)

  @OptionGroup var choice: ModelChoice
  @OptionGroup var promptOptions: PromptOptions

  @Flag(help: "Leave out the beginning-of-sequence token.")
  var noBos = false

  @Flag(help: "Add no beginning- or end-of-sequence token.")
  var noSpecial = false

  @Flag(help: "Read control tokens spelt in the text, such as <|im_start|>, as such.")
  var parseSpecial = false

  @Flag(help: "Print only the ids, on one line.")
  var ids = false

  @Flag(help: "Print id, text and bytes of each token as JSON.")
  var json = false

  @Flag(help: "Read ids, separated by spaces or commas, and print their text.")
  var decode = false

  @Flag(name: [.customShort("0"), .customLong("null")], help: "Treat the input as many texts that end in NUL.")
  var nullSeparated = false

  func validate() throws {
    if ids, json { throw ValidationError("Give either --ids or --json, not both.") }
    if ids, decode { throw ValidationError("Give either --ids or --decode, not both.") }
  }

  func run() throws {
    let tokenizer = try Tokenizer(metadata: GGUFFile(opening: choice.locate()).metadata)
    for remark in tokenizer.remarks { StandardOutput.note("Note: \(remark)\n") }
    let input = Array(try (promptOptions.text() ?? InputFile.text(InputFile.standardInput)).utf8)
    guard nullSeparated else {
      return try show(input, tokenizer)
    }
    var texts = input.split(separator: 0, omittingEmptySubsequences: false).map(Array.init)
    if texts.last?.isEmpty == true { texts.removeLast() }
    for text in texts { try show(text, tokenizer) }
  }

  private func show(_ input: [UInt8], _ tokenizer: Tokenizer) throws {
    let tokens = try decode ? parseIDs(input, tokenizer) : encode(input, tokenizer)
    if json {
      try StandardOutput.write(JSON.text(tokens.map { Entry($0, tokenizer) }, pretty: false) + "\n")
    } else if decode {
      try StandardOutput.write(tokenizer.decode(tokens, renderSpecial: !noSpecial) + "\n")
    } else if ids {
      try StandardOutput.write(tokens.map(String.init).joined(separator: " ") + "\n")
    } else {
      let lines = tokens.map { Entry($0, tokenizer) }.map { token in
        String(repeating: " ", count: max(0, 6 - String(token.id).count)) + "\(token.id)  \(token.quoted)\n"
      }
      try StandardOutput.write(lines.joined())
    }
  }

  private func encode(_ input: [UInt8], _ tokenizer: Tokenizer) -> [Int32] {
    let tokens = tokenizer.encode(bytes: input, addSpecial: !noSpecial, parseSpecial: parseSpecial)
    return noBos && !noSpecial && tokenizer.addsBOS ? Array(tokens.dropFirst()) : tokens
  }

  private func parseIDs(_ input: [UInt8], _ tokenizer: Tokenizer) throws -> [Int32] {
    let separators: Set<Character> = [" ", ",", "[", "]", "\n", "\r\n", "\t"]
    return try String(decoding: input, as: UTF8.self).split { separators.contains($0) }.map { word in
      guard let id = Int32(word), id >= 0, Int(id) < tokenizer.count else {
        throw TokenizeError.noID(String(word), count: tokenizer.count)
      }
      return id
    }
  }

  /// One token for people and for machines.
  private struct Entry: Encodable {
    var id: Int32
    /// What the token stands for, control tokens spelt out; U+FFFD where the bytes are part of a character.
    var text: String
    var bytes: [UInt8]

    init(_ id: Int32, _ tokenizer: Tokenizer) {
      self.id = id
      bytes = tokenizer.bytes(of: id, renderSpecial: true)
      text = String(decoding: bytes, as: UTF8.self)
    }

    /// The text in quotes, with line breaks and other controls escaped; the bytes where they are no text.
    var quoted: String {
      guard String(validating: bytes, as: UTF8.self) != nil else {
        return bytes.map { "<0x" + String($0, radix: 16, uppercase: true) + ">" }.joined()
      }
      return "\""
        + text.unicodeScalars.map { $0.properties.generalCategory == .control ? $0.escaped(asASCII: true) : String($0) }
        .joined() + "\""
    }
  }
}

/// Why there is nothing to show.
enum TokenizeError: Error, Equatable, CustomStringConvertible {
  case noID(String, count: Int)

  var description: String {
    switch self {
    case .noID(let word, let count):
      "\"\(word)\" is no token id; expected a number from 0 to \(count - 1)."
    }
  }
}

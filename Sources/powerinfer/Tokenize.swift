import ArgumentParser
import Foundation
import GGUF
import Model

/// `powerinfer tokenize`: text to token ids and back.
struct Tokenize: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show how a model cuts text into tokens, or turn tokens back into text.",
    discussion: """
      Examples:
        powerinfer tokenize "Hello, world!"
        powerinfer tokenize -m model.gguf --ids -f letter.txt
        powerinfer tokenize -m model.gguf --parse-special "<|im_start|>user"
        powerinfer tokenize -m model.gguf --decode "19556 28 905 17"
      """)

  @Option(
    name: [.short, .long],
    help: "The model, a GGUF file. (default: the embedded model; environment: POWERINFER_MODEL)",
    completion: .file(extensions: ["gguf"]))
  var model: String?

  @Option(name: [.short, .long], help: "Read the text from a file.", completion: .file())
  var file: String?

  @Argument(help: "The text; without it and without --file, standard input is read.")
  var text: String?

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
    if text != nil, file != nil { throw ValidationError("Give either a text or --file, not both.") }
    if ids, json { throw ValidationError("Give either --ids or --json, not both.") }
    if ids, decode { throw ValidationError("Give either --ids or --decode, not both.") }
  }

  func run() throws {
    let tokenizer = try Tokenizer(metadata: GGUFFile(opening: ModelLocator().locate(model)).metadata)
    let input = try readInput()
    guard nullSeparated else {
      return try show(input, tokenizer)
    }
    var texts = input.split(separator: 0, omittingEmptySubsequences: false).map(Array.init)
    if texts.last?.isEmpty == true { texts.removeLast() }
    for text in texts { try show(text, tokenizer) }
  }

  private func readInput() throws -> [UInt8] {
    if let text { return Array(text.utf8) }
    guard let file else { return Array(FileHandle.standardInput.readDataToEndOfFile()) }
    guard let data = FileManager.default.contents(atPath: file) else { throw TokenizeError.unreadable(file) }
    return Array(data)
  }

  private func show(_ input: [UInt8], _ tokenizer: Tokenizer) throws {
    let tokens = try decode ? parseIDs(input, tokenizer) : encode(input, tokenizer)
    if json {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
      print(String(decoding: try encoder.encode(tokens.map { Entry($0, tokenizer) }), as: UTF8.self))
    } else if decode {
      print(tokenizer.decode(tokens, renderSpecial: !noSpecial))
    } else if ids {
      print(tokens.map(String.init).joined(separator: " "))
    } else {
      for token in tokens.map({ Entry($0, tokenizer) }) {
        print(String(repeating: " ", count: max(0, 6 - String(token.id).count)) + "\(token.id)  \(token.quoted)")
      }
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

/// Why there is nothing to tokenize.
enum TokenizeError: Error, Equatable, CustomStringConvertible {
  case unreadable(String)
  case noID(String, count: Int)

  var description: String {
    switch self {
    case .unreadable(let path):
      "There is no file at \(path) that can be read."
    case .noID(let word, let count):
      "\"\(word)\" is no token id; expected a number from 0 to \(count - 1)."
    }
  }
}

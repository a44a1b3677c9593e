import Foundation
public import PowerInfer
import PowerInferGGUF
import PowerInferModel
import PowerInferPlatform
import PowerInferSparsity

/// A loaded model with all that the commands ask of it: the one place where they meet the rooms below.
final class Engine {
  let path: String
  private let model: LanguageModel
  let session: Session
  private let template: ChatRenderer?
  /// Whether a prompt's spellings of control tokens count, whoever wrote them.
  private let parsesSpecial: Bool

  /// - Throws: a sentence where the file cannot be opened or is not a model that can run.
  init(_ options: ModelOptions.Resolved) throws {
    path = options.path
    let model = try LanguageModel(opening: options.path, residency: options.residency)
    self.model = model
    var settings = SessionOptions()
    settings.threads = options.threads
    settings.isProfiled = options.isProfiled
    settings.sparsity = try options.sparsity.options(for: model)
    if let batchSize = options.batchSize { settings.batchSize = batchSize }
    (settings.keyFormat, settings.valueFormat) = (options.cache.keys, options.cache.values)
    settings.contextSize =
      switch options.contextSize {
      case .automatic: nil
      case .full: model.configuration.contextLength
      case .tokens(let count): count
      }
    session = try Session(model: model, options: settings)
    parsesSpecial = options.parsesSpecial
    template = try ChatRenderer(model: model, trustsMessages: parsesSpecial)
  }

  /// The file's name, for reports.
  var name: String { URL(filePath: path).lastPathComponent }

  var vocabularySize: Int { model.configuration.vocabularySize }
  var byteCount: Int { model.byteCount }
  var parameterCount: Int { model.parameterCount }
  var hasChatTemplate: Bool { template != nil }

  /// What turns generated tokens into text.
  ///
  /// - Parameter continuing: the tokens go on from a text, so that a space before them belongs to it.
  func vocabulary(continuing: Bool) -> some TokenVocabulary {
    ModelVocabulary(tokenizer: model.tokenizer, continuing: continuing)
  }

  /// A plain text as tokens, with the special tokens that the model wants around one.
  func tokens(of text: String) -> [Int32] {
    model.tokenizer.encode(text, addSpecial: true, parseSpecial: parsesSpecial)
  }

  /// A conversation as tokens, with the start of an answer after it, by the model's own template. Control tokens come from
  /// the template alone, unless the options say otherwise.
  ///
  /// - Throws: `EngineError.noChatTemplate` and what the template throws.
  func tokens(of messages: [Message]) throws -> [Int32] {
    guard let template else { throw EngineError.noChatTemplate(name) }
    let tokenizer = model.tokenizer
    let tokens = tokenizer.encode(try template.render(messages), addSpecial: false)
    // Some templates spell the token that begins a text, others leave it to the tokenizer.
    guard tokenizer.addsBOS, let bos = tokenizer.bos, tokens.first != bos else { return tokens }
    return [bos] + tokens
  }

  /// A token as a person reads it, control tokens spelt out.
  func text(of token: Int32) -> String {
    String(decoding: model.tokenizer.bytes(of: token, renderSpecial: true), as: UTF8.self)
  }

  /// Kind, size and main weight format of the model, such as "llama 135M Q4_0".
  var summary: String {
    var bytes: [TensorType: Int] = [:]
    for tensor in model.file.tensors { bytes[tensor.type, default: 0] += tensor.byteCount }
    let main = bytes.max { ($0.value, $0.key.rawValue) < ($1.value, $1.key.rawValue) }?.key.name ?? ""
    return "\(model.configuration.architecture.name) \(Units.parameters(model.parameterCount)) \(main)"
  }
}

/// Why a loaded model cannot do what was asked.
enum EngineError: Error, Equatable, CustomStringConvertible {
  case noChatTemplate(String)

  var description: String {
    switch self {
    case .noChatTemplate(let name):
      "The model \(name) has no chat template, so it cannot chat; --raw completes plain text."
    }
  }
}

/// A tokenizer as generation sees it.
private struct ModelVocabulary: TokenVocabulary {
  let tokenizer: Tokenizer
  let continuing: Bool

  var endOfGenerationTokens: [Int32] { tokenizer.endOfGenerationTokens }

  func makeTextAssembler() -> any TextAssembler {
    StreamingDetokenizer(tokenizer, atStart: !continuing)
  }
}

extension StreamingDetokenizer: TextAssembler {}

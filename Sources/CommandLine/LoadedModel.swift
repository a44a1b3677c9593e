import Foundation
import PowerInfer
import PowerInferGGUF
import PowerInferGPU
import PowerInferModel
import PowerInferPlatform
import PowerInferSparsity

/// A loaded model with all that the commands ask of it: the one place where they meet the rooms below.
final class LoadedModel {
  let path: String
  private let model: LanguageModel
  /// Runs the model.
  let engine: Engine
  /// What it has read.
  let sequence: TokenSequence
  private let prompts: PromptRenderer
  private var notedRemarks = Set<String>()

  /// - Parameter note: told what a person should know of the model.
  /// - Throws: a sentence where the file cannot be opened or is not a model that can run.
  init(
    _ options: ModelOptions.Resolved, note: (String) -> Void = { StandardOutput.note("Note: \($0)\n") }
  ) throws {
    path = options.path
    let residency = options.gpu.residency(options.residency)
    let mode = options.sparsity.options.mode
    let nodes = MemoryNodes.current.serving(threads: options.threads ?? Processors.recommended)
    // A device, and what computes beside it, take single rows.
    let mayBeSplit = options.gpu.findsDevice
    let first = try LanguageModel(
      opening: options.path, residency: residency, overriding: options.overrides,
      reading: { mayBeSplit ? .listed : mode.reading($0) }, nodes: nodes)
    let engine = try Self.engine(first, options)
    // No device took it after all.
    if engine.gpuName == nil, mayBeSplit, residency != options.residency || residency == .copied {
      model = try LanguageModel(
        opening: options.path, residency: options.residency, overriding: options.overrides, reading: mode.reading,
        nodes: nodes)
      var options = options
      options.gpu = .none
      self.engine = try Self.engine(model, options)
    } else {
      (model, self.engine) = (first, engine)
    }
    if let remark = engine.gpuRemark { note(remark) }
    sequence = self.engine.makeSequence()
    for remark in model.remarks { note(remark) }
    prompts = try PromptRenderer(engine: engine, trustsMessages: options.parsesSpecial)
  }

  private static func engine(_ model: LanguageModel, _ options: ModelOptions.Resolved) throws -> Engine {
    var settings = EngineOptions()
    settings.threads = options.threads
    settings.isProfiled = options.isProfiled
    settings.isDeterministic = options.isDeterministic
    settings.scheduling = options.scheduling
    settings.chatTemplate = options.chatTemplate
    settings.cacheByteLimit = options.cacheByteLimit
    settings.cacheSequences = options.cacheSequences
    settings.gpu = options.gpu
    settings.hybrid = options.hybrid
    settings.gpuOptions.cacheFolder = GPUFlag.kernelCache
    settings.tuning = try TuningChoice.options()
    settings.sparsity = try options.sparsity.options(for: model)
    if let batchSize = options.batchSize { settings.batchSize = batchSize }
    (settings.keyFormat, settings.valueFormat) = (options.cache.keys, options.cache.values)
    settings.contextSize =
      switch options.contextSize {
      case .automatic: nil
      case .full: model.configuration.contextLength
      case .tokens(let count): count
      }
    return try Engine(model: model, options: settings)
  }

  /// The file's name, for reports.
  var name: String { URL(filePath: path.withoutSystemBytes).lastPathComponent }

  var vocabularySize: Int { model.configuration.vocabularySize }
  var byteCount: Int { model.byteCount }
  var parameterCount: Int { model.parameterCount }
  var hasChatTemplate: Bool { prompts.hasChatTemplate }

  /// What turns generated tokens into text.
  ///
  /// - Parameter continuing: the tokens go on from a text, so that a space before them belongs to it.
  func vocabulary(continuing: Bool) -> some TokenVocabulary {
    ModelVocabulary(model.tokenizer, continuing: continuing)
  }

  /// A plain text as tokens, with the special tokens that the model wants around one.
  ///
  /// - Parameter isFinished: whether it is a whole prompt, in which control tokens count.
  func tokens(of text: String, isFinished: Bool = false) -> [Int32] {
    prompts.tokens(of: text, isFinished: isFinished)
  }

  /// A conversation as tokens, with the start of an answer after it, by the chat template. What that does not show is noted, once.
  ///
  /// - Throws: `LoadedModelError.noChatTemplate` and what the template throws.
  func tokens(of messages: [Message]) throws -> [Int32] {
    guard hasChatTemplate else { throw LoadedModelError.noChatTemplate(name) }
    let prompt = try prompts.prompt(of: messages)
    for remark in prompt.remarks where notedRemarks.insert(remark).inserted {
      StandardOutput.note("Note: \(remark)\n")
    }
    return prompt.tokens
  }

  /// The marks of a reasoning that the chat template opens for every answer; nil where it does not.
  var openReasoning: ReasoningFormat? {
    (try? prompts.tokens(of: [Message(.user, "Hello")])).flatMap(prompts.openReasoning(in:))
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
enum LoadedModelError: Error, Equatable, CustomStringConvertible {
  case noChatTemplate(String)

  var description: String {
    switch self {
    case .noChatTemplate(let name):
      "The model \(name) has no chat template, so it cannot chat; --chat-template names one, and --raw completes plain text."
    }
  }
}

import Foundation
import PowerInfer
import PowerInferGGUF
import Synchronization

/// A model that is loaded, with what its routes ask of it.
final class ServedModel: Sendable {
  /// What clients call it.
  let name: String
  let path: String
  let engine: Engine
  let prompts: Result<PromptRenderer, any Error>
  /// When its file was written last.
  let modified: Date
  /// Seconds that loading took.
  let loadTime: Double
  /// Bytes of its file.
  let byteCount: Int
  /// When somebody used it last.
  private let lastUse = Mutex(ContinuousClock.now)

  init(name: String, path: String, engine: Engine, loadTime: Double) {
    self.name = name
    self.path = path
    self.engine = engine
    self.loadTime = loadTime
    prompts = Result { try PromptRenderer(engine: engine) }
    let file = ModelFile(path: path)
    (modified, byteCount) = (file.modified, file.byteCount)
  }

  var tokenizer: Tokenizer { engine.model.tokenizer }
  var contextSize: Int { engine.contextSize }
  var vocabularySize: Int { engine.model.configuration.vocabularySize }

  /// The chat template's text; empty where there is none.
  var chatTemplate: String { (try? prompts.get())?.templateSource ?? "" }

  /// How it writes calls of tools.
  var toolCallFormat: ToolCallFormat { (try? prompts.get())?.toolCallFormat ?? .bare }

  /// The marks between which it thinks; nil where its template shows none.
  var reasoningFormat: ReasoningFormat? { (try? prompts.get())?.reasoningFormat }

  /// Whether its file is as it was loaded, as far as somebody has seen.
  var isWhole: Bool { (try? engine.model.file.checkWholeness()) != nil }

  /// Notes that it is used.
  func touch() { lastUse.withLock { $0 = .now } }

  /// How long nobody has used it; nil while somebody does.
  var idleTime: Duration? {
    guard engine.load == EngineLoad() else { return nil }
    return lastUse.withLock { ContinuousClock.now - $0 }
  }

  // MARK: What it is

  /// Such as "llama".
  var family: String { engine.model.configuration.architecture.name }

  /// The format of most of its weights, such as "Q4_0".
  var quantization: String {
    var bytes: [TensorType: Int] = [:]
    for tensor in engine.model.file.tensors { bytes[tensor.type, default: 0] += tensor.byteCount }
    return bytes.max { ($0.value, $0.key.rawValue) < ($1.value, $1.key.rawValue) }?.key.name.uppercased() ?? "unknown"
  }

  /// Such as "135M".
  var parameterSize: String { Self.short(engine.model.parameterCount) }

  static func short(_ parameters: Int) -> String {
    switch parameters {
    case 1_000_000_000...: String(format: "%.1fB", Double(parameters) / 1e9)
    case 1_000_000...: String(format: "%.0fM", Double(parameters) / 1e6)
    default: String(format: "%.0fK", Double(parameters) / 1e3)
    }
  }
}

/// A model's file, loaded or not.
struct ModelFile: Sendable, Equatable {
  let path: String
  let modified: Date
  let byteCount: Int

  init(path: String) {
    self.path = path
    let attributes = try? FileManager.default.attributesOfItem(atPath: path)
    modified = attributes?[.modificationDate] as? Date ?? Date(timeIntervalSince1970: 0)
    byteCount = (attributes?[.size] as? NSNumber)?.intValue ?? 0
  }

  /// What clients call the model: the file's name without its ending.
  var name: String {
    let last = URL(filePath: path).lastPathComponent
    return last.hasSuffix(".gguf") ? String(last.dropLast(5)) : last
  }
}

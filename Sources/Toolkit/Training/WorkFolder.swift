import Crypto
import Foundation
import PowerInfer
import PowerInferGGUF
import PowerInferModel
import PowerInferPlatform
import PowerInferSparsity

/// What a piece of work was begun with: it goes on only with the same.
struct TrainingOrigin: Codable, Equatable {
  var version = 1
  /// `ModelSignature` and size of the model file.
  var model: String
  var modelBytes: Int
  /// SHA-256 of the tokens and how they are cut.
  var text: String
  /// The least |act(gate)| that counts as firing.
  var thresholds: [Float]?
  /// Tokens read at once, on which roundings depend.
  var batchSize: Int
  var recipe: TrainingRecipe

  init(model: LanguageModel, text: ScoredText, thresholds: [Float]?, batchSize: Int, recipe: TrainingRecipe) {
    self.model = ModelSignature(model).digest
    modelBytes = model.file.byteCount
    self.text = Self.digest(text)
    self.thresholds = thresholds
    self.batchSize = batchSize
    self.recipe = recipe
  }

  /// SHA-256 of a text's tokens and its cut, in hexadecimal.
  static func digest(_ text: ScoredText) -> String {
    var hash = SHA256()
    let numbers = [Int32(clamping: text.contextSize), text.beginning ?? -1] + text.tokens
    for number in numbers { withUnsafeBytes(of: number.littleEndian) { hash.update(bufferPointer: $0) } }
    return hash.finalize().map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }

  /// What differs from other work, in a word; nil where nothing does.
  func difference(from other: TrainingOrigin) -> String? {
    if version != other.version { return "version" }
    if model != other.model || modelBytes != other.modelBytes { return "model" }
    if text != other.text { return "text" }
    return self == other ? nil : "set of options"
  }
}

/// The folder in which work in progress is kept, so that it can go on after any interruption.
final class WorkFolder: Sendable {
  let path: String
  private let lock: FileLock

  private static let originName = "work.json"
  private static let lockName = "lock"

  /// Opens or makes a folder.
  ///
  /// - Parameters:
  ///   - origin: what the work is begun with.
  ///   - restarts: whether other work is thrown away.
  /// - Throws: ``TrainingError`` for a folder of somebody else's, in use, or with other work in it; `FileError`.
  init(_ path: String, origin: TrainingOrigin, restarts: Bool) throws {
    self.path = path
    if FileIdentity(path) != nil {
      guard isFolder(path) else { throw TrainingError.foreignFolder(path) }
      let names = try Self.names(path)
      guard names.allSatisfy(Self.isOurs) else { throw TrainingError.foreignFolder(path) }
    } else {
      try makeFolder(path)
    }
    guard let lock = try FileLock(path + "/" + Self.lockName) else { throw TrainingError.inUse(path) }
    self.lock = lock
    // What a killed process was writing.
    for name in try Self.names(path) where name.hasPrefix(".") {
      removeFile(file(name))
    }
    if restarts { try clear() }
    let originPath = file(Self.originName)
    if let data = try Self.content(originPath) {
      guard let found = try? JSONDecoder().decode(TrainingOrigin.self, from: data) else {
        throw TrainingError.damaged(originPath)
      }
      if let what = origin.difference(from: found) { throw TrainingError.otherWork(folder: path, what: what) }
    } else {
      // Without an origin nothing here can be trusted.
      try clear()
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
      let file = try AtomicFile(originPath)
      try file.write(Array(try encoder.encode(origin)))
      try file.commit()
    }
  }

  /// Nil where there is no such file. One that cannot be read is an error: taken for none, it would cost the work.
  private static func content(_ path: String) throws(FileError) -> Data? {
    do {
      let file = try MappedFile(path)
      return withExtendedLifetime(file) { Data(file.bytes) }
    } catch {
      if case .missing = error { return nil }
      throw error
    }
  }

  func file(_ name: String) -> String { path + "/" + name }
  func trace(pass: Int, layer: Int, part: Int) -> String { file("trace-\(pass)-\(layer)-\(part)") }
  func checkpoint(pass: Int, layer: Int) -> String { file("layer-\(pass)-\(layer).checkpoint") }
  func result(pass: Int, layer: Int) -> String { file("layer-\(pass)-\(layer).result") }
  var candidate: String { file("model.gguf") }

  func exists(_ path: String) -> Bool { FileIdentity(path) != nil }

  func remove(_ path: String) { removeFile(path) }

  /// Bytes free on the folder's disk; nil where the system does not say.
  var freeBytes: Int? {
    let attributes = try? FileManager.default.attributesOfFileSystem(forPath: path)
    return (attributes?[.systemFreeSize] as? NSNumber)?.intValue
  }

  /// Bytes of all files in it.
  var usedBytes: Int {
    ((try? Self.names(path)) ?? []).reduce(0) { $0 + (FileStamp(file($1))?.byteCount ?? 0) }
  }

  /// Removes the work, and the folder.
  func removeAll() {
    try? clear()
    remove(file(Self.lockName))
    // Fails, as it should, where somebody put something else into it.
    rmdir(path)
  }

  private func clear() throws {
    for name in try Self.names(path) where name != Self.lockName && Self.isOurs(name) { remove(file(name)) }
  }

  private static func names(_ path: String) throws -> [String] {
    guard let names = namesInFolder(path) else {
      throw FileError.denied(action: .open, path: path)
    }
    return names
  }

  private static func isOurs(_ name: String) -> Bool {
    if [originName, lockName, "model.gguf"].contains(name) { return true }
    if name.hasPrefix("."), name.contains(".part-") { return true }
    return name.wholeMatch(of: /trace-\d+-\d+-\d+|layer-\d+-\d+\.(checkpoint|result)/) != nil
  }
}

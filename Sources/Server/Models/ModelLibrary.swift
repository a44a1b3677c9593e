import Dispatch
import Foundation
public import PowerInfer

/// The models that a server has: one that is loaded at the start, a folder of others that are loaded when somebody asks for one.
public actor ModelLibrary {
  /// Makes an engine of a model's file.
  public typealias Loader = @Sendable (_ path: String) throws -> Engine

  private enum State {
    case loading(Task<ServedModel, any Error>)
    case ready(ServedModel)
  }

  /// The model that is meant where a request names none; nil where there is only a folder.
  let main: ModelFile?
  private let folder: String?
  private let byteLimit: Int?
  private let load: Loader
  private var states: [String: State] = [:]
  /// Whether the main model, if there is one, has been loaded once.
  private(set) var isReady: Bool

  /// - Parameters:
  ///   - main: the file of the model that is loaded at the start.
  ///   - folder: where others are.
  ///   - byteLimit: most bytes of files that are loaded at a time.
  ///   - load: makes engines.
  public init(main: String?, folder: String?, byteLimit: Int?, load: @escaping Loader) {
    self.main = main.map(ModelFile.init)
    isReady = main == nil
    self.folder = folder
    self.byteLimit = byteLimit
    self.load = load
  }

  // MARK: What there is

  /// The files, by name: the main one first.
  func files() -> [ModelFile] {
    var files = main.map { [$0] } ?? []
    if let folder {
      let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
      for name in names.sorted() where name.hasSuffix(".gguf") {
        let file = ModelFile(path: URL(filePath: folder).appending(path: name).path)
        // Sidecars of a model, and parts of a split one but for the first.
        if NeuronRecordKind.allCases.contains(where: { name.hasSuffix(".\($0.rawValue).gguf") }) { continue }
        if name.contains("-of-"), !name.contains("-00001-of-") { continue }
        if !files.contains(where: { $0.name == file.name }) { files.append(file) }
      }
    }
    return files
  }

  /// Those that are loaded.
  var loaded: [ServedModel] {
    states.values.compactMap { if case .ready(let model) = $0 { model } else { nil } }.sorted { $0.name < $1.name }
  }

  // MARK: Finding and loading

  /// The model that a request means, loaded.
  ///
  /// - Parameters:
  ///   - name: what the request says; where there is only one model, any name means it.
  ///   - isStrict: whether a name must be given where there are several.
  /// - Throws: ``APIError`` where there is no such model, or it is still being loaded at the start; what loading throws.
  func model(_ name: String?) async throws -> ServedModel {
    let file = try find(name)
    if file == main, !isReady {
      throw APIError(.loading, "The model is being loaded.", retryAfter: 1)
    }
    let model = try await ready(file)
    model.touch()
    return model
  }

  private func find(_ name: String?) throws -> ModelFile {
    if folder == nil, let main { return main }
    guard let name, !name.isEmpty else {
      if let main { return main }
      throw APIError(.invalidRequest, "The field model is missing; expected the name of a model.", parameter: "model")
    }
    // Names are looked up, never made a part of a path.
    let files = files()
    let plain = name.hasSuffix(":latest") ? String(name.dropLast(":latest".count)) : name
    guard let file = files.first(where: { $0.name == plain || $0.name + ".gguf" == plain }) else {
      throw APIError(.modelNotFound, "The model \(name.debugDescription) does not exist.", parameter: "model")
    }
    return file
  }

  /// Loads the main model.
  ///
  /// - Throws: what the loader throws.
  func loadMain() async throws {
    if let main { _ = try await ready(main) }
    isReady = true
  }

  private func ready(_ file: ModelFile) async throws -> ServedModel {
    switch states[file.name] {
    case .ready(let model):
      if model.isWhole { return model }
      // Whatever the file is now, it is read again.
      states[file.name] = nil
    case .loading(let task): return try await task.value
    case nil: break
    }
    try makeRoom(for: file)
    let load = load
    let task = Task {
      try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<ServedModel, any Error>) in
        // Reading a file may take long; the tasks' threads are few.
        DispatchQueue.global().async {
          continuation.resume(
            with: Result {
              let start = ContinuousClock.now
              let engine = try load(file.path)
              let time = (ContinuousClock.now - start) / .seconds(1)
              return ServedModel(name: file.name, path: file.path, engine: engine, loadTime: time)
            })
        }
      }
    }
    states[file.name] = .loading(task)
    do {
      let model = try await task.value
      states[file.name] = .ready(model)
      return model
    } catch {
      states[file.name] = nil
      if file == main, !isReady { throw error }
      throw APIError(.server, "The model \(file.name) cannot be loaded: \(error)")
    }
  }

  private func makeRoom(for file: ModelFile) throws {
    guard let byteLimit else { return }
    guard file.byteCount <= byteLimit else {
      throw APIError(
        .server, "The model \(file.name) has \(file.byteCount) bytes, more than the \(byteLimit) that models may take.")
    }
    var loading = 0
    for (name, state) in states where name != file.name {
      if case .loading = state { loading += files().first { $0.name == name }?.byteCount ?? 0 }
    }
    while loading + loaded.reduce(0, { $0 + $1.byteCount }) + file.byteCount > byteLimit {
      let idle = loaded.compactMap { model in model.idleTime.map { (model, $0) } }
      guard let longest = idle.max(by: { $0.1 < $1.1 })?.0 else {
        throw APIError(.loading, "All models that fit the memory are in use.", retryAfter: 5)
      }
      states[longest.name] = nil
    }
  }

  // MARK: Giving up

  /// Gives up models that nobody has used for so long.
  func unload(idleFor time: Duration) {
    for model in loaded { if let idle = model.idleTime, idle >= time { states[model.name] = nil } }
  }

  /// Gives up a model as soon as its requests have ended.
  func unload(_ name: String) {
    if case .ready? = states[name] { states[name] = nil }
  }
}

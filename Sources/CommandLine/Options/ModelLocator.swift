import Foundation
import PowerInferPlatform

/// Finds the model to run when the command line names none.
struct ModelLocator {
  /// The model that comes with the package, relative to the package's folder.
  static let embeddedModel = "Models/smollm2-135m-relu.q4_0.powerinfer.gguf"

  var environment = Environment()
  var currentFolder = FileManager.default.currentDirectoryPath
  var executableFolder = Bundle.main.executableURL?.resolvingSymlinksInPath().deletingLastPathComponent().path ?? "/"
  var fileExists: (String) -> Bool = { FileIdentity($0) != nil }

  /// The path of the model: the one given, the one `POWERINFER_MODEL` names, or the embedded one in a folder above the
  /// current one or above the executable.
  ///
  /// - Throws: `ModelLocatorError` where there is none.
  func locate(_ given: String?) throws(ModelLocatorError) -> String {
    if let given {
      guard fileExists(given) else { throw .noSuchFile(given) }
      return given
    }
    if let named = environment["POWERINFER_MODEL"] {
      guard fileExists(named) else { throw .noSuchFileInVariable(named) }
      return named
    }
    for folder in [currentFolder, executableFolder] {
      for ancestor in ancestors(of: folder) {
        let path = ancestor.appending(path: Self.embeddedModel).path
        if fileExists(path) { return path }
      }
    }
    throw .notFound
  }

  /// The folder itself and every folder above it.
  private func ancestors(of folder: String) -> [URL] {
    var list = [URL(filePath: folder, directoryHint: .isDirectory).standardizedFileURL]
    while let last = list.last, last.pathComponents.count > 1 {
      list.append(last.deletingLastPathComponent())
    }
    return list
  }
}

/// Why there is no model to run.
enum ModelLocatorError: Error, Equatable, CustomStringConvertible {
  case noSuchFile(String)
  case noSuchFileInVariable(String)
  case notFound

  var description: String {
    switch self {
    case .noSuchFile(let path):
      "There is no model file at \(path)."
    case .noSuchFileInVariable(let path):
      "The environment variable POWERINFER_MODEL names the model file \(path), but there is none."
    case .notFound:
      "No model was named with --model or POWERINFER_MODEL, and the embedded one, \(ModelLocator.embeddedModel), "
        + "is in no folder above the current one or above the program."
    }
  }
}

import Foundation
import Yams

/// A YAML file with options by their long names, as the variables that stand behind them.
enum ConfigurationFile {
  /// - Parameters:
  ///   - path: of the file.
  ///   - known: the names that there are.
  /// - Throws: ``ConfigurationFileError``, and what reading the file throws.
  static func read(_ path: String, known: [String]) throws -> [String: String] {
    let text = try InputFile.text(path)
    let node: Node?
    do {
      node = try Yams.compose(yaml: text)
    } catch {
      throw ConfigurationFileError.noYAML(path: path, reason: "\(error)")
    }
    guard let node else { return [:] }
    guard case .mapping(let mapping) = node else { throw ConfigurationFileError.noMapping(path: path) }
    var variables: [String: String] = [:]
    for (key, value) in mapping {
      let name = key.string ?? ""
      guard known.contains(name) else { throw ConfigurationFileError.unknownOption(path: path, name: name) }
      variables["POWERINFER_" + name.uppercased().replacing("-", with: "_")] = try Self.text(value, path, name)
    }
    return variables
  }

  private static func text(_ node: Node, _ path: String, _ name: String) throws -> String {
    switch node {
    case .scalar(let scalar): return scalar.string
    case .sequence(let list):
      return try list.map { element in
        guard case .scalar(let scalar) = element else {
          throw ConfigurationFileError.wrongValue(path: path, name: name)
        }
        return scalar.string
      }.joined(separator: name == "override-kv" ? "\n" : ",")
    default: throw ConfigurationFileError.wrongValue(path: path, name: name)
    }
  }
}

/// Why a configuration file cannot be used.
enum ConfigurationFileError: Error, Equatable, CustomStringConvertible {
  case noYAML(path: String, reason: String)
  case noMapping(path: String)
  case unknownOption(path: String, name: String)
  case wrongValue(path: String, name: String)

  var description: String {
    switch self {
    case .noYAML(let path, let reason): "The configuration file \(path) is not YAML: \(reason)"
    case .noMapping(let path): "The configuration file \(path) must map options to values, but it does not."
    case .unknownOption(let path, let name):
      "The configuration file \(path) sets \"\(name)\", which is no option of powerinfer serve."
    case .wrongValue(let path, let name):
      "The configuration file \(path) must set \(name) to a value or a list of values, but it is something else."
    }
  }
}

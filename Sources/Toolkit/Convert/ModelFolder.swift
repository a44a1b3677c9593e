import PowerInferCheckpoint
import PowerInferModel
import PowerInferPlatform

/// A model as Hugging Face's library keeps it: a folder of weights and of settings in JSON.
struct ModelFolder {
  let path: String
  /// `config.json`.
  let configuration: Settings
  let weights: CheckpointFolder

  init(_ path: String) throws(ConvertError) {
    guard isFolder(path) else { throw .notFolder(path) }
    self.path = path
    guard let configuration = try Settings("config.json", in: path) else { throw .noConfiguration(folder: path) }
    self.configuration = configuration
    if configuration["quantization_config"] != nil {
      throw .unsupported("weights that are quantised already (quantization_config)")
    }
    weights = try reading { () throws(CheckpointError) in try CheckpointFolder(path) }
  }

  /// A settings file; nil where there is none.
  func settings(_ name: String) throws(ConvertError) -> Settings? { try Settings(name, in: path) }

  /// What the model is called: in its configuration, or else its folder.
  var name: String {
    let own = configuration["_name_or_path"]?.string ?? ""
    let parts = (own.isEmpty ? path : own).split(separator: "/").filter { $0 != "." && $0 != ".." }
    return parts.last.map(String.init) ?? "model"
  }
}

/// A JSON file of settings, whose values are asked for by name.
struct Settings {
  let file: String
  private let value: JSONValue

  /// Nil where there is no such file.
  init?(_ name: String, in folder: String) throws(ConvertError) {
    file = folder + "/" + name
    guard FileIdentity(file) != nil else { return nil }
    let file = file
    value = try reading { () throws(CheckpointError) in try JSONValue(opening: file) }
    guard value.object != nil else { throw .checkpoint(.inFile(path: file, reason: .notJSON("The content"))) }
  }

  /// The value of a key; nil where there is none, or null.
  subscript(key: String) -> JSONValue? { value[key] }

  /// All keys and values, in no order.
  var entries: [String: JSONValue] { value.object ?? [:] }

  /// A whole number of at least 1, under the first of some names that is there.
  func count(_ keys: String...) throws(ConvertError) -> Int {
    guard let count = try optionalCount(keys) else { throw .missingKey(keys[0], file: file) }
    return count
  }

  func optionalCount(_ keys: String...) throws(ConvertError) -> Int? { try optionalCount(keys) }

  private func optionalCount(_ keys: [String]) throws(ConvertError) -> Int? {
    for key in keys {
      guard let value = value[key] else { continue }
      guard let number = value.integer, (1...(1 << 30)).contains(number) else {
        throw .wrongKey(key, file: file, expected: "a whole number from 1 to \(1 << 30)")
      }
      return number
    }
    return nil
  }

  func number(_ key: String) throws(ConvertError) -> Double {
    guard let number = try optionalNumber(key) else { throw .missingKey(key, file: file) }
    return number
  }

  func optionalNumber(_ key: String) throws(ConvertError) -> Double? {
    guard let value = value[key] else { return nil }
    guard let number = value.number, number.isFinite else { throw .wrongKey(key, file: file, expected: "a number") }
    return number
  }

  func string(_ key: String) throws(ConvertError) -> String? {
    guard let value = value[key] else { return nil }
    guard let string = value.string else { throw .wrongKey(key, file: file, expected: "a text") }
    return string
  }

  func bool(_ key: String) throws(ConvertError) -> Bool? {
    guard let value = value[key] else { return nil }
    guard let bool = value.bool else { throw .wrongKey(key, file: file, expected: "true or false") }
    return bool
  }
}

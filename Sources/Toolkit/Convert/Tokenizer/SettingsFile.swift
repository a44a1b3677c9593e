import PowerInferCheckpoint
import PowerInferPlatform

/// A file beside the weights, mapped.
struct SettingsFile {
  private let file: MappedFile

  var bytes: UnsafeRawBufferPointer { file.bytes }

  init(_ path: String) throws(CheckpointError) {
    do {
      file = try MappedFile(path)
    } catch {
      throw .file(error)
    }
  }

  /// The text of a file; nil where there is none.
  static func text(_ path: String) throws(ConvertError) -> String? {
    guard FileIdentity(path) != nil else { return nil }
    let file = try reading { () throws(CheckpointError) in try SettingsFile(path) }
    guard let text = String(validating: file.bytes, as: UTF8.self) else {
      throw .checkpoint(.inFile(path: path, reason: .notUTF8))
    }
    return text
  }
}

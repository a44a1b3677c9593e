import GGUF

/// A model file written again, its weights as they are and its metadata changed.
public enum ModelCopy {
  /// Bytes written between two calls of the caller's closures.
  private static let pieceBytes = 8 << 20

  /// Writes the copy, which appears under its name when it is complete; a model in parts becomes one file.
  ///
  /// - Parameters:
  ///   - file: what is copied.
  ///   - path: where the copy will be; not where the file is.
  ///   - progress: told now and then how many bytes of all tensors are done.
  ///   - isCancelled: asked now and then; when true nothing is left behind.
  ///   - change: sets and removes keys.
  /// - Throws: `GGUFError`, ``SurveyError/cancelled``.
  public static func write(
    _ file: GGUFFile, to path: String, progress: (_ done: Int, _ of: Int) -> Void = { _, _ in },
    isCancelled: () -> Bool = { false }, change: (inout Metadata) -> Void
  ) throws {
    var metadata = file.metadata
    change(&metadata)
    let total = file.tensors.reduce(0) { $0 + $1.byteCount }
    var done = 0
    let writer = try GGUFWriter(path, magic: file.magic, metadata: metadata, tensors: file.tensors.map(\.layout))
    for tensor in file.tensors {
      for start in stride(from: 0, to: tensor.byteCount, by: pieceBytes) {
        if isCancelled() { throw SurveyError.cancelled }
        let piece = tensor.bytes[start..<min(tensor.byteCount, start + pieceBytes)]
        try writer.append(UnsafeRawBufferPointer(rebasing: piece))
        done += piece.count
        progress(done, total)
      }
    }
    try writer.finish()
  }
}

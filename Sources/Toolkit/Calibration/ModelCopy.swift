public import PowerInferGGUF

/// A model file written again with its metadata changed, and its weights as they are but for some that are given.
public enum ModelCopy {
  /// A tensor that takes the place of the one of its name, or comes after all others.
  public struct NewTensor {
    public let layout: TensorLayout
    /// As many as the layout takes; must stay until the copy is written.
    public let bytes: UnsafeRawBufferPointer

    public init(_ layout: TensorLayout, bytes: UnsafeRawBufferPointer) {
      self.layout = layout
      self.bytes = bytes
    }
  }

  /// Bytes written between two calls of the caller's closures.
  private static let pieceBytes = 8 << 20

  /// Writes the copy, which appears under its name when it is complete; a model in parts becomes one file.
  ///
  /// - Parameters:
  ///   - file: what is copied.
  ///   - path: where the copy will be; not where the file is.
  ///   - magic: of the copy; nil for the file's own.
  ///   - tensors: what is new.
  ///   - progress: told now and then how many bytes of all tensors are done.
  ///   - isCancelled: asked now and then; when true nothing is left behind.
  ///   - change: sets and removes keys.
  /// - Throws: `GGUFError`, ``SurveyError/cancelled``.
  public static func write(
    _ file: GGUFFile, to path: String, magic: Magic? = nil, tensors: [NewTensor] = [],
    progress: (_ done: Int, _ of: Int) -> Void = { _, _ in },
    isCancelled: () -> Bool = { false }, change: (inout Metadata) -> Void
  ) throws {
    var metadata = file.metadata
    change(&metadata)
    let all = merged(file, tensors)
    let total = all.reduce(0) { $0 + $1.bytes.count }
    var done = 0
    let writer = try GGUFWriter(path, magic: magic ?? file.magic, metadata: metadata, tensors: all.map(\.layout))
    for tensor in all {
      for start in stride(from: 0, to: tensor.bytes.count, by: pieceBytes) {
        if isCancelled() { throw SurveyError.cancelled }
        let piece = tensor.bytes[start..<min(tensor.bytes.count, start + pieceBytes)]
        try writer.append(UnsafeRawBufferPointer(rebasing: piece))
        done += piece.count
        progress(done, total)
      }
    }
    try writer.finish()
  }

  private static func merged(_ file: GGUFFile, _ tensors: [NewTensor]) -> [NewTensor] {
    let byName = Dictionary(tensors.map { ($0.layout.name, $0) }) { $1 }
    let replaced = file.tensors.map { byName[$0.name] ?? NewTensor($0.layout, bytes: $0.bytes) }
    return replaced + tensors.filter { file.tensor(named: $0.layout.name) == nil }
  }
}

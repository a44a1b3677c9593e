public import PowerInferGGUF

/// The steps by which a model file came about, oldest first: key `powerinfer.history`, an array of strings.
///
/// A step is one line: the command, what it was told, and the names and hashes of what it read. It holds no date and no
/// folder, so that the same steps give the same bytes anywhere.
public enum History {
  /// The metadata key.
  public static let key = "powerinfer.history"

  /// The steps that a file tells of; none where it tells of nothing, or of something else than texts.
  public static func steps(of metadata: Metadata) -> [String] {
    (try? metadata.strings(key)) ?? []
  }

  /// Adds a step at the end.
  public static func append(_ step: String, to metadata: inout Metadata) {
    metadata.set(key, .array(MetadataArray(steps(of: metadata) + [step])))
  }
}

/// How large the elements are that the columns of a model's matrices are multiplied with: for every matrix Σ x² over the tokens of
/// a text, for each column. An error in a column whose inputs are large counts more than one whose inputs are small.
///
/// Files are llama.cpp's: read in both of its formats, written in the newer one, a GGUF file.
public struct ImportanceMatrix: Sendable, Equatable {
  /// What is known of one tensor.
  public struct Entry: Sendable, Equatable {
    /// Σ x² of each column; one matrix after the other where the tensor has several (experts), [columns · matrices].
    public var sums: [Float]
    /// Tokens that were counted, [matrices]. In files of the older format chunks, by whose number its sums are divided.
    public var counts: [Float]

    public init(sums: [Float], counts: [Float]) {
      self.sums = sums
      self.counts = counts
    }
  }

  /// By the names of the tensors, in the model's plain layout: of `ffn_down_t`, whose rows are neurons, under `ffn_down`.
  public var entries: [String: Entry]
  /// The names of the texts.
  public var texts: [String]
  /// Chunks of text that were read.
  public var chunkCount: Int
  /// Tokens of a chunk; 0 where the file does not tell.
  public var chunkSize: Int

  public init(entries: [String: Entry], texts: [String], chunkCount: Int, chunkSize: Int) {
    self.entries = entries
    self.texts = texts
    self.chunkCount = chunkCount
    self.chunkSize = chunkSize
  }

  /// The mean of x² for each column of a matrix, [columns]; nil where the matrix is not known, or no token of it was counted.
  ///
  /// - Throws: ``ImportanceError/otherModel(tensor:expected:found:)`` for a matrix with another number of columns,
  ///   ``ImportanceError/notFinite(tensor:)``.
  func importance(of tensor: String, columns: Int) throws(ImportanceError) -> [Float]? {
    guard let entry = entries[WeightRole.importanceName(of: tensor)] else { return nil }
    guard entry.sums.count == columns, entry.counts.count == 1 else {
      throw .otherModel(tensor: tensor, expected: columns, found: entry.sums.count / max(entry.counts.count, 1))
    }
    guard entry.sums.allSatisfy({ $0.isFinite && $0 >= 0 }), entry.counts[0].isFinite else {
      throw .notFinite(tensor: tensor)
    }
    guard entry.counts[0] > 0 else { return nil }
    return entry.sums.map { $0 / entry.counts[0] }
  }
}

/// Why an importance matrix cannot be used.
public enum ImportanceError: Error, Equatable, CustomStringConvertible {
  case notImportance(path: String)
  case damaged(path: String, reason: String)
  case empty(path: String)
  case otherModel(tensor: String, expected: Int, found: Int)
  case noneOfThese(path: String)
  case notFinite(tensor: String)

  public var description: String {
    switch self {
    case .notImportance(let path):
      "\"\(path)\" is no importance matrix: neither a GGUF file with in_sum2 and counts nor a file of the older format."
    case .damaged(let path, let reason):
      "The importance matrix \"\(path)\" is damaged: \(reason)."
    case .empty(let path):
      "The importance matrix \"\(path)\" is of no tensor."
    case .otherModel(let tensor, let expected, let found):
      "The importance matrix is of another model: it has \(found) columns for \"\(tensor)\", expected \(expected)."
    case .noneOfThese(let path):
      "The importance matrix \"\(path)\" is of another model: it knows none of the weights to quantise."
    case .notFinite(let tensor):
      "The importance matrix holds a value for \"\(tensor)\" that is negative, infinite or not a number."
    }
  }
}

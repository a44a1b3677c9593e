import PowerInferKernels

/// Why an engine cannot be made, or a pass not be run.
public enum EngineError: Error, Equatable, CustomStringConvertible {
  // Options
  case invalidOption(String, value: Int, expected: String)
  case contextTooLarge(tokens: Int, bytes: Int)
  case noSuchPositions(contextSize: Int, learned: Int)
  case workspaceTooLarge(batchSize: Int, threads: Int, contextSize: Int, bytes: Int)
  case cacheFormat(CacheFormat, headSize: Int)
  case cacheLimitTooSmall(bytes: Int, needed: Int, contextSize: Int)
  // Batches
  case noTokens
  case unknownToken(Int32, vocabularySize: Int)
  case contextFull(position: Int, adding: Int, contextSize: Int)
  case tooManyRows(Int, most: Int)
  case wrongPosition(Int, expected: Int)
  case wantedOutside(Range<Int>, tokens: Int)
  // Sequences
  case unknownSequence
  case sequenceClosed
  // Memory
  case cacheFull(pages: Int, bytes: Int)
  case outOfCacheMemory(bytes: Int)
  // Use
  case engineBusy
  case noHiddenStates

  public var description: String {
    switch self {
    case .invalidOption(let name, let value, let expected):
      return "The \(name) is \(value), expected \(expected)."
    case .contextTooLarge(let tokens, let bytes):
      return "A context of \(tokens) tokens needs \(bytes) bytes of key/value cache, more than this machine gives."
    case .noSuchPositions(let contextSize, let learned):
      return
        "The context size is \(contextSize), expected at most \(learned): the model has no learned positions past that."
    case .workspaceTooLarge(let batchSize, let threads, let contextSize, let bytes):
      return
        "Batches of \(batchSize) tokens with \(threads) threads and a context of \(contextSize) tokens need \(bytes) bytes "
        + "of working memory, more than this machine gives."
    case .cacheFormat(let format, let headSize):
      return
        "The cache format \(format.rawValue) needs a head size that is a multiple of \(format.storage.blockElements), but "
        + "this model's is \(headSize)."
    case .cacheLimitTooSmall(let bytes, let needed, let contextSize):
      return
        "The key/value cache may take \(bytes) bytes, but one context of \(contextSize) tokens needs \(needed)."
    case .noTokens:
      return "There are no tokens to evaluate, expected at least one."
    case .unknownToken(let id, let vocabularySize):
      return "Token id \(id) is not in the vocabulary, expected 0 to \(vocabularySize - 1)."
    case .contextFull(let position, let adding, let contextSize):
      return "\(adding) more tokens after \(position) do not fit the context of \(contextSize) tokens."
    case .tooManyRows(let rows, let most):
      return "The batch has \(rows) rows, expected at most \(most)."
    case .wrongPosition(let position, let expected):
      return "The batch goes on from position \(position) of a sequence, expected \(expected)."
    case .wantedOutside(let range, let tokens):
      return
        "Logits of tokens \(range.lowerBound)..<\(range.upperBound) of a piece are wanted, expected a part of 0..<\(tokens)."
    case .unknownSequence:
      return "The batch names a sequence that this engine does not have."
    case .sequenceClosed:
      return "The sequence was closed and cannot be used any more."
    case .cacheFull(let pages, let bytes):
      return "The key/value cache is full: all of its \(pages) pages (\(bytes) bytes) are in use."
    case .outOfCacheMemory(let bytes):
      return "A page of the key/value cache needs \(bytes) bytes, more than this machine gives."
    case .engineBusy:
      return "The engine was called from inside one of its own calls, which would wait for itself."
    case .noHiddenStates:
      return
        "Embeddings need the last layer's outputs, which this executor does not give; expected the processor's (--gpu none)."
    }
  }
}

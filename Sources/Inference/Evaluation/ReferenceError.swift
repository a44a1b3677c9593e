/// Why a file of a reference's predictions is of no use here.
public enum ReferenceError: Error, Equatable, CustomStringConvertible {
  // What the file is.
  case foreign(path: String)
  case unknownVersion(path: String, found: UInt32)
  case wrongLength(path: String, expected: UInt64, found: Int)
  case damagedHeader(path: String)
  case damagedChunk(path: String, chunk: Int)

  // What it was made from.
  case otherVocabularySize(path: String, found: Int, expected: Int)
  case otherVocabulary(path: String)
  case otherText(path: String, position: Int)
  case shorterText(path: String, expected: Int, found: Int)
  case otherContextSize(path: String, expected: Int, found: Int)

  public var description: String {
    switch self {
    case .foreign(let path):
      "\"\(path)\" is no file of saved logits: it does not start with \"PIREFLOG\"."
    case .unknownVersion(let path, let found):
      "\"\(path)\" is of version \(found) of saved logits; this program reads version \(ReferenceFormat.version)."
    case .wrongLength(let path, let expected, let found):
      "\"\(path)\" should have \(expected) bytes by its header, but it has \(found); it was cut off or changed."
    case .damagedHeader(let path):
      "\"\(path)\" is damaged: its header does not have the checksum that it should."
    case .damagedChunk(let path, let chunk):
      "\"\(path)\" is damaged: chunk \(chunk + 1) does not have the checksum that it should."
    case .otherVocabularySize(let path, let found, let expected):
      "\"\(path)\" was saved from a model with a vocabulary of \(found) tokens, but this model's has \(expected)."
    case .otherVocabulary(let path):
      "\"\(path)\" was saved from a model with another vocabulary of the same size."
    case .otherText(let path, let position):
      "\"\(path)\" was saved from another text: token \(position) is not the same."
    case .shorterText(let path, let expected, let found):
      "\"\(path)\" was saved from another text: it has \(expected) tokens in whole chunks, this one \(found)."
    case .otherContextSize(let path, let expected, let found):
      "\"\(path)\" was saved with a context of \(expected) tokens, but \(found) was asked for."
    }
  }
}

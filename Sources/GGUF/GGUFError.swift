public import PowerInferPlatform

/// What is wrong with a GGUF file, or with how it was asked.
public enum GGUFError: Error, Equatable, CustomStringConvertible {
  // The file itself.
  case file(FileError)
  indirect case inFile(path: String, reason: GGUFError)

  // The header.
  case empty
  case notGGUF(found: [UInt8])
  case oldFormat(name: String)
  case bigEndian
  case unsupportedVersion(UInt32)
  case truncated(reading: String, offset: Int, needed: UInt64, left: Int)
  case implausibleCount(of: String, count: UInt64, left: Int)

  // Metadata.
  case longName(of: String, bytes: UInt64)
  case invalidName(of: String)
  case duplicateKey(String)
  case unknownValueType(key: String, id: UInt32)
  case nestedArray(key: String)
  case missingKey(String)
  case wrongType(key: String, expected: String, found: String)
  case outOfRange(key: String, value: String)
  case badAlignment(String)

  // Tensors.
  case duplicateTensor(String)
  case dimensionCount(tensor: String, count: UInt32)
  case zeroDimension(tensor: String, dimension: Int)
  case tooLarge(tensor: String)
  case unknownTensorType(tensor: String, id: UInt32)
  case partialBlock(tensor: String, type: TensorType, row: Int)
  case misaligned(tensor: String, offset: UInt64, alignment: Int)
  case tensorPastEnd(tensor: String, offset: UInt64, bytes: Int, available: Int)
  case overlap(first: String, second: String)
  case missingTensor(String)

  // Split files.
  case splitName(path: String, count: Int)
  case splitMetadata(expectedPart: Int, expectedCount: Int, part: Int, count: Int)
  case missingPart(path: String, part: Int, count: Int)
  case splitTensorCount(expected: Int, found: Int)

  // Writing.
  case tooMuchData(tensor: String, expected: Int)
  case tooLittleData(tensor: String, expected: Int, written: Int)

  public var description: String {
    switch self {
    case .file(let error):
      error.description
    case .inFile(let path, let reason):
      "\(shown(path)): \(reason)"
    case .empty:
      "The file is empty, where a GGUF file was expected."
    case .notGGUF(let found):
      "This is not a GGUF file: it starts with the bytes \(hexadecimal(found)), "
        + "where 47 47 55 46 (\"GGUF\") or 50 57 52 49 (\"PWRI\") was expected."
    case .oldFormat(let name):
      "This is a file of the older format \(name), from before GGUF; it has to be converted from the original model "
        + "again."
    case .bigEndian:
      "This GGUF file is big-endian; only little-endian files can be read."
    case .unsupportedVersion(let version):
      "This is a GGUF file of version \(version); only versions 2 and 3 can be read."
    case .truncated(let reading, let offset, let needed, let left):
      "The file ends too early: \(reading) at offset \(offset) takes \(counted(needed, "byte")), "
        + "but \(left == 1 ? "1 is" : "\(left) are") left."
    case .implausibleCount(let what, let count, let left):
      "The file announces \(count) \(what), more than the \(counted(UInt64(left), "byte")) that follow can hold."
    case .longName(let what, let bytes):
      "\(what) is \(bytes) bytes long; at most \(GGUFError.longestName) are allowed."
    case .invalidName(let what):
      "\(what) is not valid UTF-8."
    case .duplicateKey(let key):
      "The metadata key \(shown(key)) appears twice."
    case .unknownValueType(let key, let id):
      "The metadata key \(shown(key)) has the unknown value type \(id); types 0 to 12 are known."
    case .nestedArray(let key):
      "The metadata key \(shown(key)) holds an array of arrays, which cannot be read."
    case .missingKey(let key):
      "The metadata key \(shown(key)) is missing."
    case .wrongType(let key, let expected, let found):
      "The metadata key \(shown(key)) holds \(found), where \(expected) was expected."
    case .outOfRange(let key, let value):
      "The metadata key \(shown(key)) holds \(value), which is out of range."
    case .badAlignment(let found):
      "The metadata key \"general.alignment\" holds \(found), where a power of two from 8 on was expected."
    case .duplicateTensor(let tensor):
      "The tensor \(shown(tensor)) appears twice."
    case .dimensionCount(let tensor, let count):
      "The tensor \(shown(tensor)) has \(count) dimensions, where 1 to 4 were expected."
    case .zeroDimension(let tensor, let dimension):
      "The tensor \(shown(tensor)) has no elements: its dimension \(dimension) is 0."
    case .tooLarge(let tensor):
      "The tensor \(shown(tensor)) has more elements than can be counted."
    case .unknownTensorType(let tensor, let id):
      "The tensor \(shown(tensor)) has the unknown type \(id)."
    case .partialBlock(let tensor, let type, let row):
      "The tensor \(shown(tensor)) has rows of \(counted(UInt64(clamping: row), "element")), "
        + "where \(type.name) needs a multiple of \(type.blockElements)."
    case .misaligned(let tensor, let offset, let alignment):
      "The tensor \(shown(tensor)) starts at offset \(offset), which is not a multiple of the alignment \(alignment)."
    case .tensorPastEnd(let tensor, let offset, let bytes, let available):
      "The tensor \(shown(tensor)) takes \(counted(UInt64(clamping: bytes), "byte")) from offset \(offset), "
        + "past the end of the tensor data (\(counted(UInt64(clamping: available), "byte")))."
    case .overlap(let first, let second):
      "The tensors \(shown(first)) and \(shown(second)) overlap."
    case .missingTensor(let tensor):
      "The tensor \(shown(tensor)) is missing."
    case .splitName(let path, let count):
      "\(shown(path)) is one of \(count) parts of a model, but its name does not end in the "
        + "\"-00001-of-\(paddedPart(count)).gguf\" by which the others are found."
    case .splitMetadata(let expectedPart, let expectedCount, let part, let count):
      "The file says it is part \(part) of \(count), where part \(expectedPart) of \(expectedCount) was expected."
    case .missingPart(let path, let part, let count):
      "Part \(part) of \(count) of the model is missing: there is no file \(shown(path))."
    case .splitTensorCount(let expected, let found):
      "The parts of the model hold \(counted(UInt64(clamping: found), "tensor")), where \(expected) were expected."
    case .tooMuchData(let tensor, let expected):
      tensor.isEmpty
        ? "More data was written than the tensors take."
        : "More than the \(counted(UInt64(clamping: expected), "byte")) of the tensor \(shown(tensor)) were written."
    case .tooLittleData(let tensor, let expected, let written):
      "Of the \(counted(UInt64(clamping: expected), "byte")) of the tensor \(shown(tensor)) only \(written) were "
        + "written."
    }
  }

  /// The format's own limit for a key; tensor names are shorter everywhere.
  static let longestName = 65_535
}

/// A text from a file as a message shows it: quoted, without control characters, at most `limit` characters of it.
package func shown(_ text: String, limit: Int = 200) -> String { quoted(text, limit: limit) }

private func counted(_ count: UInt64, _ noun: String) -> String {
  count == 1 ? "1 \(noun)" : "\(count) \(noun)s"
}

private func hexadecimal(_ bytes: [UInt8]) -> String {
  bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
}

/// A part's number in a file name: at least five digits.
func paddedPart(_ number: Int) -> String {
  let digits = String(number)
  return String(repeating: "0", count: max(0, 5 - digits.count)) + digits
}

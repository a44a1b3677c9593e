// Models published in parts: "model-00001-of-00003.gguf", each a file of its own, the metadata in the first.

import PowerInferPlatform

/// The names of all parts, from the name of one.
struct SplitName {
  let paths: [String]
  /// The number of the part that the given name stands for, from 1.
  let part: Int

  /// Takes the name apart.
  ///
  /// - Parameter count: how many parts the file says there are.
  init(_ path: String, count: Int) throws(GGUFError) {
    let ending = "-of-\(paddedPart(count)).gguf"
    guard path.hasSuffix(ending) else { throw .splitName(path: path, count: count) }
    let stem = path.dropLast(ending.count)
    let digits = stem.reversed().prefix { $0.isASCII && $0.isNumber }.reversed()
    let prefix = stem.dropLast(digits.count)
    guard prefix.hasSuffix("-"), let part = Int(String(digits)), paddedPart(part) == String(digits),
      (1...count).contains(part)
    else { throw .splitName(path: path, count: count) }
    self.part = part
    paths = (1...count).map { prefix + paddedPart($0) + ending }
  }
}

extension FilePart {
  /// How many parts the model has; 1 for a file that is not split.
  func splitCount(_ path: String) throws(GGUFError) -> Int {
    do throws(GGUFError) {
      guard let count = try metadata.integer("split.count") else { return 1 }
      // More parts than five digits can number are no model but a damaged number.
      guard (1...99_999).contains(count) else {
        throw .outOfRange(key: "split.count", value: "the number \(count)")
      }
      return count
    } catch {
      throw .inFile(path: path, reason: error)
    }
  }
}

extension GGUFFile {
  /// Maps all parts in order, the first one first whichever was given.
  static func mapSplit(
    _ path: String, _ given: FilePart, count: Int
  ) throws(GGUFError) -> [FilePart] {
    let name = try SplitName(path, count: count)
    var parts: [FilePart] = []
    for (index, partPath) in name.paths.enumerated() {
      let part: FilePart
      if index + 1 == name.part {
        part = given
      } else {
        do throws(GGUFError) {
          part = try map(partPath)
        } catch {
          guard case .file(.missing) = error else { throw error }
          throw .missingPart(path: partPath, part: index + 1, count: count)
        }
      }
      do throws(GGUFError) {
        let number = try part.metadata.integer("split.no") ?? index
        let total = try part.splitCount(partPath)
        guard number == index, total == count else {
          throw .splitMetadata(
            expectedPart: index + 1, expectedCount: count, part: number &+ 1, count: total)
        }
      } catch {
        if case .inFile = error { throw error }
        throw .inFile(path: partPath, reason: error)
      }
      parts.append(part)
    }
    if let expected = try parts.first?.metadata.integer("split.tensors.count") {
      let found = parts.reduce(0) { $0 + $1.tensors.count }
      guard expected == found else { throw .splitTensorCount(expected: expected, found: found) }
    }
    return parts
  }
}

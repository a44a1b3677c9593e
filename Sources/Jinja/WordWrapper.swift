/// Breaks one line of text as Python's `textwrap.wrap` does, keeping tabs and other space as they are.
struct WordWrapper {
  let width: Int
  let breaksLongWords: Bool
  let breaksHyphens: Bool

  private typealias Scalars = [Unicode.Scalar]

  func wrap(_ text: String) -> [String] {
    var chunks = chunks(of: Array(text.unicodeScalars))[...]
    var lines: [String] = []
    while !chunks.isEmpty {
      if isSpace(chunks[chunks.startIndex]), !lines.isEmpty { chunks.removeFirst() }
      var line: [Scalars] = []
      var length = 0
      while let next = chunks.first, length + next.count <= width {
        line.append(next)
        length += next.count
        chunks.removeFirst()
      }
      if let long = chunks.first, long.count > width {
        let room = max(width - length, 1)
        if breaksLongWords {
          let cut = hyphenCut(long, room) ?? room
          line.append(Array(long.prefix(cut)))
          chunks[chunks.startIndex] = Array(long.dropFirst(cut))
        } else if line.isEmpty {
          line.append(long)
          chunks.removeFirst()
        }
      }
      if let last = line.last, isSpace(last) { line.removeLast() }
      if !line.isEmpty { lines.append(String(scalars: line.joined())) }
    }
    return lines
  }

  /// A long word is rather broken after a hyphen that follows something else than hyphens.
  private func hyphenCut(_ word: Scalars, _ room: Int) -> Int? {
    guard breaksHyphens, word.count > room, let hyphen = word.prefix(room).lastIndex(of: "-"), hyphen > 0,
      word[..<hyphen].contains(where: { $0 != "-" })
    else { return nil }
    return hyphen + 1
  }

  private func isSpace(_ chunk: Scalars) -> Bool { chunk.allSatisfy(isSpace) }
  private func isSpace(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x20, 0x09...0x0D: true
    default: false
    }
  }

  /// Words and the space between them; words also end after a hyphen between letters.
  private func chunks(of text: Scalars) -> [Scalars] {
    var result: [Scalars] = []
    var start = 0
    var index = 0
    func isLetter(_ position: Int) -> Bool { text.indices.contains(position) && text[position].isPythonLetter }
    while index < text.count {
      index += 1
      let isEnd =
        index == text.count || isSpace(text[index]) != isSpace(text[index - 1])
        || (breaksHyphens && text[index - 1] == "-" && isLetter(index - 2) && isLetter(index - 3) && isLetter(index)
          && isLetter(index + 1))
      if isEnd {
        result.append(Array(text[start..<index]))
        start = index
      }
    }
    return result
  }
}

/// Breaks one line of text as Python's `textwrap.wrap` does, keeping tabs and other space as they are.
struct WordWrapper {
  let width: Int
  let breaksLongWords: Bool
  let breaksHyphens: Bool

  /// Slices, so that cutting pieces off a long word does not copy the rest of it.
  private typealias Chunk = ArraySlice<Letter>

  func wrap(_ text: Text) -> [Text] {
    var chunks = chunks(of: text.letters)[...]
    var lines: [Text] = []
    while !chunks.isEmpty {
      if isSpace(chunks[chunks.startIndex]), !lines.isEmpty { chunks.removeFirst() }
      var line: [Chunk] = []
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
          line.append(long.prefix(cut))
          chunks[chunks.startIndex] = long.dropFirst(cut)
        } else if line.isEmpty {
          line.append(long)
          chunks.removeFirst()
        }
      }
      if let last = line.last, isSpace(last) { line.removeLast() }
      if !line.isEmpty { lines.append(Text(line.joined())) }
    }
    return lines
  }

  /// A long word is rather broken after a hyphen that follows something else than hyphens.
  private func hyphenCut(_ word: Chunk, _ room: Int) -> Int? {
    guard breaksHyphens, word.count > room, let hyphen = word.prefix(room).lastIndex(where: { $0.scalar == "-" }),
      hyphen > word.startIndex, word[..<hyphen].contains(where: { $0.scalar != "-" })
    else { return nil }
    return hyphen + 1 - word.startIndex
  }

  private func isSpace(_ chunk: Chunk) -> Bool { chunk.allSatisfy(isSpace) }
  private func isSpace(_ letter: Letter) -> Bool {
    switch letter.scalar.value {
    case 0x20, 0x09...0x0D: true
    default: false
    }
  }

  /// Words and the space between them; words also end after a hyphen between letters.
  private func chunks(of text: [Letter]) -> [Chunk] {
    var result: [Chunk] = []
    var start = 0
    var index = 0
    func isLetter(_ position: Int) -> Bool { text.indices.contains(position) && text[position].scalar.isPythonLetter }
    while index < text.count {
      index += 1
      let isEnd =
        index == text.count || isSpace(text[index]) != isSpace(text[index - 1])
        || (breaksHyphens && text[index - 1].scalar == "-" && isLetter(index - 2) && isLetter(index - 3)
          && isLetter(index)
          && isLetter(index + 1))
      if isEnd {
        result.append(text[start..<index])
        start = index
      }
    }
    return result
  }
}

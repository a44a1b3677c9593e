import Testing

@testable import PowerInfer

@Suite struct StopStringTests {
  /// Feeds the pieces and gives what came out and the stop string.
  private func run(_ pieces: [String], stops: [String]) -> (text: String, stop: String?) {
    var matcher = StopStringMatcher(stops)
    var text = ""
    for piece in pieces {
      let step = matcher.append(piece)
      text += step.text
      if let stop = step.stop { return (text, stop) }
    }
    return (text + matcher.finish(), nil)
  }

  @Test func aStopStringOverSeveralPiecesNeverShows() {
    var matcher = StopStringMatcher(["<|end|>"])
    #expect(matcher.append("Hello <") == .init(text: "Hello "))
    #expect(matcher.append("|en") == .init(text: ""))
    #expect(matcher.append("d|> more") == .init(text: "", stop: "<|end|>"))
  }

  @Test func whatIsNoStopStringAfterAllIsGivenOut() {
    var matcher = StopStringMatcher(["<|end|>"])
    #expect(matcher.append("a <|e") == .init(text: "a "))
    #expect(matcher.append("ast <") == .init(text: "<|east "))
    #expect(matcher.finish() == "<")
    #expect(matcher.finish() == "")
  }

  @Test func aRepeatedStartFallsBackToItsLaterStart() {
    #expect(run(["aa", "a", "b!"], stops: ["aab"]) == ("a", "aab"))
    #expect(run(["abab", "abc"], stops: ["ababc"]) == ("ab", "ababc"))
  }

  @Test func withoutStopStringsEverythingPasses() {
    var matcher = StopStringMatcher([])
    #expect(matcher.append("any") == .init(text: "any"))
    #expect(matcher.finish() == "")
  }

  @Test func aNewlineInsideACharacterIsFound() {
    #expect(run(["one\r", "\ntwo"], stops: ["\n"]) == ("one\r", "\n"))
    #expect(run(["e\u{301}x"], stops: ["\u{301}"]) == ("e", "\u{301}"))
  }

  @Test func theOneThatIsCompleteFirstWins() {
    #expect(run(["abcd"], stops: ["abcd", "bc"]) == ("a", "bc"))
    #expect(run(["xyz"], stops: ["z", "yz"]) == ("x", "yz"))
  }

  /// Random texts over two letters, cut at random, against a search of the whole text for the match that ends first.
  @Test func theResultDoesNotDependOnThePieces() {
    var random = SplitMix64(seed: 11)
    var matches = 0
    for _ in 0..<3000 {
      func word(_ most: UInt64) -> String {
        String((0...random.next() % most).map { _ in random.next() % 2 == 0 ? "a" : "é" })
      }
      let text = word(14)
      let stops = (0...random.next() % 2).map { _ in word(4) }
      var expected: (text: String, stop: String?) = (text, nil)
      let letters = Array(text)
      search: for end in 1...letters.count {
        for start in 0..<end where stops.contains(String(letters[start..<end])) {
          expected = (String(letters[..<start]), String(letters[start..<end]))
          matches += 1
          break search
        }
      }
      var pieces: [String] = [""]
      for letter in letters {
        if random.next() % 2 == 0 { pieces.append("") }
        pieces[pieces.count - 1].append(letter)
      }
      #expect(run(pieces, stops: stops) == expected, "\(pieces) \(stops)")
    }
    #expect(matches > 500)
  }
}

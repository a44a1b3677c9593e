import PowerInfer
import Testing

@Suite struct GeneratorTests {
  private let vocabulary = AsciiVocabulary()

  private func generator(_ evaluator: ScriptedEvaluator, now: @escaping () -> Double = { 0 }) throws -> Generator {
    Generator(evaluator: evaluator, vocabulary: vocabulary, sampler: try Sampler(.greedy), now: now)
  }

  private func options(max: Int? = nil, stop: [String] = []) -> GenerationOptions {
    var options = GenerationOptions()
    options.maxTokens = max
    options.stopStrings = stop
    return options
  }

  @Test func goesOnUntilTheModelEnds() throws {
    let evaluator = ScriptedEvaluator()
    evaluator.next = [Int32(UInt8(ascii: "e")): 0]
    var pieces: [String] = []
    let result = try generator(evaluator).generate(vocabulary.encode("ab")) { pieces.append($0) }
    #expect(pieces == ["c", "d", "e"])
    #expect(result.text == "cde")
    #expect(result.finishReason == .stop)
    #expect(result.tokens == [99, 100, 101, 0])
    #expect(evaluator.reads == [[97, 98], [99], [100], [101]])
  }

  @Test func stopsAtTheMostTokensWithoutReadingTheLast() throws {
    let evaluator = ScriptedEvaluator()
    let result = try generator(evaluator).generate(vocabulary.encode("ab"), options: options(max: 2))
    #expect(result.text == "cd")
    #expect(result.finishReason == .length)
    #expect(evaluator.reads == [[97, 98], [99]])
  }

  @Test func noTokensMayBeAskedFor() throws {
    let evaluator = ScriptedEvaluator()
    let result = try generator(evaluator).generate(vocabulary.encode("ab"), options: options(max: 0))
    #expect(result.text == "" && result.tokens.isEmpty && result.finishReason == .length)
    #expect(result.statistics.promptTokens == 2 && result.statistics.timeToFirstToken == nil)
  }

  @Test func aStopStringEndsTheAnswerAndNeverShows() throws {
    var pieces: [String] = []
    let result = try generator(ScriptedEvaluator()).generate(
      vocabulary.encode("ab"), options: options(stop: ["zz", "fgh"])
    ) { pieces.append($0) }
    #expect(pieces.joined() == "cde")
    #expect(result.text == "cde")
    #expect(result.finishReason == .stopString && result.stopString == "fgh")
  }

  @Test func heldBackTextComesWhenTheModelEnds() throws {
    let evaluator = ScriptedEvaluator()
    evaluator.next = [Int32(UInt8(ascii: "f")): 0]
    let result = try generator(evaluator).generate(vocabulary.encode("b"), options: options(stop: ["efg"]))
    #expect(result.text == "cdef")
    #expect(result.finishReason == .stop && result.stopString == nil)
  }

  @Test func halfACharacterWaitsForItsOtherHalf() throws {
    let evaluator = ScriptedEvaluator()
    evaluator.next = [97: 1, 1: 2, 2: 98, 98: 1]
    var pieces: [String] = []
    let result = try generator(evaluator).generate([97], options: options(max: 4)) { pieces.append($0) }
    #expect(pieces == ["é", "b", "\u{FFFD}"])
    #expect(result.text == "éb\u{FFFD}")
  }

  @Test func endTokensCanBeForbidden() throws {
    let evaluator = ScriptedEvaluator()
    evaluator.next = [98: 0]
    var options = options(max: 2)
    options.ignoreEndOfGeneration = true
    let result = try generator(evaluator).generate([98], options: options)
    #expect(result.finishReason == .length)
    #expect(!result.tokens.contains(0))
    #expect(result.tokens.count == 2)
  }

  @Test func aFullContextEndsTheAnswerAndSaysSo() throws {
    let evaluator = ScriptedEvaluator(contextSize: 5)
    let result = try generator(evaluator).generate(vocabulary.encode("abc"))
    // Two answer tokens fit into the memory; the third is chosen but there is no room to go on from it.
    #expect(result.text == "def")
    #expect(result.finishReason == .contextFull)
    #expect(evaluator.position == 5)
  }

  @Test func aFullContextCanSlide() throws {
    let evaluator = ScriptedEvaluator(contextSize: 6)
    var options = options(max: 5)
    options.contextPolicy = .slide(keep: 2)
    let result = try generator(evaluator).generate(vocabulary.encode("abcd"), options: options)
    #expect(result.text == "efghi")
    #expect(result.contextSlides == 1)
    // "abcdef" is full when "g" must go in: "ab" stays, of "cdef" the newer half does.
    #expect(evaluator.reads == [[97, 98, 99, 100], [101], [102], [101, 102, 103], [104]])
    #expect(evaluator.tokens == vocabulary.encode("abefgh"))
  }

  @Test func thePromptMayLeaveRoomForOneToken() throws {
    let evaluator = ScriptedEvaluator(contextSize: 4)
    let result = try generator(evaluator).generate(vocabulary.encode("abc"))
    // One answer token fits into the memory; the second is chosen but there is no room to go on from it.
    #expect(result.text == "de" && result.finishReason == .contextFull)
    #expect(evaluator.position == 4)
  }

  @Test func aContextOfOneTokenHasNoRoomForAnAnswer() throws {
    let generator = try generator(ScriptedEvaluator(contextSize: 1))
    #expect(throws: GenerationError.promptTooLong(tokens: 1, contextSize: 1)) { try generator.generate([97]) }
    var sliding = GenerationOptions()
    sliding.contextPolicy = .slide(keep: 0)
    #expect(throws: GenerationError.promptTooLong(tokens: 1, contextSize: 1)) {
      try generator.generate([97], options: sliding)
    }
  }

  @Test func theSmallestContextSlidesOnAndOn() throws {
    let evaluator = ScriptedEvaluator(contextSize: 2)
    var sliding = options(max: 6)
    sliding.contextPolicy = .slide(keep: 0)
    let result = try generator(evaluator).generate([97], options: sliding)
    #expect(result.text == "bcdefg" && result.finishReason == .length)
    #expect(result.contextSlides == 4 && evaluator.tokens == vocabulary.encode("ef"))
  }

  @Test func promptsThatCannotBeAnsweredAreSentences() throws {
    let generator = try generator(ScriptedEvaluator(contextSize: 4))
    func message(_ prompt: [Int32], _ options: GenerationOptions = GenerationOptions()) -> String? {
      do {
        _ = try generator.generate(prompt, options: options)
        return nil
      } catch {
        return "\(error)"
      }
    }
    #expect(message([]) == "The prompt is empty: at least one token is needed to go on from.")
    #expect(
      message([1, 2, 3, 4])
        == "The prompt has 4 tokens, but the context holds 4 and the answer needs room too.")
    #expect(
      message([1], options(stop: ["a", ""])) == "A stop string must have at least one character, but one is empty.")
    #expect(message([1], options(max: -1)) == "The number of tokens to generate must be 0 or more, but it is -1.")
    var sliding = GenerationOptions()
    sliding.contextPolicy = .slide(keep: 3)
    #expect(
      message([1], sliding)
        == "The number of tokens to keep must leave room in the context of 4 tokens, but it is 3.")
    sliding.contextPolicy = .slide(keep: -2)
    #expect(message([1], sliding) == "The number of tokens to keep must be -1 (the prompt), 0 or more, but it is -2.")
    #expect(message([97, 98, 99], options(max: 1)) == nil)
  }

  @Test func whatAPromptSharesWithTheLastIsNotReadAgain() throws {
    let evaluator = ScriptedEvaluator()
    let generator = try generator(evaluator)
    _ = try generator.generate(vocabulary.encode("abc"), options: options(max: 3))  // the memory holds "abcde"
    let second = try generator.generate(vocabulary.encode("abcdxy"), options: options(max: 1))
    #expect(evaluator.reads.last == vocabulary.encode("xy"))
    #expect(second.statistics.promptTokens == 6 && second.statistics.reusedTokens == 4)
    // The same prompt again reads its last token, for the logits.
    let third = try generator.generate(vocabulary.encode("abcdxy"), options: options(max: 1))
    #expect(evaluator.reads.last == vocabulary.encode("y"))
    #expect(third.text == second.text && third.statistics.reusedTokens == 5)
    // Nothing shared.
    _ = try generator.generate(vocabulary.encode("q"), options: options(max: 1))
    #expect(evaluator.tokens == vocabulary.encode("q"))
    generator.forget()
    #expect(evaluator.position == 0)
  }

  @Test func aMemoryThatSomebodyElseUsedIsReadAnew() throws {
    let evaluator = ScriptedEvaluator()
    let generator = try generator(evaluator)
    _ = try generator.generate(vocabulary.encode("abc"), options: options(max: 1))
    try evaluator.evaluate([5], phase: .decode, progress: nil) { _ in }
    _ = try generator.generate(vocabulary.encode("abc"), options: options(max: 1))
    #expect(evaluator.reads.last == vocabulary.encode("abc"))
  }

  @Test func cancellingAnAnswerKeepsWhatCame() throws {
    let flag = CancellationFlag()
    let result = try generator(ScriptedEvaluator()).generate([97], cancellation: flag) { piece in
      if piece == "d" { flag.raise() }
    }
    #expect(result.text == "bcd")
    #expect(result.finishReason == .cancelled)
    #expect(flag.raise())
    flag.lower()
    #expect(!flag.isRaised)
  }

  @Test func cancellingAPromptKeepsWhatWasRead() throws {
    let evaluator = ScriptedEvaluator()
    let generator = try generator(evaluator)
    let flag = CancellationFlag()
    var reports: [String] = []
    let result = try generator.generate(
      vocabulary.encode("abcdefghij"), cancellation: flag,
      onProgress: { done, all in
        reports.append("\(done)/\(all)")
        if done == 8 { flag.raise() }
      })
    #expect(reports == ["4/10", "8/10"])
    #expect(result.finishReason == .cancelled && result.text == "" && result.tokens.isEmpty)
    flag.lower()
    let again = try generator.generate(vocabulary.encode("abcdefghij"), options: options(max: 1), cancellation: flag)
    #expect(again.statistics.reusedTokens == 8 && again.text == "k")
  }

  @Test func cancellingAPromptCountsWhatWasRead() throws {
    let generator = try generator(ScriptedEvaluator())
    let flag = CancellationFlag()
    _ = try generator.generate(vocabulary.encode("ab"), options: options(max: 0))
    let result = try generator.generate(
      vocabulary.encode("abcdefghijkl"), cancellation: flag, onProgress: { _, _ in flag.raise() })
    #expect(result.finishReason == .cancelled)
    #expect(result.statistics.promptTokens == 12 && result.statistics.reusedTokens == 2)
    #expect(result.statistics.readTokens == 4)
  }

  @Test func aClientThatIsGoneLosesNothingThatWasRead() throws {
    struct Gone: Error {}
    let evaluator = ScriptedEvaluator()
    let generator = try generator(evaluator)
    #expect(throws: Gone.self) {
      try generator.generate(vocabulary.encode("abcdef"), options: options(max: 9)) { piece in
        if piece == "h" { throw Gone() }
      }
    }
    #expect(evaluator.tokens == vocabulary.encode("abcdefg"))
    let again = try generator.generate(vocabulary.encode("abcdefg"), options: options(max: 1))
    #expect(again.statistics.reusedTokens == 6 && again.text == "h")
  }

  @Test func aSlideCanBeCancelledAndIsReported() throws {
    let evaluator = ScriptedEvaluator(contextSize: 20)
    evaluator.batchSize = 2
    let generator = try generator(evaluator)
    let flag = CancellationFlag()
    var options = options(max: 50)
    options.contextPolicy = .slide(keep: 2)
    var reports: [String] = []
    let result = try generator.generate(
      vocabulary.encode("ABCDEFGHIJKLMNOPQRS"), options: options, cancellation: flag,
      onProgress: { done, all in
        reports.append("\(done)/\(all)")
        if all == 10, done == 4 { flag.raise() }
      })
    #expect(reports.suffix(2) == ["2/10", "4/10"])
    #expect(result.finishReason == .cancelled && result.contextSlides == 1 && result.text == "TU")
    // What was read again by then stays, and counts as read.
    #expect(evaluator.tokens == vocabulary.encode("ABLMNO"))
    flag.lower()
    let next = try generator.generate(vocabulary.encode("ABLMNOP"), options: self.options(max: 1), cancellation: flag)
    #expect(next.statistics.reusedTokens == 6)
  }

  @Test func anErrorEmptiesTheMemory() throws {
    struct Broken: Error {}
    let evaluator = ScriptedEvaluator()
    let generator = try generator(evaluator)
    _ = try generator.generate(vocabulary.encode("abc"), options: options(max: 1))
    evaluator.failure = Broken()
    #expect(throws: Broken.self) { try generator.generate(vocabulary.encode("abcd")) }
    evaluator.failure = nil
    #expect(evaluator.position == 0)
    let result = try generator.generate(vocabulary.encode("abc"), options: options(max: 1))
    #expect(result.text == "d" && result.statistics.reusedTokens == 0)
  }

  @Test func statisticsCountTokensAndTime() throws {
    var time = 0.0
    // The clock is read at the start, after the prompt, and after each token.
    let generator = try generator(ScriptedEvaluator()) {
      time += 2
      return time
    }
    let statistics = try generator.generate(vocabulary.encode("abcdef"), options: options(max: 5)).statistics
    #expect(statistics.promptTokens == 6 && statistics.generatedTokens == 5)
    #expect(statistics.promptTime == 2 && statistics.promptTokensPerSecond == 3)
    #expect(statistics.timeToFirstToken == 4)
    #expect(statistics.decodeTime == 8 && statistics.decodeTokensPerSecond == 0.5)
    #expect(GenerationStatistics().promptTokensPerSecond == nil && GenerationStatistics().decodeTokensPerSecond == nil)
  }

  @Test func thePromptCountsForThePenalties() throws {
    var sampling = SamplingOptions.greedy
    sampling.presencePenalty = 100
    let evaluator = ScriptedEvaluator()
    evaluator.next = [98: 97]  // after "b" the model wants "a" again
    let generator = Generator(evaluator: evaluator, vocabulary: vocabulary, sampler: try Sampler(sampling))
    let result = try generator.generate(vocabulary.encode("ab"), options: options(max: 1))
    #expect(result.tokens != [97])
  }
}

import PowerInferModel
import PowerInferTestKit
import Testing

@testable import PowerInfer

/// Tokens that a grammar allows, asked about one by one and as a mask.
@Suite struct AllowedTokenTests {
  private static let grammar = #"root ::= [a-m]{3,9} ("," [n-z]{1,4}){0,2} | "the " [0-9]+"#

  /// Every token, by walking its text through the grammar by itself.
  @Test func eachTokenIsAllowedAsTheMaskSays() throws {
    let tokenizer = try GrammarTests.tokenizer.get()
    let machine = try GrammarTests.machine(Grammar(gbnf: Self.grammar))
    for text in ["", "a", "abc", "abcdefghi", "abc,", "the ", "the 5"] {
      let state = try machine.state(after: text.utf8, from: machine.start)
      let mask = try machine.mask(of: state, isFirst: false)
      for token in 0..<Int32(tokenizer.count) {
        #expect(try machine.allows(token, in: state, isFirst: false) == mask.contains(token), "\(text), \(token)")
      }
    }
  }

  /// Whatever the likeliest tokens are, those that are taken away one by one leave the choice that the whole mask leaves.
  @Test(arguments: [(0, 40), (1, 1), (1, 3), (1, 40), (1, 0), (2, 200)] as [(Float, Int)])
  func askingChoosesAsTheMaskDoes(temperature: Float, topK: Int) throws {
    let tokenizer = try GrammarTests.tokenizer.get()
    let grammar = try Grammar(gbnf: Self.grammar)
    var random = SeededGenerator(seed: 9)
    var options = SamplingOptions()
    (options.temperature, options.topK, options.seed, options.repeatPenalty) = (temperature, topK, 4, 1.3)
    options.logitBias = [70: -2, 71: 3]
    let known = try GrammarTests.machine(grammar)
    for text in ["", "a", "abc", "abc,", "the "] {
      let state = try known.state(after: text.utf8, from: known.start)
      _ = try known.mask(of: state, isFirst: false)
      for _ in 0..<20 {
        // Numbers of states are those in which a machine comes to them.
        let fresh = try GrammarTests.machine(grammar)
        let other = try fresh.state(after: text.utf8, from: fresh.start)
        var logits = random.floats(tokenizer.count, scale: 4)
        logits[Int(random.next() % UInt64(tokenizer.count))] = .nan
        var (one, two) = (try Sampler(options), try Sampler(options))
        for token in [70, 80] as [Int32] {
          one.accept(token)
          two.accept(token)
        }
        try logits.withUnsafeBufferPointer { logits in
          let masked = AllowedTokens(machine: known, state: state, isFirst: false, isLenient: false)
          let asked = AllowedTokens(machine: fresh, state: other, isFirst: false, isLenient: false)
          #expect(masked.knownMask != nil && asked.knownMask == nil)
          let expected = try one.sample(logits, allowed: masked)
          #expect(try two.sample(logits, allowed: asked) == expected)
          #expect(try asked.contains(expected))
        }
      }
    }
  }
}

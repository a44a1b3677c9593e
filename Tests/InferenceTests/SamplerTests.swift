import Foundation
import PowerInfer
import Testing

/// The golden distributions come from NumPy in double precision: the definitions of the steps (llama.cpp's chain) written
/// down once more, vectorised, with whole sorts, and printed to seven digits.
@Suite struct SamplerTests {
  static let logits: [Float] = [2.5, -1.0, 0.3, 2.5, 1.7, -3.2, 0.9, 4.1, -0.4, 3.3, 0.0, 1.1]
  /// Seven printed digits and single-precision exponentials.
  static let tolerance: Float = 2e-6

  struct Golden: Sendable, CustomTestStringConvertible {
    var name: String
    var options: SamplingOptions
    var history: [Int32] = []
    var tokens: [Int32]
    var probabilities: [Float]
    var testDescription: String { name }
  }

  static let golden: [Golden] = [
    Golden(
      name: "defaults", options: SamplingOptions(), tokens: [7, 9, 0, 3, 4],
      probabilities: [0.5922988, 0.2178945, 0.08015892, 0.08015892, 0.02948882]),
    Golden(
      name: "temperature alone", options: only { $0.temperature = 1.7 },
      tokens: [7, 9, 0, 3, 4, 11, 6, 2, 10, 8, 1, 5],
      probabilities: [
        0.302749, 0.1891076, 0.1181231, 0.1181231, 0.07378382, 0.05184188, 0.04608794, 0.03238224, 0.02714355,
        0.02145259, 0.01507299, 0.004132103,
      ]),
    Golden(
      name: "top-k 3 cuts between equals by id", options: only { $0.topK = 3 }, tokens: [7, 9, 0],
      probabilities: [0.6056108, 0.2721185, 0.1222707]),
    Golden(
      name: "top-p", options: only { $0.topP = 0.7 }, tokens: [7, 9, 0],
      probabilities: [0.6056108, 0.2721185, 0.1222707]),
    Golden(name: "top-p 0 keeps one", options: only { $0.topP = 0 }, tokens: [7], probabilities: [1]),
    Golden(
      name: "min-p",
      options: only {
        $0.minP = 0.2
        $0.temperature = 0.5
      }, tokens: [7, 9, 0, 3], probabilities: [0.7791676, 0.1573112, 0.03176059, 0.03176059]),
    Golden(
      name: "typical", options: only { $0.typicalP = 0.6 }, tokens: [7, 9, 0, 3],
      probabilities: [0.5396299, 0.2424713, 0.1089494, 0.1089494]),
    Golden(
      name: "typical between top-k and top-p",
      options: only {
        $0.topK = 5
        $0.topP = 0.9
        $0.minP = 0.1
        $0.typicalP = 0.8
        $0.temperature = 0.9
      }, tokens: [7, 9, 0], probabilities: [0.6328611, 0.260177, 0.1069619]),
    Golden(
      name: "repetition penalty", options: only { $0.repeatPenalty = 1.3 }, history: [7, 1, 7, 9, 10],
      tokens: [7, 9, 0, 3, 4, 11, 6, 2, 10, 8, 1, 5],
      probabilities: [
        0.3135072, 0.1694296, 0.1630368, 0.1630368, 0.07325717, 0.04020438, 0.03291657, 0.01806499, 0.01338288,
        0.008970811, 0.00364726, 0.0005455156,
      ]),
    Golden(
      name: "repetition penalty over two tokens",
      options: only {
        $0.repeatPenalty = 1.3
        $0.repeatLastN = 2
      }, history: [7, 1, 7, 9, 10], tokens: [7, 9, 0, 3, 4, 11, 6, 2, 10, 8, 1, 5],
      probabilities: [
        0.5400449, 0.1133085, 0.1090332, 0.1090332, 0.04899176, 0.02688725, 0.02201342, 0.01208122, 0.008949988,
        0.005999356, 0.003292517, 0.0003648212,
      ]),
    Golden(
      name: "everything at once",
      options: only {
        $0.topK = 4
        $0.topP = 0.97
        $0.minP = 0.01
        $0.temperature = 0.7
        $0.repeatPenalty = 1.1
        $0.frequencyPenalty = 0.4
        $0.presencePenalty = 0.25
        $0.repeatLastN = -1
        $0.logitBias = [7: 1.5, 3: -.infinity, 5: 9]
      }, history: [7, 1, 7, 9, 10, 7], tokens: [5, 7, 0], probabilities: [0.9481162, 0.04338273, 0.008501064]),
  ]

  /// Options with every filter off and temperature 1, and what the closure sets.
  static func only(_ set: (inout SamplingOptions) -> Void) -> SamplingOptions {
    var options = SamplingOptions()
    options.topK = 0
    options.topP = 1
    options.minP = 0
    options.temperature = 1
    options.seed = 1
    set(&options)
    return options
  }

  @Test(arguments: golden) func distributionIsNumPys(_ golden: Golden) throws {
    var sampler = try Sampler(golden.options)
    for token in golden.history { sampler.accept(token) }
    for _ in 1...2 {  // the second time with used buffers
      let found = try Self.logits.withUnsafeBufferPointer { try sampler.distribution($0) }
      #expect(found.map(\.token) == golden.tokens)
      for (candidate, probability) in zip(found, golden.probabilities) {
        #expect(abs(candidate.probability - probability) < Self.tolerance)
      }
    }
  }

  @Test func defaultsAreTodaysLlamaCpps() {
    let options = SamplingOptions()
    #expect(options.temperature == 0.8 && options.topK == 40 && options.topP == 0.95 && options.minP == 0.05)
    #expect(options.typicalP == 1 && options.repeatPenalty == 1 && options.repeatLastN == 64)
    #expect(options.frequencyPenalty == 0 && options.presencePenalty == 0)
  }

  @Test func drawsFollowTheDistribution() throws {
    let golden = Self.golden[1]
    var sampler = try Sampler(golden.options)
    var counts = [Int32: Int]()
    let draws = 20_000
    for _ in 1...draws { counts[try sample(&sampler, Self.logits), default: 0] += 1 }
    for (token, probability) in zip(golden.tokens, golden.probabilities) {
      // Five standard deviations of a binomial count; the seed is fixed.
      let expected = Double(probability) * Double(draws)
      #expect(abs(Double(counts[token] ?? 0) - expected) < 5 * expected.squareRoot() + 1)
    }
  }

  @Test func aSeedGivesTheSameTokensAndAnotherSeedOthers() throws {
    func tokens(seed: UInt64) throws -> [Int32] {
      var sampler = try Sampler(Self.only { $0.seed = seed })
      return try (0..<50).map { _ in try sample(&sampler, Self.logits) }
    }
    #expect(try tokens(seed: 7) == tokens(seed: 7))
    #expect(try tokens(seed: 7) != tokens(seed: 8))
  }

  @Test func withoutASeedOneIsTakenAndTold() throws {
    var options = Self.only { _ in }
    options.seed = nil
    var first = try Sampler(options)
    options.seed = first.seed
    var second = try Sampler(options)
    for _ in 0..<20 { #expect(try sample(&first, Self.logits) == sample(&second, Self.logits)) }
  }

  @Test func greedyTakesTheFirstOfTheGreatest() throws {
    var sampler = try Sampler(.greedy)
    #expect(try sample(&sampler, [1, 3, 3, 2]) == 1)
    #expect(try sample(&sampler, [.nan, -.infinity, -7, .nan]) == 2)
    #expect(try sample(&sampler, [1, .infinity, 5]) == 1)
  }

  @Test func greedyHeedsBiasPenaltiesAndForbiddenTokens() throws {
    var options = SamplingOptions.greedy
    options.logitBias = [3: 2]
    options.presencePenalty = 4
    var sampler = try Sampler(options)
    #expect(try sample(&sampler, [1, 3, 0, 2]) == 3)
    sampler.accept(3)
    #expect(try sample(&sampler, [1, 3, 0, 2]) == 1)
    sampler.forbid([1])
    #expect(try sample(&sampler, [1, 3, 0, 2]) == 0)
    sampler.forgetHistory()
    #expect(try sample(&sampler, [1, 3, 0, 2]) == 3)
  }

  @Test func numbersThatAreNoneAreNeverChosen() throws {
    var sampler = try Sampler(Self.only { $0.topK = 3 })
    let found = try [Float.nan, 1, -.infinity, .nan, 2].withUnsafeBufferPointer { try sampler.distribution($0) }
    #expect(found.map(\.token) == [4, 1])
    var infinite = try Sampler(Self.only { $0.temperature = 0.1 })
    let best = try [1, Float.infinity, 3, .infinity].withUnsafeBufferPointer { try infinite.distribution($0) }
    #expect(best.filter { $0.probability > 0 }.map(\.token) == [1, 3])
    #expect(best[0].probability == 0.5)
  }

  @Test func nothingToChooseFromIsASentence() throws {
    for options in [SamplingOptions.greedy, SamplingOptions(), Self.only { _ in }] {
      var sampler = try Sampler(options)
      #expect(throws: SamplingError.noCandidate(vocabularySize: 3)) {
        try sample(&sampler, [-.infinity, .nan, -.infinity])
      }
      #expect(throws: SamplingError.noLogits) { try sample(&sampler, []) }
    }
    #expect(
      SamplingError.noCandidate(vocabularySize: 3).description
        == "No token can be chosen: all 3 logits are minus infinity or not a number.")
    #expect(SamplingError.noLogits.description == "No token can be chosen: the model gave no logits.")
  }

  @Test func allEqualIsUniformAndInOrder() throws {
    var sampler = try Sampler(Self.only { $0.topP = 0.5 })
    let found = try [Float](repeating: 2, count: 8).withUnsafeBufferPointer { try sampler.distribution($0) }
    #expect(found.map(\.token) == [0, 1, 2, 3])
    #expect(found.allSatisfy { $0.probability == 0.25 })
  }

  /// Every size around the width of the vector scan, against a whole sort.
  @Test func topKOfAnySizeIsAWholeSortsFront() throws {
    var random = SplitMix64(seed: 42)
    for size in [1, 2, 15, 16, 17, 31, 33, 100, 1000, 1031] {
      // Few different values, so that there are many equals.
      let logits = (0..<size).map { _ in Float(random.next() % 97) / 8 - 6 }
      let sorted = logits.indices.sorted { (logits[$0], $1) > (logits[$1], $0) }
      for k in [1, 2, 5, 16, 40, size] where k <= size {
        var sampler = try Sampler(Self.only { $0.topK = k })
        let found = try logits.withUnsafeBufferPointer { try sampler.distribution($0) }
        #expect(found.map { Int($0.token) } == Array(sorted.prefix(k)), "\(k) of \(size)")
      }
    }
  }

  /// The nucleus of a large flat distribution takes the path that sorts everything.
  @Test func topPOfALargeVocabularyIsAWholeSortsFront() throws {
    var random = SplitMix64(seed: 3)
    let logits = (0..<5000).map { _ in Float(random.nextFraction()) }
    let sorted = logits.indices.sorted { logits[$0] > logits[$1] }
    let total = logits.reduce(0.0) { $0 + Double(Foundation.exp($1)) }
    for mass: Float in [0.01, 0.5] {
      var sum = 0.0
      let count =
        1
        + sorted.prefix { index in
          sum += Double(Foundation.exp(logits[index])) / total
          return sum < Double(mass)
        }.count
      var sampler = try Sampler(Self.only { $0.topP = mass })
      let found = try logits.withUnsafeBufferPointer { try sampler.distribution($0) }
      #expect(abs(found.count - count) <= 1)  // single against double precision at the border
      #expect(found.prefix(count - 1).map { Int($0.token) } == Array(sorted.prefix(count - 1)))
    }
  }

  @Test func invalidOptionsAreSentences() {
    func message(_ set: (inout SamplingOptions) -> Void) -> String? {
      var options = SamplingOptions()
      set(&options)
      do {
        _ = try Sampler(options)
        return nil
      } catch {
        return error.description
      }
    }
    #expect(
      message { $0.topP = 1.5 } == "The sampling option top-p must be between 0 and 1, but it is 1.5.")
    #expect(message { $0.minP = -0.1 } == "The sampling option min-p must be between 0 and 1, but it is -0.1.")
    #expect(message { $0.typicalP = .nan } == "The sampling option typical must be between 0 and 1, but it is nan.")
    #expect(
      message { $0.temperature = .infinity }
        == "The sampling option temperature must be a finite number, but it is inf.")
    #expect(
      message { $0.repeatPenalty = 0 }
        == "The sampling option repeat-penalty must be greater than 0, but it is 0.0.")
    #expect(
      message { $0.repeatLastN = -2 }
        == "The sampling option repeat-last-n must be -1 (all), 0 (none) or more, but it is -2.")
    #expect(
      message { $0.logitBias = [-4: 1] }
        == "The sampling option logit-bias must be for a token id of 0 or more, but it is -4.")
    #expect(
      message { $0.logitBias = [4: .nan] }
        == "The sampling option logit-bias of token 4 must be finite or -inf, but it is nan.")
    #expect(message { $0.temperature = -1 } == nil)
    #expect(message { $0.topK = -1 } == nil)
  }

  @Test func aBiasOutsideTheVocabularyIsASentence() throws {
    var options = SamplingOptions()
    options.logitBias = [12: 1]
    var sampler = try Sampler(options)
    let error = #expect(throws: SamplingError.self) { try sample(&sampler, Self.logits) }
    #expect(error?.description == "The logit bias names token 12, but the vocabulary has 12 tokens.")
  }

  /// The outputs for seed 1234567 are a published test vector, repeated here with Python's integers.
  @Test func splitMixGivesThePublishedNumbers() {
    var random = SplitMix64(seed: 1_234_567)
    let expected: [UInt64] = [
      6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423, 4_593_380_528_125_082_431,
      16_408_922_859_458_223_821,
    ]
    #expect(expected.map { _ in random.next() } == expected)
  }

  @discardableResult
  private func sample(_ sampler: inout Sampler, _ logits: [Float]) throws -> Int32 {
    try logits.withUnsafeBufferPointer { try sampler.sample($0) }
  }
}

import Foundation
import PowerInfer
import PowerInferGGUF
import PowerInferKernels
import PowerInferModel
import PowerInferTestKit
import Testing

/// Saved logits: the figures that come from them, and files that are not what they should be.
@Suite struct ReferenceFileTests {
  private let folder: TemporaryFolder
  private let golden: GoldenPerplexity
  private let tokenizer: Tokenizer
  private let team = ThreadTeam(workers: 2)

  init() throws {
    folder = try TemporaryFolder()
    golden = try GoldenPerplexity.load()
    tokenizer = try Self.tokenizer(count: golden.vocabularySize)
  }

  private static func tokenizer(count: Int, first: String = "a") throws -> Tokenizer {
    try Tokenizer(
      vocabulary: Vocabulary(kind: .sentencePiece, tokens: [first] + (1..<count).map { "t\($0)" }))
  }

  private func test(
    _ logits: [[[Float]]], saving writer: ReferenceWriter? = nil, against reader: ReferenceReader? = nil
  ) throws -> PerplexityTest {
    try PerplexityTest(
      golden.text(), evaluator: KnownLogits(logits), vocabularySize: golden.vocabularySize, team: team, saving: writer,
      against: reader)
  }

  /// Saves the golden reference and returns the path.
  private func save() throws -> String {
    let path = folder.file("saved")
    let writer = try ReferenceWriter(path, text: golden.text(), tokenizer: tokenizer)
    _ = try test(golden.reference, saving: writer).run()
    #expect(try folder.names().allSatisfy { $0 != "saved" })
    try writer.finish()
    return path
  }

  private func read(_ path: String) throws -> ReferenceReader { try ReferenceReader(path, tokenizer: tokenizer) }

  private func sentence(_ body: () throws -> Void) -> String {
    do {
      try body()
      return ""
    } catch {
      return "\(error)"
    }
  }

  @Test func agreesWithNumPy() throws {
    let reader = try read(save())
    #expect(reader.text == (try golden.text()))
    let result = try test(golden.model, against: reader).run()
    let (found, expected) = (try #require(result.divergence), golden.expected)
    #expect(result.perplexity.isClose(to: expected.perplexity, 1e-12))
    // The predictions of the tokens that came are saved whole, the distributions in 16 bits.
    #expect(found.referencePerplexity.isClose(to: expected.referencePerplexity, 1e-12))
    #expect(found.logRatio.isClose(to: expected.logRatio, 1e-12))
    #expect(found.ratio.isClose(to: expected.ratio, 1e-12))
    #expect(abs(try #require(found.correlation) - expected.correlation) < 1e-12)
    #expect(found.meanProbabilityDifference.isClose(to: expected.meanProbabilityDifference, 1e-10))
    #expect(found.rmsProbabilityDifference.isClose(to: expected.rmsProbabilityDifference, 1e-12))
    #expect(found.sameTop.isClose(to: expected.sameTop, 1e-12))
    #expect(found.mean.isClose(to: expected.mean, 1e-3))
    let quantiles = [
      found.minimum, found.median, found.percentile90, found.percentile95, found.percentile99, found.percentile99_9,
      found.maximum,
    ]
    for (value, golden) in zip(quantiles, expected.quantiles) {
      #expect(abs(value - golden[1]) < 1e-4, "\(golden[0])")
    }
  }

  @Test func aModelDoesNotDivergeFromItself() throws {
    let result = try #require(try test(golden.reference, against: read(save())).run().divergence)
    #expect(result.ratio == Estimate(1, error: 0) && result.sameTop == Estimate(1, error: 0))
    #expect(result.minimum >= -1e-12 && result.maximum < 1e-7)
    #expect(result.rmsProbabilityDifference == Estimate(0, error: 0))
  }

  @Test func extremeLogitsAreKept() throws {
    // A lead of 200 makes all others impossible in 16 bits; equal ones need no range at all.
    var peaked = [Float](repeating: -100, count: 37)
    peaked[5] = 100
    let flat = [Float](repeating: 3, count: 37)
    for row in [peaked, flat] {
      let logits = golden.reference.map { $0.map { _ in row } }
      let path = folder.file("extreme")
      let writer = try ReferenceWriter(path, text: golden.text(), tokenizer: tokenizer)
      _ = try test(logits, saving: writer).run()
      try writer.finish()
      let same = try #require(try test(logits, against: read(path)).run().divergence)
      #expect(same.maximum < 1e-12 && same.sameTop.value == 1)
      // Σ p ln(p / q) with q all equal: ln 37 less the entropy of p.
      let other = try #require(
        try test(golden.reference.map { $0.map { _ in flat } }, against: read(path)).run().divergence)
      #expect(abs(other.mean.value - (row == flat ? 0 : log(37))) < 1e-12)
    }
  }

  @Test func nothingIsLeftOfAFileThatWasNotFinished() throws {
    do {
      let writer = try ReferenceWriter(folder.file("saved"), text: golden.text(), tokenizer: tokenizer)
      _ = try test(golden.reference, saving: writer).run()
    }
    #expect(try folder.names() == [])
  }

  @Test func whatIsNoFileOfSavedLogitsIsNamed() throws {
    for (name, bytes) in [("empty", []), ("short", Array("PIREF".utf8)), ("other", Array("_logits_1234".utf8))] {
      let path = try folder.write(name, bytes)
      #expect(
        sentence { _ = try read(path) }
          == "\"\(path)\" is no file of saved logits: it does not start with \"PIREFLOG\".")
    }
    let missing = folder.file("none")
    #expect(sentence { _ = try read(missing) } == "There is no file \"\(missing)\".")
  }

  @Test func aFileCutOffAnywhereIsNamed() throws {
    let path = try save()
    let bytes = try folder.read("saved")
    let recordBytes = 24 + 2 * 37 + 6
    // The header: 64 bytes, 54 tokens, the checksum.
    #expect(bytes.count == 64 + 54 * 4 + 32 + 6 * (4 * recordBytes + 32))
    for (length, expected) in [
      (8, 64), (63, 64), (64, 312), (311, 312), (312, bytes.count), (bytes.count - 1, bytes.count),
      (bytes.count + 1, bytes.count),
    ] {
      try folder.write("saved", Array((bytes + [0]).prefix(length)))
      #expect(
        sentence { _ = try read(path) }
          == "\"\(path)\" should have \(expected) bytes by its header, but it has \(length); it was cut off or changed."
      )
    }
  }

  @Test func aChangedByteIsNoticedWhereverItIs() throws {
    let path = try save()
    let bytes = try folder.read("saved")
    for index in stride(from: 0, to: bytes.count, by: 5) {
      var changed = bytes
      changed[index] ^= 0x10
      try folder.write("saved", changed)
      let sentence = sentence { _ = try test(golden.model, against: read(path)).run() }
      let chunk = (index - 312) / ((bytes.count - 312) / 6) + 1
      let expected =
        switch index {
        case 0..<8: "\"\(path)\" is no file of saved logits: it does not start with \"PIREFLOG\"."
        case 8..<12: "\"\(path)\" is of version "
        case 12..<20: "\"\(path)\" "  // its length or its checksum
        case 20..<312: "\"\(path)\" is damaged: its header does not have the checksum that it should."
        default: "\"\(path)\" is damaged: chunk \(chunk) does not have the checksum that it should."
        }
      #expect(sentence.hasPrefix(expected), "byte \(index): \(sentence)")
    }
  }

  @Test func aHeaderThatAsksForTheMoonIsNoTrap() throws {
    let path = try save()
    var bytes = try folder.read("saved")
    for index in 12..<24 { bytes[index] = 0xFF }
    try folder.write("saved", bytes)
    #expect(sentence { _ = try read(path) }.hasPrefix("\"\(path)\" is damaged: its header"))
  }

  @Test func anotherVersionIsNamed() throws {
    let path = try save()
    var bytes = try folder.read("saved")
    bytes[8] = 2
    try folder.write("saved", bytes)
    #expect(
      sentence { _ = try read(path) } == "\"\(path)\" is of version 2 of saved logits; this program reads version 1.")
  }

  @Test func anotherVocabularyOrTextIsNamed() throws {
    let path = try save()
    #expect(
      sentence { _ = try ReferenceReader(path, tokenizer: Self.tokenizer(count: 38)) }
        == "\"\(path)\" was saved from a model with a vocabulary of 37 tokens, but this model's has 38.")
    #expect(
      sentence { _ = try ReferenceReader(path, tokenizer: Self.tokenizer(count: 37, first: "b")) }
        == "\"\(path)\" was saved from a model with another vocabulary of the same size.")
    let reader = try read(path)
    func check(_ tokens: [Int32], _ contextSize: Int = 9) -> String {
      sentence { try reader.check(against: ScoredText(tokens: tokens, contextSize: contextSize, beginning: nil)) }
    }
    #expect(check(golden.tokens + [1, 2, 3, 4, 5, 6, 7, 8, 9]) == "")
    var other = golden.tokens
    other[20] += 1
    #expect(check(other) == "\"\(path)\" was saved from another text: token 20 is not the same.")
    #expect(
      check(Array(golden.tokens.prefix(44)))
        == "\"\(path)\" was saved from another text: it has 54 tokens in whole chunks, this one 36.")
    #expect(check(golden.tokens, 8) == "\"\(path)\" was saved with a context of 9 tokens, but 8 was asked for.")
  }
}

import Foundation
import GGUF
import Inference
import Model
import TestKit
import Testing

@Suite struct SessionTests {
  let folder: TemporaryFolder
  let prompt: [Int32] = (0..<40).map { Int32(($0 * 37 + 11) % 200) }

  init() throws { folder = try TemporaryFolder() }

  func model(_ tiny: TinyModel = TinyModel()) throws -> LanguageModel {
    try LanguageModel(opening: tiny.write(to: folder.file("model.gguf")))
  }

  func logits(_ model: LanguageModel, _ options: SessionOptions, _ tokens: [Int32]) throws -> [Float] {
    // The logits lie in the session's own memory.
    let session = try Session(model: model, options: options)
    return try withExtendedLifetime(session) { try Array(session.evaluate(tokens)) }
  }

  @Test(arguments: [TensorType.f32, .f16])
  func sameBitsForAnyThreadsAndBatches(type: TensorType) throws {
    let model = try model(TinyModel(weightType: type))
    let one = try logits(model, .init(threads: 1, batchSize: 64), prompt)
    for threads in [2, 3, 5] {
      #expect(try logits(model, .init(threads: threads, batchSize: 64), prompt) == one)
    }
    for batch in [1, 7, 39] {
      #expect(try logits(model, .init(threads: 2, batchSize: batch), prompt) == one)
    }
  }

  @Test func truncatingGoesBack() throws {
    let model = try model()
    let session = try Session(model: model, options: .init(contextSize: 64, threads: 2))
    let first = try Array(session.evaluate(prompt))
    _ = try session.evaluate([5, 6, 7])
    #expect(session.position == 43)
    session.truncate(to: 30)
    #expect(session.position == 30)
    #expect(try Array(session.evaluate(Array(prompt[30...]))) == first)
    session.truncate(to: 100)
    #expect(session.position == 40)
  }

  @Test func eachPositionMatchesItsOwnPrefix() throws {
    let model = try model()
    let session = try Session(model: model, options: .init(threads: 2, batchSize: 16))
    var rows: [[Float]] = []
    try session.evaluateEach(prompt) { index, logits in
      #expect(index == rows.count)
      rows.append(Array(logits))
    }
    #expect(rows.count == prompt.count)
    for length in [1, 15, 16, 17, 40] {
      #expect(try logits(model, .init(threads: 1), Array(prompt[..<length])) == rows[length - 1])
    }
  }

  @Test func progressStopsBetweenBatches() throws {
    let session = try Session(model: try model(), options: .init(threads: 1, batchSize: 10))
    var seen: [Int] = []
    _ = try session.evaluate(prompt) { done in
      seen.append(done)
      return done < 20
    }
    #expect(seen == [10, 20])
    #expect(session.position == 20)
  }

  @Test func refusesWhatDoesNotFit() throws {
    let model = try model()
    let session = try Session(model: model, options: .init(contextSize: 8, threads: 1))
    _ = try session.evaluate([1, 2, 3])
    #expect(throws: SessionError.noTokens) { try session.evaluate([]) }
    #expect(throws: SessionError.contextFull(position: 3, adding: 6, contextSize: 8)) {
      try session.evaluate([1, 2, 3, 4, 5, 6])
    }
    let width = model.configuration.vocabularySize
    for bad in [-1, Int32(width)] {
      #expect(throws: SessionError.unknownToken(bad, vocabularySize: width)) { try session.evaluate([1, bad]) }
    }
    #expect(session.position == 3)
    #expect(
      SessionError.contextFull(position: 3, adding: 6, contextSize: 8).description
        == "6 more tokens after 3 do not fit the context of 8 tokens.")
    #expect(
      SessionError.unknownToken(-1, vocabularySize: 300).description
        == "Token id -1 is not in the vocabulary, expected 0 to 299.")
  }

  @Test func refusesOptionsOutOfRange() throws {
    let model = try model()
    #expect(throws: SessionError.invalidOption("number of threads", value: 0, expected: "1 to 512")) {
      try Session(model: model, options: .init(threads: 0))
    }
    #expect(throws: SessionError.invalidOption("context size", value: -5, expected: "1 to 16777216")) {
      try Session(model: model, options: .init(contextSize: -5))
    }
    #expect(throws: SessionError.invalidOption("batch size", value: 0, expected: "1 to 4096")) {
      try Session(model: model, options: .init(batchSize: 0))
    }
  }
}

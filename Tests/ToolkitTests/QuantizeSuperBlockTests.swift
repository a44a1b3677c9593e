import PowerInfer
import PowerInferGGUF
import PowerInferKernels
import PowerInferModel
import PowerInferSparsity
import PowerInferTestKit
import Testing

@testable import PowerInferToolkit

/// Types with blocks of 256: what becomes of rows they do not suit, and what models of them answer.
@Suite struct QuantizeSuperBlockTests {
  private let folder: TemporaryFolder
  private let team = ThreadTeam(workers: 2)

  init() throws { folder = try TemporaryFolder() }

  private func zeros(_ tensors: [(name: String, shape: [Int])]) throws -> GGUFFile {
    let layouts = tensors.map { TensorLayout(name: $0.name, type: .f32, shape: $0.shape) }
    let writer = try GGUFWriter(folder.file("in"), metadata: Metadata(), tensors: layouts)
    for layout in layouts { try writer.append([UInt8](repeating: 0, count: try layout.byteCount())) }
    try writer.finish()
    return try GGUFFile(opening: folder.file("in"))
  }

  @Test(arguments: [
    (TensorType.q4_K, TensorType.q5_0, "Q5_0: rows of 96 elements cannot be Q4_K"),
    (.q5_K, .q5_1, "Q5_1: rows of 96 elements cannot be Q5_K"),
    (.q6_K, .q8_0, "Q8_0: rows of 96 elements cannot be Q6_K"),
  ])
  func rowsThatFitNoSuperBlockGetTheNextLargerType(type: TensorType, substitute: TensorType, words: String) throws {
    let file = try zeros([
      ("a.weight", [96, 2]), ("b.weight", [512, 2]), ("c.weight", [32, 2]), ("d.weight", [48, 2]), ("e.bias", [256]),
    ])
    let quantizer = try Quantizer(file, options: QuantizeOptions(type: type), team: team)
    #expect(quantizer.plan.items.map(\.layout.type) == [substitute, type, substitute, .f16, .f32])
    // By the numbers of the types: F16 is 1.
    #expect(
      quantizer.plan.notes == [
        "\"d.weight\" becomes F16: rows of 48 elements cannot be \(type.name), which needs a multiple of 256.",
        "\"a.weight\" and 1 other tensor become \(words), which needs a multiple of 256.",
      ])
    _ = try quantizer.write(to: folder.file("out"))
    let output = try GGUFFile(opening: folder.file("out"))
    #expect(output.tensors.map(\.type) == [substitute, type, substitute, .f16, .f32])
    let areZeros = withExtendedLifetime(output) { output.tensors.map { $0.bytes.allSatisfy { $0 == 0 } } }
    // Codes of Q5_0 are offset: zero is a code of its own there.
    #expect(areZeros[1] && areZeros[3] && areZeros[4])
  }

  /// Numbers of LlamaFileType in the Python package gguf 0.19.
  @Test(arguments: [(TensorType.q4_K, UInt32(14), TensorType.q6_K), (.q5_K, 16, .q6_K), (.q6_K, 18, .q6_K)])
  func outputsKeepSixBits(type: TensorType, number: UInt32, output: TensorType) throws {
    let file = try zeros([("token_embd.weight", [256, 2]), ("output.weight", [256, 2])])
    let plan = try QuantizePlan(file, options: QuantizeOptions(type: type))
    #expect(plan.items.map(\.layout.type) == [type, output])
    let pure = try QuantizePlan(file, options: QuantizeOptions(type: type, isPure: true))
    #expect(pure.items.map(\.layout.type) == [type, type])
    #expect(QuantizeOptions(type: type).fileType == number)
    // A tied output whose rows do not suit.
    let tied = try QuantizePlan(zeros([("token_embd.weight", [64, 2])]), options: QuantizeOptions(type: type))
    #expect(tied.items.map(\.layout.type) == [.q8_0])
  }

  @Test func refusesValuesTooLarge() throws {
    for (type, value) in [(TensorType.q4_K, Float(5e6)), (.q5_K, -5e6), (.q6_K, 3e8)] {
      let layout = TensorLayout(name: "a.weight", type: .f32, shape: [256, 2])
      var values = [Float](repeating: 1, count: 512)
      for (scale, sentence) in [
        (Float(0.5), ""), (1, "The tensor \"a.weight\" holds a value in row 1 that is too large for \(type.name)."),
      ] {
        values[300] = value * scale
        let writer = try GGUFWriter(folder.file("in"), metadata: Metadata(), tensors: [layout])
        try writer.append(TinyModel.Weight(layout, floats: values).bytes)
        try writer.finish()
        let file = try GGUFFile(opening: folder.file("in"))
        var complaint = ""
        do {
          _ = try Quantizer(file, options: QuantizeOptions(type: type), team: team).write(to: folder.file("out"))
        } catch { complaint = "\(error)" }
        #expect(complaint == sentence)
      }
    }
  }

  private var tiny: TinyModel {
    var model = TinyModel(magic: .powerInfer, isTied: false, seed: 7)
    model.hiddenSize = 256
    model.feedForwardSize = 512
    model.predictorRank = 256
    return model
  }

  private func logits(_ name: String) throws -> [Float] {
    let model = try LanguageModel(opening: folder.file(name))
    var options = EngineOptions(threads: 2)
    options.sparsity.mode = .dense
    let session = try Engine(model: model, options: options).makeSequence()
    return try withExtendedLifetime(session) { try Array(session.evaluate((0..<20).map { Int32($0 * 7 % 200) })) }
  }

  /// The distance of the logits from the F32 model's, relative to their size.
  private func distance(_ type: TensorType) throws -> Double {
    let input = try GGUFFile(opening: folder.file("tiny"))
    _ = try Quantizer(input, options: QuantizeOptions(type: type, isPure: true), team: team)
      .write(to: folder.file(type.name))
    let output = try GGUFFile(opening: folder.file(type.name))
    #expect(output.tensors.allSatisfy { $0.type == ($0.shape.count == 1 ? .f32 : type) })
    let exact = try logits("tiny"), found = try logits(type.name)
    let off = zip(exact, found).reduce(0.0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }
    return (off / exact.reduce(0.0) { $0 + Double($1) * Double($1) }).squareRoot()
  }

  /// Every bit more brings a model's answers about twice as near to its original's, and those of legacy types of the same
  /// number of bits are farther off.
  @Test func modelsAnswerLikeTheirOriginals() throws {
    try tiny.write(to: folder.file("tiny"))
    let four = try distance(.q4_K), five = try distance(.q5_K), six = try distance(.q6_K)
    #expect(four < 0.2 && five < 0.6 * four && six < 0.6 * five, "\(four), \(five), \(six)")
    let legacyFour = try distance(.q4_0), legacyFive = try distance(.q5_0)
    #expect(four < legacyFour && five < legacyFive, "\(legacyFour), \(legacyFive)")
  }

  @Test func givesTheSameBytesForAnyThreadsAndPieces() throws {
    let input = try GGUFFile(opening: tiny.write(to: folder.file("in")))
    for type in [TensorType.q4_K, .q5_K, .q6_K] {
      var results: [[UInt8]] = []
      for (threads, piece) in [(1, 8 << 20), (3, 1000), (2, 1)] {
        var quantizer = try Quantizer(input, options: QuantizeOptions(type: type), team: ThreadTeam(workers: threads))
        quantizer.pieceBytes = piece
        _ = try quantizer.write(to: folder.file("out"))
        results.append(try folder.read("out"))
      }
      #expect(results.allSatisfy { $0 == results[0] })
    }
  }
}

import PowerInferCheckpoint
import Foundation
import PowerInferTestKit
import Testing

@testable import PowerInferToolkit

/// Matrices as checkpoints lay them out: by rows, by columns, and in ways that are refused.
@Suite struct SourceRowsTests {
  /// Of `Scripts/golden_strides.py`: the same matrix with different strides.
  private func tensors() throws -> [String: CheckpointTensor] {
    let folder = try TemporaryFolder()
    let path = try folder.write("strides.pt", [UInt8](Golden.data("strides.pt", in: .module)))
    return Dictionary(uniqueKeysWithValues: try TorchFile(opening: path).tensors.map { ($0.name, $0) })
  }

  private func read(_ source: SourceRows, rowsAtOnce: Int) -> [[Float]] {
    var result: [[Float]] = []
    for start in stride(from: 0, to: source.rows, by: rowsAtOnce) {
      let range = start..<min(source.rows, start + rowsAtOnce)
      var floats = [Float](repeating: .nan, count: range.count * source.columns)
      floats.withUnsafeMutableBufferPointer { floats in
        if let start = floats.baseAddress { source.read(range, into: start) }
      }
      for row in 0..<range.count { result.append(Array(floats[(row * source.columns)..<((row + 1) * source.columns)])) }
    }
    return result
  }

  @Test(
    arguments: ["rows", "columns"],
    [RowOrder.asStored, .rotaryNeighbours(size: 4), .queriesKeysValues(heads: 4, keyValueHeads: 2, size: 1)])
  func everyOrderIsThatOfTheMatrix(name: String, order: RowOrder) throws {
    let matrix = try Golden.json([[Float]].self, "strides.json", in: .module)
    let tensor = try #require(try tensors()[name])
    // Written out, not taken from the order itself.
    let rows =
      switch order {
      case .asStored: [0, 1, 2, 3, 4, 5, 6, 7]
      case .rotaryNeighbours: [0, 2, 1, 3, 4, 6, 5, 7]
      // Stored are two queries, a key and a value, twice.
      case .queriesKeysValues: [0, 1, 4, 5, 2, 6, 3, 7]
      }
    for rowsAtOnce in [1, 3, 8] {
      #expect(read(SourceRows(tensor, order: order), rowsAtOnce: rowsAtOnce) == rows.map { matrix[$0] })
    }
  }

  @Test(arguments: ["rows", "columns"], [1, 4, 18]) func columnsBecomeRows(name: String, rowsAtOnce: Int) throws {
    let matrix = try Golden.json([[Float]].self, "strides.json", in: .module)
    let tensor = try #require(try tensors()[name])
    let turned = (0..<18).map { column in matrix.map { $0[column] } }
    #expect(read(SourceRows(transposing: tensor), rowsAtOnce: rowsAtOnce) == turned)
  }

  @Test func onlyDenseTensorsAreTaken() throws {
    let tensors = try tensors()
    for (name, sentence) in [
      ("rows", ""), ("columns", ""),
      ("gaps", "\"gaps\" of shape [8, 17] has the strides [18, 1], expected [17, 1], or [1, 8] where it is transposed"),
      (
        "expanded",
        "\"expanded\" of shape [8, 18] has the strides [0, 1], expected [18, 1], or [1, 8] where it is transposed"
      ),
      (
        "overlapping",
        "\"overlapping\" of shape [8, 18] has the strides [1, 1], expected [18, 1], or [1, 8] where it is transposed"
      ),
      ("vector.gaps", "\"vector.gaps\" of shape [8] has the strides [18], expected [1]"),
    ] {
      let tensor = try #require(tensors[name])
      #expect(tensor.isDense == sentence.isEmpty)
      var found = ""
      do { try tensor.expectDense() } catch { found = error.description }
      #expect(
        found == (sentence.isEmpty ? "" : "The tensor \(sentence); torch.save of its contiguous() mends that."))
    }
  }

  @Test(arguments: [StoredTensor.Strides.gaps, .expanded, .overlapping])
  func aConversionRefusesOtherStrides(strides: StoredTensor.Strides) throws {
    let folder = try TemporaryFolder()
    let checkpoint = try TinyCheckpoint.named("relullama")
    let path = try checkpoint.write(to: folder, strides: strides)
    let error = #expect(throws: ConvertError.self) { try ConversionPlan(path) }
    #expect(
      error
        == .checkpoint(
          .strides(tensor: "model.embed_tokens.weight", shape: [360, 64], found: strides.of([360, 64]))))
  }

  @Test func predictorsOfOtherStridesAreRefused() throws {
    let folder = try TemporaryFolder()
    let path = try TinyCheckpoint.named("relullama").write(to: folder)
    let predictor = folder.file("predictors/model_0.pt")
    let tensors = try TorchFile(opening: predictor).tensors.map {
      StoredTensor(name: $0.name, type: $0.type, shape: $0.shape, bytes: Array($0.bytes))
    }
    try folder.write("predictors/model_0.pt", StoredTensor.torch(tensors, strides: .gaps))
    let error = #expect(throws: ConvertError.self) { try ConversionPlan(path, predictors: folder.file("predictors")) }
    #expect(
      error?.description
        == "\"\(predictor)\": The tensor \"fc1.weight\" of shape [32, 64] has the strides [65, 1], expected [64, 1], or "
        + "[1, 32] where it is transposed; torch.save of its contiguous() mends that.")
  }
}

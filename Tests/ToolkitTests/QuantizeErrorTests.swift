import Foundation
import PowerInferGGUF
import PowerInferKernels
import PowerInferTestKit
import PowerInferToolkit
import Testing

@Suite struct QuantizeErrorTests {
  private let folder: TemporaryFolder
  private let team = ThreadTeam(workers: 2)

  init() throws { folder = try TemporaryFolder() }

  private func sentence(_ body: () throws -> Void) -> String {
    do {
      try body()
      return ""
    } catch {
      return "\(error)"
    }
  }

  private func file(_ type: TensorType, _ shape: [Int], _ values: [Float]? = nil) throws -> GGUFFile {
    let layout = TensorLayout(name: "a.weight", type: type, shape: shape)
    let path = folder.file("in.gguf")
    let writer = try GGUFWriter(path, metadata: Metadata(), tensors: [layout])
    let zeros = [UInt8](repeating: 0, count: try layout.byteCount())
    try writer.append(values.map { TinyModel.Weight(layout, floats: $0).bytes } ?? zeros)
    try writer.finish()
    return try GGUFFile(opening: path)
  }

  private func complaint(_ file: GGUFFile, _ type: TensorType) -> String {
    sentence {
      _ = try Quantizer(file, options: QuantizeOptions(type: type), team: team).write(to: folder.file("out.gguf"))
    }
  }

  @Test func namesTheTypesThatCanBeWritten() {
    #expect(
      sentence { _ = try QuantizeOptions.type(named: "q3_k") }
        == "There is no type \"q3_k\" to write; expected one of f32, f16, bf16, q4_0, q4_1, q5_0, q5_1, q8_0, q4_k, "
        + "q5_k, q6_k, q4_k_s, q4_k_m, q5_k_s, q5_k_m.")
  }

  @Test func explainsExceptions() throws {
    #expect(
      sentence { _ = try TensorTypeOverride("attn_v") }
        == "\"attn_v\" is no exception for tensors; expected PATTERN=TYPE, such as \"attn_v=q8_0\".")
    #expect(
      sentence { _ = try TensorTypeOverride("(=q8_0") } == "\"(\" is not a valid regular expression.")
    let input = try file(.f32, [32, 2])
    let options = QuantizeOptions(type: .q4_0, overrides: [try TensorTypeOverride("atn_v=q8_0")])
    #expect(
      sentence { _ = try QuantizePlan(input, options: options) }
        == "The pattern \"atn_v\" is found in no name of a weight that can be converted.")
  }

  @Test func refusesToWriteOverItsInput() throws {
    let input = try file(.f32, [32, 2])
    let before = try folder.read("in.gguf")
    let quantizer = try Quantizer(input, options: QuantizeOptions(type: .q4_0), team: team)
    let direct = folder.file("in.gguf")
    #expect(
      sentence { _ = try quantizer.write(to: direct) }
        == "\"\(direct)\" is the file being read; the result needs another name.")
    // Under other names too.
    try FileManager.default.createSymbolicLink(atPath: folder.file("link"), withDestinationPath: direct)
    for other in [folder.file("link"), folder.path + "/./in.gguf"] {
      #expect(sentence { _ = try quantizer.write(to: other) }.hasPrefix("\"\(other)\" is the file being read"))
    }
    #expect(try folder.read("in.gguf") == before)
  }

  @Test func namesATypeItCannotRead() throws {
    #expect(
      complaint(try file(.iq2_XXS, [256, 2]), .q4_0)
        == "The tensor \"a.weight\" is stored as IQ2_XXS, which cannot be read; expected one of F32, F16, Q4_0, Q4_1, Q5_0, "
        + "Q5_1, Q8_0, Q4_K, Q5_K, Q6_K, BF16.")
    #expect(try folder.names() == ["in.gguf"])
  }

  @Test(arguments: [Float.nan, .infinity, -.infinity])
  func refusesValuesThatAreNoNumbers(value: Float) throws {
    var values = [Float](repeating: 1, count: 32 * 9)
    values[32 * 7 + 5] = value
    values[32 * 8] = value
    #expect(
      complaint(try file(.f32, [32, 9], values), .q4_0)
        == "The tensor \"a.weight\" holds an infinite value or one that is not a number in row 7; the input is damaged."
    )
    #expect(try folder.names() == ["in.gguf"])
  }

  @Test func refusesValuesTooLargeForTheType() throws {
    var values = [Float](repeating: 1, count: 64)
    values[40] = -70_000
    let input = try file(.f32, [32, 2], values)
    #expect(complaint(input, .f16) == "The tensor \"a.weight\" holds a value in row 1 that is too large for F16.")
    #expect(complaint(input, .q4_0) == "")
  }

  @Test func leavesNothingWhenCancelled() throws {
    let input = try file(.f32, [32, 2])
    let quantizer = try Quantizer(input, options: QuantizeOptions(type: .q4_0), team: team)
    #expect(
      sentence { _ = try quantizer.write(to: folder.file("out"), isCancelled: { true }) }
        == "Cancelled; nothing was written.")
    #expect(try folder.names() == ["in.gguf"])
    #expect(
      sentence { _ = try quantizer.write(to: folder.file("no/out")) }
        == "\"\(folder.file("no/out"))\" cannot be created: there is no folder \"\(folder.file("no"))\".")
  }
}

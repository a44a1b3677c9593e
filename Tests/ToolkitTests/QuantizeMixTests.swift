import PowerInferGGUF
import PowerInferTestKit
import Testing

@testable import PowerInferToolkit

/// The types of mixes against what llama-quantize printed (`--dry-run`) for models of as many layers.
struct QuantizeMixTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// A file with the tensors of a llama, of so few rows that it is small.
  private func file(
    layers: Int, columns: Int, downColumns: Int, isTied: Bool, name: String = "llama", claiming claim: Int64? = nil
  ) throws -> GGUFFile {
    var metadata = Metadata()
    metadata.set("general.architecture", .string(name))
    metadata.set("\(name).block_count", .uint32(UInt32(layers)))
    if let claim { metadata.set("\(name).block_count", .int64(claim)) }
    metadata.set("\(name).attention.head_count", .uint32(9))
    metadata.set("\(name).attention.head_count_kv", .uint32(3))
    var layouts = [TensorLayout(name: "token_embd.weight", type: .f16, shape: [columns, 2])]
    if !isTied { layouts.append(TensorLayout(name: "output.weight", type: .f16, shape: [columns, 2])) }
    // Not in the order of the layers: the rules are not about the order of the file.
    for layer in (0..<layers).reversed() {
      for part in ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"] {
        let width = part == "ffn_down" ? downColumns : columns
        layouts.append(TensorLayout(name: "blk.\(layer).\(part).weight", type: .f16, shape: [width, 2]))
      }
    }
    let path = folder.file("\(layers)-\(columns)-\(name).gguf")
    let writer = try GGUFWriter(path, metadata: metadata, tensors: layouts)
    for layout in layouts { try writer.append([UInt8](repeating: 0, count: try layout.byteCount())) }
    try writer.finish()
    return try GGUFFile(opening: path)
  }

  private func types(_ file: GGUFFile, _ mix: String, isPure: Bool = false) throws -> [String: TensorType] {
    var options = try QuantizeOptions(named: mix)
    options.isPure = isPure
    let plan = try QuantizePlan(file, options: options)
    return Dictionary(uniqueKeysWithValues: plan.items.map { ($0.layout.name, $0.layout.type) })
  }

  @Test(arguments: [Int64.min, -1, 0, Int64.max]) func anyNumberOfLayersMayBeClaimed(claim: Int64) throws {
    for mix in ["q4_K_M", "q4_K_S"] {
      let file = try file(layers: 2, columns: 256, downColumns: 256, isTied: true, claiming: claim)
      #expect(try types(file, mix)["blk.0.ffn_gate.weight"] == .q4_K)
    }
  }

  /// A mix, its types for most weights and for the first kind of exception, and the layers that are exceptions.
  struct Expectation: Sendable {
    var mix: String
    var base: TensorType
    var valueException: TensorType
    var values: [Int]
    var downException: TensorType
    var downs: [Int]
  }

  private static let more22 = [0, 1, 4, 7, 10, 13, 16, 19, 20, 21]
  private static let more30 = [0, 1, 2, 5, 8, 11, 14, 17, 20, 23, 26, 27, 28, 29]

  private func check(_ types: [String: TensorType], layers: Int, down: TensorType, _ e: Expectation) {
    for layer in 0..<layers {
      for part in ["attn_q", "attn_k", "attn_output", "ffn_gate", "ffn_up"] {
        #expect(types["blk.\(layer).\(part).weight"] == e.base)
      }
      #expect(
        types["blk.\(layer).attn_v.weight"] == (e.values.contains(layer) ? e.valueException : e.base), "\(layer)")
      #expect(
        types["blk.\(layer).ffn_down.weight"] == (e.downs.contains(layer) ? e.downException : down), "\(layer)")
    }
  }

  @Test(arguments: [
    Expectation(
      mix: "Q4_K_M", base: .q4_K, valueException: .q6_K, values: more22, downException: .q6_K, downs: more22),
    Expectation(
      mix: "q4_k_s", base: .q4_K, valueException: .q5_K, values: [0, 1, 2, 3], downException: .q5_K, downs: [0, 1]),
    Expectation(
      mix: "Q5_K_M", base: .q5_K, valueException: .q6_K, values: more22, downException: .q6_K, downs: more22),
    Expectation(mix: "Q5_K_S", base: .q5_K, valueException: .q5_K, values: [], downException: .q5_K, downs: []),
  ])
  func choosesAsTheReferenceWhereRowsSuit(_ expected: Expectation) throws {
    let types = try types(file(layers: 22, columns: 256, downColumns: 512, isTied: false), expected.mix)
    #expect(types["output.weight"] == .q6_K)
    #expect(types["token_embd.weight"] == expected.base)
    check(types, layers: 22, down: expected.base, expected)
  }

  @Test(arguments: [
    Expectation(
      mix: "Q4_K_M", base: .q5_0, valueException: .q8_0, values: more30, downException: .q6_K, downs: more30),
    Expectation(
      mix: "Q4_K_S", base: .q5_0, valueException: .q5_1, values: [0, 1, 2, 3], downException: .q5_K,
      downs: [0, 1, 2]),
    Expectation(
      mix: "Q5_K_M", base: .q5_1, valueException: .q8_0, values: more30, downException: .q6_K, downs: more30),
    Expectation(mix: "Q5_K_S", base: .q5_1, valueException: .q5_1, values: [], downException: .q5_K, downs: []),
  ])
  func fallsBackAsTheReferenceWhereTheyDoNot(_ expected: Expectation) throws {
    let types = try types(file(layers: 30, columns: 576, downColumns: 1536, isTied: true), expected.mix)
    #expect(types["token_embd.weight"] == .q8_0)
    check(types, layers: 30, down: expected.base == .q5_0 ? .q4_K : .q5_K, expected)
  }

  @Test func pureMeansOneType() throws {
    let types = try types(file(layers: 9, columns: 256, downColumns: 256, isTied: true), "Q4_K_M", isPure: true)
    #expect(Set(types.values) == [.q4_K])
  }

  @Test func falconsAndLargeModelsHaveRulesOfTheirOwn() throws {
    let falcon = try types(file(layers: 32, columns: 256, downColumns: 256, isTied: true, name: "falcon"), "Q4_K_M")
    #expect(falcon["token_embd.weight"] == .q8_0)
    #expect(falcon["blk.1.ffn_down.weight"] == .q6_K)
    #expect(falcon["blk.2.ffn_down.weight"] == .q5_K)
    #expect(falcon["blk.4.ffn_down.weight"] == .q4_K)
    let large = try types(file(layers: 80, columns: 256, downColumns: 256, isTied: true), "Q4_K_M")
    #expect(large["blk.10.attn_v.weight"] == .q5_K)
    #expect(large["blk.10.ffn_down.weight"] == .q4_K)
  }
}

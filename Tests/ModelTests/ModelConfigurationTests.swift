import Foundation
import PowerInferGGUF
import PowerInferModel
import PowerInferTestKit
import Testing

/// What hyperparameters of a file may be, and the sentence for each that may not.
@Suite struct ModelConfigurationTests {
  /// The hyperparameters of a tiny model (hidden size 64, 4 heads, 2 key/value heads) with some keys replaced.
  func configuration(_ changes: [(String, MetadataValue?)], magic: Magic = .gguf) throws -> ModelConfiguration {
    var metadata = TinyModel(magic: magic).metadata
    for (key, value) in changes { metadata[key] = value }
    return try ModelConfiguration(metadata: metadata, magic: magic)
  }

  func message(_ changes: (String, MetadataValue?)...) -> String? {
    do {
      _ = try configuration(changes)
      return nil
    } catch {
      return "\(error)"
    }
  }

  @Test func keysMustBeThere() {
    #expect(message(("general.architecture", nil)) == "The metadata key \"general.architecture\" is missing.")
    for key in ["embedding_length", "block_count", "attention.head_count", "attention.layer_norm_rms_epsilon"] {
      #expect(message(("llama." + key, nil)) == "The metadata key \"llama.\(key)\" is missing.")
    }
    #expect(
      message(("tokenizer.ggml.tokens", nil), ("llama.vocab_size", nil))
        == "The metadata key \"llama.vocab_size\" is missing.")
  }

  @Test func keysMustHaveTheirType() {
    #expect(
      message(("general.architecture", .uint32(3)))
        == "The metadata key \"general.architecture\" holds the number 3, where a string was expected.")
    #expect(
      message(("llama.embedding_length", .string("64")))
        == "The metadata key \"llama.embedding_length\" holds the string \"64\", where an integer was expected.")
    #expect(
      message(("llama.block_count", .float32(2)))
        == "The metadata key \"llama.block_count\" holds the number 2.0, where an integer was expected.")
    #expect(
      message(("llama.attention.layer_norm_rms_epsilon", .bool(true)))
        == "The metadata key \"llama.attention.layer_norm_rms_epsilon\" holds true, where a number was expected.")
    #expect(
      message(("general.name", .array(MetadataArray(["a"]))))
        == "The metadata key \"general.name\" holds an array of 1 string values, where a string was expected.")
  }

  @Test func numbersPerLayerMayBeEqual() throws {
    let c = try configuration([
      ("llama.attention.head_count", .array(MetadataArray([UInt32(4), 4]))),
      ("llama.attention.head_count_kv", .array(MetadataArray([Int32(2), 2]))),
      ("llama.feed_forward_length", .array(MetadataArray([UInt64(96), 96]))),
    ])
    #expect(c.headCount == 4 && c.keyValueHeadCount == 2 && c.feedForwardSize == 96)
    #expect(
      message(("llama.feed_forward_length", .array(MetadataArray([Int32(96), 64]))))
        == "The model uses layers of different sizes (llama.feed_forward_length is 96 and 64), which this version does "
        + "not compute.")
    #expect(
      message(("llama.attention.head_count", .array(MetadataArray([UInt32]()))))
        == "Metadata key \"llama.attention.head_count\" is an array of 0, expected a number for every layer.")
    #expect(
      message(("llama.attention.head_count", .array(MetadataArray(["4"]))))
        == "The metadata key \"llama.attention.head_count\" holds an array of 1 string values, where an array of "
        + "integers was expected.")
    #expect(
      message(("llama.block_count", .array(MetadataArray([UInt32(2)]))))
        == "The metadata key \"llama.block_count\" holds an array of 1 uint32 values, where an integer was expected.")
  }

  @Test func attentionMustBeCausal() {
    #expect(message(("llama.attention.causal", .bool(true))) == nil)
    #expect(
      message(("llama.attention.causal", .bool(false)))
        == "The model uses attention to later tokens (llama.attention.causal is false), which this version does not "
        + "compute.")
  }

  @Test func numbersMustBeInRange() {
    #expect(
      message(("llama.embedding_length", .int32(-64)))
        == "Metadata key \"llama.embedding_length\" is -64, expected a whole number from 1 to 1048576.")
    #expect(
      message(("llama.block_count", .uint64(.max)))
        == "The metadata key \"llama.block_count\" holds the number 18446744073709551615, which is out of range.")
    #expect(
      message(("llama.context_length", .uint32(0)))
        == "Metadata key \"llama.context_length\" is 0, expected a whole number from 1 to 1073741824.")
    #expect(
      message(("llama.rope.freq_base", .float32(-1)))
        == "Metadata key \"llama.rope.freq_base\" is -1.0, expected a number above 0.")
    #expect(
      message(("llama.attention.scale", .float64(1e300)))
        == "Metadata key \"llama.attention.scale\" is inf, expected a number above 0.")
    #expect(
      message(("powerinfer.sparse_threshold", .float32(.nan)))
        == "Metadata key \"powerinfer.sparse_threshold\" is nan, expected a number or an infinity.")
    #expect(
      message(("tokenizer.ggml.tokens", .array(MetadataArray([String]()))))
        == "Metadata key \"tokenizer.ggml.tokens\" is 0, expected at least one token.")
  }

  @Test func headsMustDivide() {
    #expect(
      message(("llama.attention.head_count", .uint32(10)))
        == "Metadata key \"llama.attention.head_count\" is 10, expected a divisor of embedding_length (64).")
    #expect(
      message(("llama.attention.head_count_kv", .uint32(3)))
        == "Metadata key \"llama.attention.head_count_kv\" is 3, expected a divisor of head_count (4).")
    #expect(
      message(("llama.attention.key_length", .uint32(32)), ("llama.attention.value_length", .uint32(16)))
        == "Metadata key \"llama.attention.value_length\" is 16, expected the key length (32).")
    #expect(
      message(("llama.rope.dimension_count", .uint32(18)))
        == "Metadata key \"llama.rope.dimension_count\" is 18, expected an even number up to the head size (16).")
  }

  @Test func namesFromAFileAreShownSafely() {
    #expect(
      message(("general.architecture", .string("a\u{1B}[2J\nb")))
        == "The file holds a model of architecture \"a\\u{1b}[2J\\nb\"; this version runs llama, bamboo, qwen2, "
        + "falcon, opt.")
    #expect(
      message(("llama.rope.scaling.type", .string("long\u{202E}rope")))
        == "The model uses rotary scaling of type \"long\\u{202e}rope\", which this version does not compute.")
    let long = message(("llama.hidden_activation", .string(String(repeating: "x", count: 100_000))))
    #expect((long?.utf8.count ?? 0) < 400)
    #expect(long?.hasSuffix("…\", expected \"silu\" or \"relu\".") == true)
  }

  @Test func optionalKeysHaveTheirDefaults() throws {
    let c = try configuration([
      ("llama.attention.head_count_kv", nil), ("llama.rope.dimension_count", nil), ("llama.rope.freq_base", nil),
      ("general.name", nil),
    ])
    #expect(c.keyValueHeadCount == 4 && c.rotary.dimensions == 16 && c.rotary.base == 10_000)
    #expect(c.name == "llama" && c.sparseThreshold == 0)
    let wide = try configuration([
      ("llama.attention.key_length", .uint32(32)), ("llama.attention.value_length", .uint32(32)),
      ("llama.attention.head_count", .uint64(6)), ("llama.attention.scale", .float64(0.5)),
    ])
    #expect(wide.headSize == 32 && wide.querySize == 192 && wide.attentionScale == 0.5)
  }
}

import PowerInferGGUF
import PowerInferTestKit

// What the fuzzer starts from and what it puts in.

extension ModelFuzzer {
  /// Valid models: both magics, both kinds of vocabulary, every layout of weights, sizes that no vector divides.
  static func models() throws -> [[UInt8]] {
    let folder = try TemporaryFolder()
    return try all.map { model in
      try model.write(to: folder.file("m"))
      return try folder.read("m")
    }
  }

  private static var all: [TinyModel] {
    var result = [
      small(.gguf, .f32, hidden: 24, feedForward: 20, heads: 3, keyValueHeads: 1),
      small(.powerInfer, .q4_0, hidden: 32, feedForward: 32, heads: 2, keyValueHeads: 2),
      small(.powerInfer, .f16, hidden: 40, feedForward: 12, heads: 4, keyValueHeads: 2),
      small(.gguf, .q8_0, hidden: 32, feedForward: 64, heads: 2, keyValueHeads: 1, headSize: 32),
      small(.gguf, .bf16, hidden: 6, feedForward: 5, heads: 1, keyValueHeads: 1),
      small(.powerInfer, .q6_K, hidden: 256, feedForward: 256, heads: 4, keyValueHeads: 2),
      small(.gguf, .q4_K, hidden: 256, feedForward: 256, heads: 2, keyValueHeads: 1),
      small(.gguf, .q5_1, hidden: 64, feedForward: 32, heads: 4, keyValueHeads: 2),
    ]
    for (index, family) in ["bamboo", "falcon", "opt", "falcon"].enumerated() {
      var model = result[index]
      model.architecture = family
      model.hasSecondNorm = index == 3
      result.append(model)
    }
    for (index, vocabulary) in [TinyVocabulary.bytePairs(preTokenizer: "qwen2"), .sentencePiece].enumerated() {
      var model = result[index * 2]
      model.extraMetadata = Metadata()
      model.vocabulary = vocabulary
      result.append(model)
    }
    return result
  }

  private static func small(
    _ magic: Magic, _ type: TensorType, hidden: Int, feedForward: Int, heads: Int, keyValueHeads: Int,
    headSize: Int? = nil
  ) -> TinyModel {
    var model = TinyModel(magic: magic, weightType: type, isTied: magic == .gguf, layers: 1)
    model.hiddenSize = hidden
    model.feedForwardSize = feedForward
    model.heads = heads
    model.keyValueHeads = keyValueHeads
    model.headSize = headSize
    model.predictorRank = max(32, hidden / 256 * 256)
    let isSentencePiece = magic == .powerInfer
    let tokens = isSentencePiece ? pieces : byteLevel
    model.vocabulary = .numbered(tokens.count)
    var extra = Metadata()
    extra.set("tokenizer.ggml.model", .string(isSentencePiece ? "llama" : "gpt2"))
    extra.set("tokenizer.ggml.tokens", .array(MetadataArray(tokens)))
    extra.set("tokenizer.ggml.bos_token_id", .uint32(1))
    extra.set("tokenizer.ggml.eos_token_id", .uint32(2))
    extra.set("tokenizer.chat_template", .string(templateParts[0]))
    if isSentencePiece {
      extra.set("tokenizer.ggml.scores", .array(MetadataArray(tokens.indices.map { -Float($0) })))
      extra.set("tokenizer.ggml.token_type", .array(MetadataArray(tokens.indices.map { Int32($0 < 3 ? 3 : 1) })))
    } else {
      extra.set("tokenizer.ggml.pre", .string("smollm"))
      extra.set("tokenizer.ggml.merges", .array(MetadataArray(["Ġ a", "a b", "Ġa b"])))
    }
    model.extraMetadata = extra
    return model
  }

  private static let byteLevel =
    ["<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>", "a", "b", "Ġ", "Ġa", "ab", "Ġab", "Ċ", "1", "é", "Ã", "©"]
  private static let pieces =
    ["<unk>", "<s>", "</s>", "▁", "a", "b", "▁a", "ab", "▁ab", "<0x41>", "<0x0A>", "<0xC3>", "<0xA9>", "é", "1", "▁▁"]

  static let numberKeys = [
    "context_length", "embedding_length", "block_count", "feed_forward_length", "attention.head_count",
    "attention.head_count_kv", "attention.key_length", "attention.value_length", "rope.dimension_count", "vocab_size",
    "expert_count", "rope.scaling.original_context_length",
  ].map { "llama." + $0 }

  static let optionalKeys =
    numberKeys
    + [
      "attention.scale", "attention.layer_norm_rms_epsilon", "attention.layer_norm_epsilon", "rope.freq_base",
      "rope.scaling.type",
      "rope.scaling.factor", "rope.scaling.attn_factor", "rope.scale_linear", "rope.scaling.yarn_beta_fast",
      "rope.scaling.yarn_beta_slow", "hidden_activation",
    ].map { "llama." + $0 }
    + specials.map { "tokenizer.ggml." + $0 + "_token_id" }
    + ["pre", "tokens", "scores", "token_type", "merges", "add_bos_token", "add_eos_token", "add_space_prefix"].map {
      "tokenizer.ggml." + $0
    }
    + ["general.name", "general.architecture", "general.alignment", "powerinfer.sparse_threshold", "split.count"]

  static let specials = ["bos", "eos", "eot", "eom", "unknown", "padding", "fim_pad", "fim_rep", "fim_sep"]
  static let preTokenizers = ["default", "", "gpt-2", "llama-bpe", "qwen2", "qwen35", "falcon", "deepseek-llm", "no"]

  static let words = [
    "", "a", "llama", "relu", "silu", "gelu", "yarn", "linear", "none", "longrope", "<|im_end|>", "<0x00>", "<0xZZ>",
    "<0x", "▁", "\u{0}", "\u{202E}x\n", "🦙", "e\u{301}", "phi-3", String(repeating: "ab", count: 3000), "</s>",
    "llama.context_length", "-1", "{{", "\u{FFFD}", "qwen2",
  ]

  static let mergeLines = [
    "", " ", "a", "a ", " a", "a b", "b a", "a a", "aa a", "Ġ Ġ", "zz qq", "a b c", "é ©", "Ã ©", "🦙 a", "ab ab",
    "ĠĠ Ġ", "\u{0} a", "abab ab", "Ċ Ċ",
  ]

  static let tensorNames = [
    "", "output.weight", "rope_freqs.weight", "blk.0.ffn_down_t.weight", "blk.0.ffn_down.weight", "blk.0.fc1.weight",
    "blk.0.fc2.weight", "blk.0.attn_q.bias", "blk.0.attn_k.bias", "blk.0.attn_v.bias", "blk.0.attn_output.bias",
    "blk.1.attn_q.weight", "blk.-1.attn_q.weight", "token_embd.weight", "\u{0}\u{202E}", "blk.0.rope_freqs.weight",
    "position_embd.weight", "blk.0.attn_qkv.weight", "blk.0.attn_norm_2.weight", "blk.0.ffn_up.bias",
  ]

  /// Type ids: those with kernels, some without, some unknown.
  static let types: [UInt32] = [0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 30, 4, 10, 24, 28, 39, 1000, .max]

  static let floats: [Float] = [
    .nan, .infinity, -.infinity, 0, -0.0, -1, 1, 0.5, 2, .leastNonzeroMagnitude, 1e-30, 1e30, .greatestFiniteMagnitude,
    10_000,
  ]

  /// Numbers at which arithmetic goes wrong.
  static let extremes: [UInt64] = [
    0, 1, 2, 3, 7, 8, 31, 32, 33, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x1_0000, 1 << 20, 1 << 24, 1 << 30,
    0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 1 << 32, 1 << 40, 1 << 61, 1 << 62, 1 << 63, .max, .max - 1, .max - 31,
    .max >> 1, .max / 3, .max / 34,
  ]

  static let templateParts = [
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}", "{{ bos_token }}",
    "{% if add_generation_prompt %}", "{% endif %}", "{{ raise_exception('no') }}", "{% for i in range(99999999) %}",
    "{% endfor %}", "{{ messages[99].content }}", "{{ 1 / 0 }}", "{{ 9223372036854775807 + 1 }}", "{{ 2 ** 99999 }}",
    "{{ -9223372036854775808 // -1 }}", "{{ 'a' * 999999999 }}", "{% set x = [] %}", "{{ x.append(x) }}{{ x }}",
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "{{ messages | tojson(indent=99999) }}", "{%", "}}", "{#",
    "\u{0}",
    "{{ 'x'[5:-9223372036854775808:-1] }}", "{{ '%d' % 1e999 }}", "{{ strftime_now('%Y' * 5000) }}", "{{ ((((((((",
    "{{ messages | map(attribute='content') | join(',') | upper }}", "{{ range(0, 10, 0) }}", "{{ 5 % 0 }}",
    "{{ 'é🦙'[1:] | center(99999999) }}", "{{ namespace(a=1).b.c }}", "{{ 1 << 70 }}", "{{ 1e308 * 10 | int }}",
    "{{ (1e30) | int }}", "{{ 'a'.replace('', 'bb') }}", "{{ 'abc'.split('') }}", "{{ '{:999999999}'.format(1) }}",
  ]
}

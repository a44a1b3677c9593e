#!/usr/bin/env python3
"""Writes tiny random models and their golden logits for the tests: make_tiny_models.py [FOLDER].

Together they cover every weight format, tied and own output, grouped queries, a head size of its own, all kinds of RoPE
scaling, all activations, families, both magics, and every way to leave neurons out. Everything is seeded: a second run writes
the same bytes. Needs `pip install numpy gguf`; the golden logits come from reference_logits.py beside this file.
"""

import pathlib
import sys

import gguf
import numpy as np

import reference_logits

Type = gguf.GGMLQuantizationType
BLOCK = 256  # elements in a block of the K types

SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
MERGES = (
    "Ġ t|Ġ a|h e|i n|r e|o n|Ġt he|e r|Ġ s|a t|Ġ w|Ġ o|e n|Ġ c|i t|i s|a n|o r|e s|Ġ b|e d|Ġ f|in g|Ġ p|o u|Ġa n|a l|"
    "a r|Ġt o|Ġ m|Ġo f|Ġ in|Ġ d|Ġ h|Ġan d|i c|a s|l e|Ġt h|i on|o m"
).split("|")
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
PROMPT_TOKENS = 48
# Of the neurons that fire at all, how many the thresholds on activated gates leave out.
GATE_TARGET = 0.5
# Of the embeddings' common part in skewed models; the rest of a row has length 3.
SHARED_LENGTH = 3


def vocabulary():
    """300 tokens: three specials, the 256 bytes as GPT-2 spells them, and one token for each merge."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    spelled = [chr(byte) for byte in printable] + [chr(256 + index) for index in range(len(others))]
    return SPECIALS + spelled + [merge.replace(" ", "") for merge in MERGES]


def random_blocks(rng, kind, rows, columns, deviation):
    """Random blocks of a type the package reads but cannot write, with weights of about the given deviation.

    Every field is random, so that swapped scales, minimums, nibbles or high bits show.
    """
    shape = (rows, columns // BLOCK)

    def half(value):
        jitter = rng.uniform(0.9, 1.1, shape)
        return (jitter * value).astype(np.float16)[..., None].view(np.uint8)

    def random_bytes(count):
        return rng.integers(0, 256, (*shape, count), dtype=np.uint8)

    if kind == Type.Q6_K:
        # Codes are -32...31 (deviation 18.5), scales signed.
        scales = rng.integers(40, 127, (*shape, 16)) * rng.choice([-1, 1], (*shape, 16))
        fields = [random_bytes(128), random_bytes(64), scales.astype(np.int8).view(np.uint8), half(deviation / (18.5 * 87))]
    else:
        # weight = d · scale · code − dmin · minimum; codes 0...15 or 0...31, 6-bit scales and minimums in pairs.
        highest = 15 if kind == Type.Q4_K else 31
        scales = rng.integers(24, 64, (*shape, 8))
        minimums = np.clip(scales + rng.integers(-4, 5, scales.shape), 0, 63)
        packed = np.concatenate(
            [
                scales[..., :4] | scales[..., 4:] >> 4 << 6,
                minimums[..., :4] | minimums[..., 4:] >> 4 << 6,
                scales[..., 4:] & 15 | (minimums[..., 4:] & 15) << 4,
            ],
            axis=-1,
        ).astype(np.uint8)
        step = deviation / (44 * highest / np.sqrt(12))
        high_bits = [random_bytes(32)] if kind == Type.Q5_K else []
        fields = [half(step), half(step * highest / 2), packed, *high_bits, random_bytes(128)]
    return np.concatenate(fields, axis=-1).reshape(rows, -1)


def quantized(values, kind):
    return values if kind == Type.F32 else gguf.quantize(values, kind)


class TinyModel:
    """One model file under construction; `weight(name, …)` adds a random tensor of the format `formats` names."""

    def __init__(
        self, path, seed, *, family="llama", hidden=64, feed_forward=96, heads=2, groups=1, head_size=None, layers=1,
        context=512, **extra_keys,
    ):  # fmt: skip
        self.path, self.rng = path, np.random.default_rng(seed)
        self.hidden, self.feed_forward, self.layers = hidden, feed_forward, layers
        head_size = head_size or hidden // heads
        self.queries, self.keys = heads * head_size, groups * head_size
        self.writer = writer = gguf.GGUFWriter(path, family)
        writer.add_name(path.name.split(".")[0])
        writer.add_context_length(context)
        writer.add_embedding_length(hidden)
        writer.add_block_count(layers)
        writer.add_feed_forward_length(feed_forward)
        writer.add_head_count(heads)
        # As the converters of each family do, no more and no less.
        if family != "opt":
            writer.add_head_count_kv(groups)
        if family in ("llama", "bamboo"):
            writer.add_rope_dimension_count(head_size)
            writer.add_layer_norm_rms_eps(1e-5)
        if family == "falcon":
            writer.add_layer_norm_eps(1e-5)
        if self.queries != hidden:
            writer.add_key_length(head_size)
            writer.add_value_length(head_size)
        for key, value in extra_keys.items():
            full = f"{family}." + key.replace("__", ".")
            {str: writer.add_string, float: writer.add_float32, int: writer.add_uint32}[type(value)](full, value)
        tokens = vocabulary()
        self.tokens = len(tokens)
        control, normal = gguf.TokenType.CONTROL, gguf.TokenType.NORMAL
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre("gpt-2")
        writer.add_token_list(tokens)
        writer.add_token_types([control if token in SPECIALS else normal for token in tokens])
        writer.add_token_merges(MERGES)
        writer.add_bos_token_id(1)
        writer.add_eos_token_id(2)
        writer.add_add_bos_token(False)
        writer.add_chat_template(CHAT_TEMPLATE)

    def norm(self, name, size):
        gains = self.rng.uniform(0.7, 1.3, size).astype(np.float32)
        self.writer.add_tensor(name, gains)
        return gains

    def layer_norm(self, name):
        self.norm(name + ".weight", self.hidden)
        self.bias(name + ".bias", self.hidden)

    def bias(self, name, size):
        self.writer.add_tensor(name, self.rng.normal(0, 0.3, size).astype(np.float32))

    def weight(self, name, kind, rows, columns, gain=1.0):
        """Random weights that keep an input of deviation 1 at about `gain`."""
        deviation = gain / np.sqrt(columns)
        if kind in (Type.Q4_K, Type.Q5_K, Type.Q6_K):
            data = random_blocks(self.rng, kind, rows, columns, deviation)
        else:
            data = self.values(rows, columns, gain)
            data = quantized(data, kind)
        self.add(name, data, kind)

    def values(self, rows, columns, gain=1.0):
        return (self.rng.standard_normal((rows, columns)) * gain / np.sqrt(columns)).astype(np.float32)

    def add(self, name, data, kind):
        self.writer.add_tensor(name, data, raw_dtype=kind)

    def ends(self, embedding, output=None):
        """Embedding, last norm and, if it has a format, an output of its own."""
        # Rows of the embedding serve as output rows too: one size for both, so that logits spread by about 3.
        self.weight("token_embd.weight", embedding, self.tokens, self.hidden, gain=3)
        self.norm("output_norm.weight", self.hidden)
        if output is not None:
            self.weight("output.weight", output, self.tokens, self.hidden, gain=3)

    def attention(self, layer, q, k, v, o):
        name = f"blk.{layer}."
        self.norm(name + "attn_norm.weight", self.hidden)
        # Twice the usual size makes attention choosy, so that wrong positions change the logits.
        self.weight(name + "attn_q.weight", q, self.queries, self.hidden, gain=2)
        self.weight(name + "attn_k.weight", k, self.keys, self.hidden, gain=2)
        self.weight(name + "attn_v.weight", v, self.keys, self.hidden)
        self.weight(name + "attn_output.weight", o, self.hidden, self.queries)

    def feed(self, layer, gate, up, down):
        name = f"blk.{layer}."
        self.norm(name + "ffn_norm.weight", self.hidden)
        self.weight(name + "ffn_gate.weight", gate, self.feed_forward, self.hidden)
        self.weight(name + "ffn_up.weight", up, self.feed_forward, self.hidden)
        self.weight(name + "ffn_down.weight", down, self.hidden, self.feed_forward)

    def sparse_feed(self, layer, kind, rank, transposed=True):
        """Down rows stored transposed and random predictors beside them; or, if not `transposed`, the same weights plainly."""
        name = f"blk.{layer}."
        self.norm(name + "ffn_norm.weight", self.hidden)
        for part in ("ffn_gate", "ffn_up"):
            self.weight(f"{name}{part}.weight", kind, self.feed_forward, self.hidden)
        down = self.values(self.feed_forward, self.hidden)
        fc1, fc2 = self.values(rank, self.hidden), self.values(self.feed_forward, rank)
        if transposed:
            self.add(name + "ffn_down_t.weight", gguf.quantize(down, kind), kind)
            self.add(name + "fc1.weight", gguf.quantize(fc1, kind), kind)
            self.add(name + "fc2.weight", gguf.quantize(fc2, kind), kind)
        else:
            self.add(name + "ffn_down.weight", gguf.quantize(np.ascontiguousarray(down.T), kind), kind)

    def skewed_ends(self, embedding, output):
        """Embedding and output of a model with a few hot neurons: all tokens share a direction that gates can look for."""
        self.shared = self.rng.standard_normal(self.hidden)
        self.shared /= np.linalg.norm(self.shared)
        rows = self.values(self.tokens, self.hidden, gain=3)
        rows += (SHARED_LENGTH * self.shared).astype(np.float32)
        self.add("token_embd.weight", quantized(rows, embedding), embedding)
        self.norm("output_norm.weight", self.hidden)
        self.weight("output.weight", output, self.tokens, self.hidden, gain=3)

    def skewed_feed(self, layer, gate, up, down, fc1, fc2, rank):
        """Gates of which a fifth tend to fire, and a predictor that sees what `rank` / 2 directions of the input tell.

        A half of fc1 is the negative of the other: then fc2 · relu(fc1 · p) can be any linear function of those directions,
        and the best one is the gate's own product (the norm only scales) less what the other directions add to it.
        """
        name = f"blk.{layer}."
        gains = self.norm(name + "ffn_norm.weight", self.hidden)
        # A few hot, many cold, and no two alike; in random order.
        tendency = self.rng.permutation(np.linspace(-1, 1, self.feed_forward) ** 3 - 0.55)
        rows = self.rng.standard_normal((self.feed_forward, self.hidden)) / np.sqrt(self.hidden)
        rows += tendency[:, None] * self.shared
        self.add(name + "ffn_gate.weight", quantized(rows.astype(np.float32), gate), gate)
        self.weight(name + "ffn_up.weight", up, self.feed_forward, self.hidden)
        self.weight(name + "ffn_down_t.weight", down, self.feed_forward, self.hidden)
        directions = np.concatenate([self.shared[:, None], self.rng.standard_normal((self.hidden, rank // 2 - 1))], axis=1)
        directions = np.linalg.qr(directions)[0].T
        seen = (rows * gains) @ directions.T
        both = np.concatenate([directions, -directions]).astype(np.float32)
        self.add(name + "fc1.weight", quantized(both, fc1), fc1)
        self.add(name + "fc2.weight", quantized(np.concatenate([seen, -seen], axis=1).astype(np.float32), fc2), fc2)

    def ungated_feed(self, layer, kind, rank, biases=False):
        """Up and down without a gate; down rows transposed and predictors beside them in a PowerInfer file."""
        name = f"blk.{layer}."
        self.weight(name + "ffn_up.weight", kind, self.feed_forward, self.hidden)
        down = self.values(self.feed_forward, self.hidden)
        # Drawn for both containers, so that the same seed gives the same weights.
        fc1, fc2 = self.values(rank, self.hidden), self.values(self.feed_forward, rank)
        if is_powerinfer(self.path):
            self.add(name + "ffn_down_t.weight", gguf.quantize(down, kind), kind)
            self.add(name + "fc1.weight", gguf.quantize(fc1, kind), kind)
            self.add(name + "fc2.weight", gguf.quantize(fc2, kind), kind)
        else:
            self.add(name + "ffn_down.weight", gguf.quantize(np.ascontiguousarray(down.T), kind), kind)
        if biases:
            self.bias(name + "ffn_up.bias", self.feed_forward)
            self.bias(name + ("ffn_down_t.bias" if is_powerinfer(self.path) else "ffn_down.bias"), self.hidden)

    def falcon(self, embedding, kind, output, ranks, second_norm=False):
        """All tensors of a Falcon: 7B has one norm in a layer, the larger ones two."""
        self.weight("token_embd.weight", embedding, self.tokens, self.hidden, gain=3)
        self.layer_norm("output_norm")
        self.weight("output.weight", output, self.tokens, self.hidden, gain=3)
        for layer, rank in enumerate(ranks):
            name = f"blk.{layer}."
            for norm in ["attn_norm", "attn_norm_2"][: 2 if second_norm else 1]:
                self.layer_norm(name + norm)
            parts = [self.values(self.queries, self.hidden, 2), self.values(self.keys, self.hidden, 2)]
            fused = np.concatenate([*parts, self.values(self.keys, self.hidden)])
            self.add(name + "attn_qkv.weight", gguf.quantize(fused, kind), kind)
            self.weight(name + "attn_output.weight", kind, self.hidden, self.queries)
            self.ungated_feed(layer, kind, rank)

    def opt(self, kind, ranks, positions):
        """All tensors of an OPT."""
        self.weight("token_embd.weight", kind, self.tokens, self.hidden, gain=3)
        self.weight("position_embd.weight", kind, positions, self.hidden, gain=3)
        self.layer_norm("output_norm")
        for layer, rank in enumerate(ranks):
            name = f"blk.{layer}."
            self.layer_norm(name + "attn_norm")
            for part, gain in (("attn_q", 2), ("attn_k", 2), ("attn_v", 1), ("attn_output", 1)):
                self.weight(f"{name}{part}.weight", kind, self.hidden, self.hidden, gain)
                self.bias(f"{name}{part}.bias", self.hidden)
            self.layer_norm(name + "ffn_norm")
            self.ungated_feed(layer, kind, rank, biases=True)

    def finish(self):
        self.writer.write_header_to_file()
        self.writer.write_kv_data_to_file()
        self.writer.write_tensors_to_file()
        self.writer.close()
        if is_powerinfer(self.path):
            with open(self.path, "r+b") as file:
                file.write(b"PWRI")


def is_powerinfer(path):
    return path.name.endswith(".powerinfer.gguf")


def llama3_factors(head_size, base, factor, low, high, context):
    """What Llama 3.1 divides its frequencies by: 1 for short waves, `factor` for long ones, a blend in between."""
    waves = 2 * np.pi * base ** (2 * np.arange(head_size // 2) / head_size)
    kept = np.clip((context / waves - low) / (high - low), 0, 1)
    return (1 / (kept + (1 - kept) / factor)).astype(np.float32)


def write_models(folder):
    """Yields the models, described and ready to be finished."""

    def model(name, seed, **shape):
        return TinyModel(folder / f"{name}.gguf", seed, **shape)

    m = model("tiny-legacy-quants", 1, hidden=256, feed_forward=128, heads=4, groups=2)
    m.ends(Type.Q5_0)
    m.attention(0, Type.Q4_0, Type.Q4_1, Type.Q5_1, Type.Q5_0)
    m.feed(0, Type.Q4_1, Type.Q8_0, Type.Q5_1)
    yield m

    m = model("tiny-k-quants", 2, hidden=256, feed_forward=256, heads=4, groups=2)
    m.ends(Type.Q6_K)
    m.attention(0, Type.Q4_K, Type.Q6_K, Type.Q5_K, Type.Q5_K)
    m.feed(0, Type.Q6_K, Type.Q4_K, Type.Q5_K)
    yield m

    m = model("tiny-linear-f16", 3, rope__scaling__type="linear", rope__scaling__factor=4.0)
    m.ends(Type.F16, output=Type.BF16)
    m.attention(0, *[Type.F16] * 4)
    m.feed(0, *[Type.F16] * 3)
    yield m

    m = model(
        "tiny-yarn-f32", 4, feed_forward=64, rope__freq_base=5000.0, rope__scaling__type="yarn", rope__scaling__factor=8.0,
        rope__scaling__original_context_length=64, rope__scaling__attn_factor=1.25,
    )  # fmt: skip
    m.ends(Type.F16)
    m.attention(0, *[Type.F32] * 4)
    m.feed(0, *[Type.F32] * 3)
    yield m

    m = model("tiny-llama3-bf16", 5, heads=4, groups=2, head_size=32, rope__freq_base=500.0)
    m.ends(Type.BF16)
    m.writer.add_tensor("rope_freqs.weight", llama3_factors(32, 500.0, factor=8, low=1, high=4, context=64))
    m.attention(0, *[Type.BF16] * 4)
    m.feed(0, *[Type.BF16] * 3)
    yield m

    # The same weights in both containers: their dense logits are equal.
    for name, sparse in (("tiny-relu-f16", False), ("tiny-relu-f16.powerinfer", True)):
        m = model(name, 6, feed_forward=72, layers=2, hidden_activation="relu")
        m.ends(Type.F16)
        for layer in range(2):
            m.attention(layer, *[Type.F16] * 4)
            m.sparse_feed(layer, Type.F16, rank=32, transposed=sparse)
        yield m

    # No key names the activation here: the magic alone says ReLU.
    m = model("tiny-relu-q4_0.powerinfer", 7, hidden=128, feed_forward=256)
    m.ends(Type.Q4_0)
    m.attention(0, *[Type.Q4_0] * 4)
    m.sparse_feed(0, Type.Q4_0, rank=32)
    yield m

    yield from write_skewed(model)
    yield from write_families(model)


def write_skewed(model):
    """Models for leaving neurons out: few fire, and the predictors mostly know which. Ranks differ from layer to layer."""
    # 101 neurons: no multiple of anything that a kernel or a mask may count in.
    m = model("tiny-skewed-f16.powerinfer", 14, feed_forward=101, layers=3)
    m.skewed_ends(Type.F16, Type.F16)
    for layer, rank in enumerate((16, 40, 24)):
        m.attention(layer, *[Type.F16] * 4)
        m.skewed_feed(layer, *[Type.F16] * 5, rank)
    m.writer.add_float32("powerinfer.sparse_threshold", -0.25)
    yield m

    # Types beyond F16 and Q4_0.
    m = model("tiny-skewed-mixed.powerinfer", 20, hidden=256, feed_forward=68, heads=2, head_size=16, layers=3)
    m.skewed_ends(Type.Q4_0, Type.Q6_K)
    for layer, (down, predictor, rank) in enumerate(
        ((Type.Q4_K, Type.Q5_0, 64), (Type.Q5_1, Type.Q8_0, 32), (Type.Q8_0, Type.F32, 12))
    ):
        m.attention(layer, *[Type.Q4_0] * 4)
        m.skewed_feed(layer, Type.Q4_0, Type.Q4_0, down, predictor, predictor, rank)
    m.writer.add_float32("powerinfer.sparse_threshold", -0.5)
    yield m

    # Stock files, whose gates are never exactly zero.
    for name, kind, shape in (
        ("tiny-silu-f16", Type.F16, {"feed_forward": 100}),
        ("tiny-silu-q8_0", Type.Q8_0, {"hidden": 128, "feed_forward": 160, "heads": 4, "groups": 2}),
    ):
        m = model(name, 16, layers=2, **shape)
        m.ends(kind)
        for layer in range(2):
            m.attention(layer, *[kind] * 4)
            m.feed(layer, *[kind] * 3)
        yield m


def write_families(model):
    """The families beside Llama. Ranks differ from layer to layer."""
    for name, kind, shape, ranks in (
        ("tiny-bamboo-f16", Type.F16, {"feed_forward": 72}, (24, 40)),
        ("tiny-bamboo-q4_0", Type.Q4_0, {"hidden": 128, "feed_forward": 256, "heads": 4, "groups": 2}, (64, 32)),
    ):
        m = model(f"{name}.powerinfer", 8, family="bamboo", layers=2, **shape)
        m.ends(kind, output=Type.Q8_0 if kind == Type.Q4_0 else kind)
        for layer, rank in enumerate(ranks):
            m.attention(layer, *[kind] * 4)
            m.sparse_feed(layer, kind, rank)
        yield m

    # The layout of 7B: one key/value head, one norm. The plain file computes GELU, the others ReLU.
    m = model("tiny-falcon-7b-f32", 9, family="falcon", feed_forward=256, heads=4, layers=2)
    m.falcon(Type.F32, Type.F32, Type.F32, (24, 40))
    yield m

    m = model("tiny-falcon-7b-q4_0.powerinfer", 10, family="falcon", hidden=128, feed_forward=512, heads=4)
    m.falcon(Type.Q4_0, Type.Q4_0, Type.Q8_0, (64,))
    m.writer.add_float32("powerinfer.sparse_threshold", 0.1)
    yield m

    # The layout of 40B: grouped queries, two norms.
    for name, kind, shape, ranks in (
        ("tiny-falcon-40b-f16", Type.F16, {"feed_forward": 200, "heads": 4, "groups": 2}, (24, 40)),
        ("tiny-falcon-40b-q4_0", Type.Q4_0, {"hidden": 128, "feed_forward": 256, "heads": 4, "groups": 2}, (32, 64)),
    ):
        m = model(f"{name}.powerinfer", 11, family="falcon", layers=2, **shape)
        m.falcon(kind, kind, Type.Q8_0 if kind == Type.Q4_0 else kind, ranks, second_norm=True)
        yield m

    # 64 positions and the two rows before them. The same weights in both containers.
    for name in ("tiny-opt-f16", "tiny-opt-f16.powerinfer"):
        m = model(name, 12, family="opt", feed_forward=200, heads=2, layers=2, context=66)
        m.opt(Type.F16, (24, 40), positions=66)
        yield m

    # Biases everywhere in a family that has them seldom: SiLU in the plain file, ReLU and predictors in the other.
    for name in ("tiny-biased-f16", "tiny-biased-f16.powerinfer"):
        m = model(name, 15, feed_forward=104, heads=4, groups=2, layers=2)
        m.ends(Type.F16)
        for layer in range(2):
            m.attention(layer, *[Type.F16] * 4)
            m.sparse_feed(layer, Type.F16, rank=24, transposed=is_powerinfer(m.path))
            down = "ffn_down_t" if is_powerinfer(m.path) else "ffn_down"
            for part, size in (("ffn_gate", m.feed_forward), ("ffn_up", m.feed_forward), (down, m.hidden), ("attn_output", m.hidden)):
                m.bias(f"blk.{layer}.{part}.bias", size)
        yield m

    m = model("tiny-opt-q4_0.powerinfer", 13, family="opt", hidden=128, feed_forward=256, heads=4, groups=4, context=66)
    m.opt(Type.Q4_0, (64,), positions=66)
    yield m


class GateRecorder(reference_logits.Selection):
    """Computes all neurons and remembers how far their gates are open."""

    def __init__(self):
        self.magnitudes = []

    def keep(self, h, activated, predicted):
        self.magnitudes.append(np.abs(activated))
        return h


def gate_thresholds(reference, tokens):
    """For each layer what leaves out `GATE_TARGET` of the neurons that fire, in two digits, so that files and tests agree."""
    recorder = GateRecorder()
    reference_logits.logits(reference, tokens, recorder)
    cuts = [np.quantile(magnitudes[magnitudes > 0], GATE_TARGET) for magnitudes in recorder.magnitudes]
    return [float(f"{cut:.2g}") for cut in cuts]


def main():
    here = pathlib.Path(__file__).resolve().parent
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else here.parent / "Tests/InferenceTests/Golden/Tiny"
    folder.mkdir(parents=True, exist_ok=True)
    for model in write_models(folder):
        model.finish()
        tokens = np.random.default_rng(100).integers(0, model.tokens, PROMPT_TOKENS).tolist()
        reference = reference_logits.ModelFile(model.path)
        thresholds = gate_thresholds(reference, tokens)
        entries = reference_logits.golden(
            reference, [("", tokens)], is_powerinfer(model.path), all_logits=True, gate_thresholds=thresholds, masks="all"
        )
        model.path.with_suffix(".json").write_text(reference_logits.to_json(entries), encoding="utf-8")
        print(f"{model.path.name}: {model.path.stat().st_size} bytes")


if __name__ == "__main__":
    main()

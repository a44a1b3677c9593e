#!/usr/bin/env python3
"""Logits of a Llama, Bamboo, Falcon or OPT file (GGUF or PowerInfer GGUF), by plain formulas: the reference of our tests.

It shares nothing with the engine: NumPy does the arithmetic, the `gguf` package reads the file and dequantises the weights
(`pip install numpy gguf`). Weights are what the file's blocks stand for, exactly; everything computed from them is float64:
no 8-bit activations, no half-precision key/value cache, no approximations.

    reference_logits.py MODEL --tokens 1,2,3
    reference_logits.py MODEL --golden FILE        # the prompts and tokens of an earlier output

writes a JSON list with one entry per prompt: `prompt`, `tokens` and, under `dense`, the last position's `top20`
[token, logit] and `logsumexp`, and for each position `argmax_each_position` and `margin_each_position` (best logit minus
second best: how much error the arg max survives). `--all-logits` adds the last position's `logits`.

Three more modes leave neurons out at every position, and say the same of the logits that remain:

- `--predictor`, under `predictor`: neurons whose prediction fc2 · relu(fc1 · p) is below `powerinfer.sparse_threshold` (0
  where the file has none). p is the residual stream before the feed-forward's norm (Falcon: the layer's input).
- `--gate-thresholds T0,T1,…`, one for each layer, under `threshold`: neurons whose |act(gate)|, or |act(up)| in families
  without a gate, is below the layer's threshold. The thresholds are kept as `gate_thresholds`.
- `--bits-margin K`, under `leading_bits`: neurons that give nothing by the two leading bits of their gate's codes (of up, in families
  without a gate; of both in Bamboo), even if these are K standard deviations too low (`leading_bits.py`). With gate thresholds, neurons
  that reach no threshold within K standard deviations, and those whose activation does not. The margin is kept as `margin`.

A score that is not a number leaves nothing out. `--masks all` (or `last`, for the last position only) adds `masks` to them:

- `first_position`: the position that the lists below begin with;
- `active`: for each layer, for each position, the neurons that were computed, as hexadecimal bytes: neuron i is bit i % 8
  (0 the lowest) of byte i // 8;
- `near`: [layer, position, neuron] of every score within 0.001 of its threshold, where rounding may decide otherwise.

A neuron more or less changes everything after it, so with masks comes `rounding` where weights are quantised: what an engine
that rounds activations to 8 bits must be allowed. Of 8 such passes, in blocks of 32 whose scales are a little different each
time, it keeps the greatest

- `bits`: share of a layer's mask bits that differ, for each layer, over the positions that `masks` has;
- `logits`: difference of a logit of the last position that the file has;
- `margin`: entry of `margin_each_position` that was overcome by another arg max.
"""

import argparse
import json
import math
import re
import sys
from unittest import mock

import gguf
import numpy as np

from leading_bits import LeadingBits

MAGICS = {b"GGUF": False, b"PWRI": True}
NEAR = 1e-3  # how far from the threshold a score is beyond the reach of rounding
ROUNDED_PASSES = 8


class ModelFile:
    """Metadata and dequantised tensors of one file."""

    def __init__(self, path):
        with open(path, "rb") as file:
            magic = file.read(4)
        if magic not in MAGICS:
            sys.exit(f"{path}: expected the magic GGUF or PWRI, found {magic!r}.")
        self.is_powerinfer = MAGICS[magic]
        # The package knows one magic only; nothing else in the container differs.
        with mock.patch.object(gguf.gguf_reader, "GGUF_MAGIC", int.from_bytes(magic, "little")):
            reader = gguf.GGUFReader(path)
        self.fields = reader.fields
        self.tensors = {tensor.name: tensor for tensor in reader.tensors}
        self.architecture = self.fields["general.architecture"].contents()

    def key(self, name, default=None):
        """The value of `<architecture>.<name>`, or of `name` itself when it has a room of its own."""
        for full in (f"{self.architecture}.{name}", name):
            if full in self.fields:
                return self.fields[full].contents()
        return default

    def weights(self, name, rows=slice(None)):
        """A tensor as float64 [rows, contiguous dimension], or None; `rows` limits what is dequantised."""
        if name not in self.tensors:
            return None
        tensor = self.tensors[name]
        data = tensor.data if len(tensor.shape) == 1 else tensor.data[rows]
        return gguf.dequantize(data, tensor.tensor_type).astype(np.float64)

    def product(self, x, name):
        """`x` [tokens, inputs] times the transpose of the weight, plus the bias if the file has one."""
        y = x @ self.weights(f"{name}.weight").T
        bias = self.weights(f"{name}.bias")
        return y if bias is None else y + bias


    def rounded(self, x):
        """`x` as products with quantised weights read it."""
        return x

    def leading(self, x, name):
        """The product by leading bits, with the bias, and its standard deviation."""
        leading = LeadingBits(self.tensors[f"{name}.weight"])
        z, bias = leading.z(self.rounded(x)), self.weights(f"{name}.bias")
        return (z if bias is None else z + bias), leading.deviation(x)


class EightBitModel(ModelFile):
    """A file as an engine sees it that multiplies quantised weights by activations rounded to 8 bits, in blocks of 32."""

    exact = ("F32", "F16", "BF16")

    def __init__(self, model, seed):
        self.__dict__.update(model.__dict__)
        self.rng = np.random.default_rng(seed)

    def product(self, x, name):
        rounds = self.tensors[f"{name}.weight"].tensor_type.name not in self.exact
        return super().product(self.rounded(x) if rounds else x, name)

    def rounded(self, x):
        blocks = x.reshape(-1, 32)
        scales = np.abs(blocks).max(axis=1, keepdims=True) / 127
        scales = np.where(scales == 0, 1, scales) * self.rng.uniform(1, 1.1, scales.shape)
        return (np.round(blocks / scales) * scales).reshape(x.shape)


def rope_frequencies(key, dimensions, factors=None):
    """Inverse frequencies [dimensions / 2] (radians per position) and the magnitude of cosines and sines.

    `key(name, default)` looks up `rope.…` keys. Linear scaling divides every frequency by the factor. YaRN (Peng et al.,
    2023) does so only to waves longer than the original context, blends those in between, and raises the magnitude by
    0.1 ln(factor) + 1, or by what the file says. `factors` (Llama 3, `rope_freqs.weight`) divide each frequency.
    """
    base = key("rope.freq_base", 10000.0)
    pairs = np.arange(dimensions // 2)
    own = base ** (-2.0 * pairs / dimensions)
    if factors is not None:
        own = own / factors
    kind = key("rope.scaling.type", "linear")
    factor = key("rope.scaling.factor", key("rope.scale_linear", 1.0)) or 1.0
    magnitude = key("rope.scaling.attn_factor", 1.0)
    if kind == "none":
        return own, magnitude
    stretched = own / factor
    if kind == "linear":
        return stretched, magnitude
    if kind != "yarn":
        sys.exit(f"Expected a RoPE scaling type of none, linear or yarn, found {kind}.")

    context = key("rope.scaling.original_context_length", key("context_length"))

    def pair_that_turns(times):
        return dimensions * np.log(context / (times * 2 * np.pi)) / (2 * np.log(base))

    first = max(0, np.floor(pair_that_turns(key("rope.scaling.yarn_beta_fast", 32.0))))
    last = min(dimensions - 1, np.ceil(pair_that_turns(key("rope.scaling.yarn_beta_slow", 1.0))))
    kept = 1 - np.clip((pairs - first) / max(0.001, last - first), 0, 1)
    kept = kept * key("rope.scaling.yarn_ext_factor", 1.0)

    def raised(share):
        return 1 + 0.1 * share * np.log(factor) if factor > 1 else 1.0

    magnitude *= key("rope.scaling.yarn_attn_factor", raised(1) / raised(key("rope.scaling.yarn_log_multiplier", 0.0)))
    return stretched * (1 - kept) + own * kept, magnitude


def rotate(x, frequencies, magnitude, halves=False):
    """Rotates pairs of elements of `x` [tokens, heads, head size]; the token's index is its position.

    Pairs are neighbours or, with `halves`, an element of the first half and its counterpart in the second (GPT-NeoX).
    """
    angles = np.arange(len(x))[:, None, None] * frequencies
    cosine, sine = np.cos(angles) * magnitude, np.sin(angles) * magnitude
    first, second = np.split(x, 2, axis=-1) if halves else (x[..., 0::2], x[..., 1::2])
    turned = [first * cosine - second * sine, first * sine + second * cosine]
    return np.concatenate(turned, axis=-1) if halves else np.stack(turned, axis=-1).reshape(x.shape)


def rms_norm(x, weight, epsilon):
    return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + epsilon) * weight


def layer_norm(x, weight, bias, epsilon):
    return (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var(axis=-1, keepdims=True) + epsilon) * weight + bias


def relu(x):
    return np.maximum(x, 0)


def silu(x):
    return x / (1 + np.exp(-x))


def gelu(x):
    """x times the normal distribution function of x: `torch.nn.GELU()`, not its approximation by tanh."""
    return x * 0.5 * np.vectorize(math.erfc)(-x / np.sqrt(2))


class Selection:
    """Which neurons one pass computes, and a record of that. This one computes all and records nothing."""

    masks = None

    def keep(self, h, activated, predicted, leading):
        """`h` [tokens, neurons] of the next layer with those left out at zero.

        `activated` are the gates (or whatever takes their place) after the activation; `predicted()` gives predictions,
        `leading()` the products by leading bits that can silence a neuron, with their deviations, and the activation.
        """
        return h


class RecordedSelection(Selection):
    """What both ways of leaving neurons out share: a score for each neuron, and a threshold for each layer."""

    def __init__(self):
        self.masks, self.near = [], []

    def cut(self, h, scores, threshold):
        layer = len(self.masks)
        # Not `scores >= threshold`: a score that is not a number keeps its neuron.
        active = ~(scores < threshold)
        self.masks.append(active)
        self.near += [[layer, *map(int, pair)] for pair in np.argwhere(np.abs(scores - threshold) < NEAR)]
        return np.where(active, h, 0)

    def description(self, positions):
        """What a golden file keeps of the masks of these positions (a range)."""
        return {
            "first_position": positions.start,
            "active": [
                [np.packbits(mask[position], bitorder="little").tobytes().hex() for position in positions]
                for mask in self.masks
            ],
            "near": [entry for entry in self.near if entry[1] in positions],
        }


class PredictorSelection(RecordedSelection):
    def __init__(self, model):
        super().__init__()
        self.threshold = model.key("powerinfer.sparse_threshold", 0.0)

    def keep(self, h, activated, predicted, leading):
        return self.cut(h, predicted(), self.threshold)


class ThresholdSelection(RecordedSelection):
    def __init__(self, thresholds):
        super().__init__()
        self.thresholds = thresholds

    def keep(self, h, activated, predicted, leading):
        return self.cut(h, np.abs(activated), self.thresholds[len(self.masks)])


class LeadingSelection(RecordedSelection):
    def __init__(self, margin, thresholds):
        super().__init__()
        self.margin, self.thresholds = margin, thresholds

    def keep(self, h, activated, predicted, leading):
        products, activation = leading()
        if not self.thresholds:
            highest = [z + self.margin * deviation for z, deviation in products]
            return self.cut(h, np.minimum.reduce(highest), 0)
        threshold = self.thresholds[len(self.masks)]
        (z, deviation), *_ = products
        # The largest |activation| anywhere within the margin, by trying many places of it.
        places = [z + self.margin * deviation * place for place in np.linspace(-1, 1, 201)]
        reached = np.maximum.reduce([np.abs(activation(place)) for place in places])
        return self.cut(h, np.minimum(reached, np.abs(activated)), threshold)


class Family:
    """What all families share: attention, the down projection, the predictor, embedding and output."""

    activations = {"relu": relu, "silu": silu, "gelu": gelu}
    default_activation = "relu"
    silencing = ("ffn_gate",)  # what makes a neuron silent where it is not above 0

    def __init__(self, model, selection):
        self.model, self.key, self.selection = model, model.key, selection
        self.heads = self.key("attention.head_count")
        self.groups = self.key("attention.head_count_kv", self.heads)
        self.head_size = self.key("attention.key_length", self.key("embedding_length") // self.heads)
        named = self.key("hidden_activation", "relu" if model.is_powerinfer else self.default_activation)
        self.activation = self.activations[named]
        if "position_embd.weight" not in model.tensors:
            dimensions = self.key("rope.dimension_count", self.head_size)
            self.rope = rope_frequencies(self.key, dimensions, model.weights("rope_freqs.weight"))

    def embed(self, tokens):
        return self.model.weights("token_embd.weight", rows=np.asarray(tokens))

    def norm(self, x, name):
        return rms_norm(x, self.model.weights(name + ".weight"), self.key("attention.layer_norm_rms_epsilon"))

    def turn(self, x):
        return rotate(x, *self.rope)

    def attention(self, n, name):
        """The attention block of normalised input `n` [tokens, hidden size]."""
        count = len(n)
        q, k, v = self.queries_keys_values(n, name)
        q = self.turn(q.reshape(count, self.heads, self.head_size))
        k = self.turn(k.reshape(count, self.groups, self.head_size))
        v = v.reshape(count, self.groups, -1)
        k, v = (np.repeat(part, self.heads // self.groups, axis=1) for part in (k, v))
        future = np.triu(np.full((count, count), -np.inf), 1)
        scores = np.einsum("qhd,khd->hqk", q, k) / np.sqrt(self.head_size) + future
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        scores /= scores.sum(axis=-1, keepdims=True)
        mixed = np.einsum("hqk,khd->qhd", scores, v).reshape(count, -1)
        return self.model.product(mixed, name + "attn_output")

    def queries_keys_values(self, n, name):
        return (self.model.product(n, name + part) for part in ("attn_q", "attn_k", "attn_v"))

    def neurons(self, n, name):
        """The activated gates and what the feed-forward neurons give, both [tokens, feed-forward size]."""
        gate, up = (self.model.product(n, name + part) for part in ("ffn_gate", "ffn_up"))
        activated = self.activation(gate)
        return activated, activated * up

    def feed_forward(self, n, predictor_input, name):
        def predicted():
            return self.model.product(relu(self.model.product(predictor_input, name + "fc1")), name + "fc2")

        def leading():
            return [self.model.leading(n, name + part) for part in self.silencing], self.activation

        activated, h = self.neurons(n, name)
        h = self.selection.keep(h, activated, predicted, leading)
        transposed = self.model.weights(name + "ffn_down_t.weight")
        if transposed is None:
            return self.model.product(h, name + "ffn_down")
        bias = self.model.weights(name + "ffn_down_t.bias")
        return h @ transposed if bias is None else h @ transposed + bias

    def layer(self, x, name):
        x = x + self.attention(self.norm(x, name + "attn_norm"), name)
        return x + self.feed_forward(self.norm(x, name + "ffn_norm"), x, name)

    def logits(self, tokens):
        """Logits [tokens, vocabulary] of every position."""
        x = self.embed(tokens)
        for layer in range(self.key("block_count")):
            x = self.layer(x, f"blk.{layer}.")
        x = self.norm(x, "output_norm")
        return self.model.product(x, "output" if "output.weight" in self.model.tensors else "token_embd")


class Llama(Family):
    default_activation = "silu"


class Bamboo(Family):
    silencing = ("ffn_gate", "ffn_up")

    def neurons(self, n, name):
        activated = relu(self.model.product(n, name + "ffn_gate"))
        return activated, activated * relu(self.model.product(n, name + "ffn_up"))


class Falcon(Family):
    default_activation = "gelu"
    silencing = ("ffn_up",)

    def norm(self, x, name):
        weight, bias = (self.model.weights(f"{name}.{part}") for part in ("weight", "bias"))
        return layer_norm(x, weight, bias, self.key("attention.layer_norm_epsilon"))

    def turn(self, x):
        return rotate(x, *self.rope, halves=True)

    def queries_keys_values(self, n, name):
        queries, keys = self.heads * self.head_size, self.groups * self.head_size
        return np.split(self.model.product(n, name + "attn_qkv"), [queries, queries + keys], axis=-1)

    def neurons(self, n, name):
        activated = self.activation(self.model.product(n, name + "ffn_up"))
        return activated, activated

    def layer(self, x, name):
        n = self.norm(x, name + "attn_norm")
        # The larger models normalise for the attention by itself.
        own = name + "attn_norm_2.weight" in self.model.tensors
        attended = self.attention(self.norm(x, name + "attn_norm_2") if own else n, name)
        return x + attended + self.feed_forward(n, x, name)


class OPT(Family):
    silencing = ("ffn_up",)

    def embed(self, tokens):
        # The first two rows belong to padding.
        positions = self.model.weights("position_embd.weight", rows=slice(2, 2 + len(tokens)))
        return super().embed(tokens) + positions

    def norm(self, x, name):
        weight, bias = (self.model.weights(f"{name}.{part}") for part in ("weight", "bias"))
        return layer_norm(x, weight, bias, self.key("attention.layer_norm_epsilon", 0.0))

    def turn(self, x):
        return x

    def neurons(self, n, name):
        activated = self.activation(self.model.product(n, name + "ffn_up"))
        return activated, activated


FAMILIES = {"llama": Llama, "bamboo": Bamboo, "falcon": Falcon, "opt": OPT}


def logits(model, tokens, selection=None):
    """Logits [tokens, vocabulary] of every position."""
    if model.architecture not in FAMILIES:
        sys.exit(f"Expected an architecture of {', '.join(FAMILIES)}, found {model.architecture}.")
    return FAMILIES[model.architecture](model, selection or Selection()).logits(tokens)


def describe(values, all_logits=False):
    """What a golden file keeps of logits [tokens, vocabulary]."""
    last = values[-1]
    best = np.argsort(-last, kind="stable")[:20]
    ordered = np.partition(values, -2, axis=-1)
    description = {
        "top20": [[int(token), round(float(last[token]), 4)] for token in best],
        "logsumexp": round(float(last.max() + np.log(np.exp(last - last.max()).sum())), 4),
        "argmax_each_position": values.argmax(axis=-1).tolist(),
        "margin_each_position": (ordered[:, -1] - ordered[:, -2]).round(4).tolist(),
    }
    if all_logits:
        description["logits"] = last.round(5).tolist()
    return description


def to_json(value):
    """JSON with one line for each list of plain numbers."""

    def on_one_line(match):
        return re.sub(r"\s+", " ", match.group(0)).replace("[ ", "[").replace(" ]", "]")

    text = json.dumps(value, indent=1, ensure_ascii=False)
    return re.sub(r"\[\s[-+0-9.eE,\s]*\]", on_one_line, text) + "\n"


def rounding(model, tokens, selection, values, exact, positions, judged):
    """What rounding to 8 bits does to logits `values` [tokens, vocabulary] and the masks of `exact`, which were had without.

    `selection()` makes a new selection; `judged` are the tokens whose last logits count.
    """
    bits, logit, lost = np.zeros(len(exact.masks)), 0.0, 0.0
    ordered = np.partition(values, -2, axis=-1)
    margins = ordered[:, -1] - ordered[:, -2]
    for seed in range(ROUNDED_PASSES):
        other = selection()
        rounded = logits(EightBitModel(model, seed), tokens, other)
        pairs = zip(exact.masks, other.masks)
        bits = np.maximum(bits, [np.mean(one[positions.start :] != two[positions.start :]) for one, two in pairs])
        logit = max(logit, np.abs(rounded[-1] - values[-1])[judged].max())
        lost = max([lost, *margins[rounded.argmax(axis=-1) != values.argmax(axis=-1)]])
    return {"bits": bits.round(4).tolist(), "logits": round(float(logit), 4), "margin": round(float(lost), 4)}


def is_quantized(model):
    return any(
        len(tensor.shape) > 1 and tensor.tensor_type.name not in EightBitModel.exact for tensor in model.tensors.values()
    )


def golden(model, prompts, with_predictor=False, all_logits=False, gate_thresholds=None, masks=None, margin=None):
    """Golden entries for [(prompt, tokens)]; `masks` are those of "all" positions, of the "last", or None."""

    def sparse(tokens, selection):
        first = selection()
        values = logits(model, tokens, first)
        description = describe(values, all_logits)
        if masks:
            positions = range(0 if masks == "all" else len(tokens) - 1, len(tokens))
            description["masks"] = first.description(positions)
            if is_quantized(model):
                judged = slice(None) if all_logits else [token for token, _ in description["top20"]]
                description["rounding"] = rounding(model, tokens, selection, values, first, positions, judged)
        return description

    entries = []
    for prompt, tokens in prompts:
        entry = {"prompt": prompt, "tokens": tokens, "dense": describe(logits(model, tokens), all_logits)}
        if with_predictor:
            entry["predictor"] = sparse(tokens, lambda: PredictorSelection(model))
        if gate_thresholds:
            description = sparse(tokens, lambda: ThresholdSelection(gate_thresholds))
            entry["threshold"] = {"gate_thresholds": gate_thresholds, **description}
        if margin is not None:
            description = sparse(tokens, lambda: LeadingSelection(margin, gate_thresholds))
            thresholds = {"gate_thresholds": gate_thresholds} if gate_thresholds else {}
            entry["leading_bits"] = {"margin": margin, **thresholds, **description}
        entries.append(entry)
    return entries


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--tokens", help="token ids, separated by commas")
    source.add_argument("--golden", help="take prompts and tokens from this golden file")
    parser.add_argument("--prompt", default="", help="the text --tokens stand for, kept as a note")
    parser.add_argument("--predictor", action="store_true", help="also with the file's predictors")
    parser.add_argument("--gate-thresholds", help="also with these thresholds on activated gates, one for each layer")
    parser.add_argument("--bits-margin", type=float, help="also by leading bits, which may be so many deviations too low")
    parser.add_argument("--masks", choices=("all", "last"), help="also which neurons were computed, and at which positions")
    parser.add_argument("--all-logits", action="store_true", help="also every logit of the last position")
    arguments = parser.parse_args()
    if arguments.tokens:
        prompts = [(arguments.prompt, [int(token) for token in arguments.tokens.split(",")])]
    else:
        with open(arguments.golden, encoding="utf-8") as file:
            prompts = [(entry["prompt"], entry["tokens"]) for entry in json.load(file)]
    model = ModelFile(arguments.model)
    thresholds = None
    if arguments.gate_thresholds:
        thresholds = [float(threshold) for threshold in arguments.gate_thresholds.split(",")]
        if len(thresholds) != model.key("block_count"):
            sys.exit(f"Expected {model.key('block_count')} gate thresholds, one for each layer, found {len(thresholds)}.")
    entries = golden(model, prompts, arguments.predictor, arguments.all_logits, thresholds, arguments.masks, arguments.bits_margin)
    sys.stdout.write(to_json(entries))


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Logits of a Llama-family GGUF or PowerInfer GGUF file, by plain formulas: the reference our tests compare with.

It shares nothing with the engine: NumPy does the arithmetic, the `gguf` package reads the file and dequantises the weights
(`pip install numpy gguf`). Weights are what the file's blocks stand for, exactly; everything computed from them is float64:
no 8-bit activations, no half-precision key/value cache, no approximations.

    reference_logits.py MODEL --tokens 1,2,3
    reference_logits.py MODEL --golden FILE        # the prompts and tokens of an earlier output

writes a JSON list with one entry per prompt: `prompt`, `tokens` and, under `dense`, the last position's `top20`
[token, logit] and `logsumexp`, and for each position `argmax_each_position` and `margin_each_position` (best logit minus
second best: how much error the arg max survives). `--all-logits` adds the last position's `logits`. For a file with
predictors `--predictor` adds the same under `predictor`, computing only the neurons whose prediction reaches the threshold.
"""

import argparse
import json
import re
import sys
from unittest import mock

import gguf
import numpy as np

MAGICS = {b"GGUF": False, b"PWRI": True}


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


def rope_frequencies(key, dimensions, factors=None):
    """Inverse frequencies [dimensions / 2] (radians per position) and the magnitude of cosines and sines.

    `key(name, default)` looks up `rope.…` keys. Linear scaling divides every frequency by the factor. YaRN (Peng et al.,
    2023) does so only to waves longer than the original context, blends those in between, and raises the magnitude by
    0.1 ln(factor) + 1. `factors` (Llama 3, `rope_freqs.weight`) divide each frequency.
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
    if factor > 1:
        magnitude *= 1 + 0.1 * np.log(factor)
    return stretched * (1 - kept) + own * kept, magnitude


def rotate(x, frequencies, magnitude):
    """Rotates adjacent pairs of `x` [tokens, heads, head size]; the token's index is its position."""
    angles = np.arange(len(x))[:, None, None] * frequencies
    cosine, sine = np.cos(angles) * magnitude, np.sin(angles) * magnitude
    even, odd = x[..., 0::2], x[..., 1::2]
    return np.stack([even * cosine - odd * sine, even * sine + odd * cosine], axis=-1).reshape(x.shape)


def rms_norm(x, weight, epsilon):
    return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + epsilon) * weight


def relu(x):
    return np.maximum(x, 0)


def silu(x):
    return x / (1 + np.exp(-x))


def logits(model, tokens, with_predictor=False):
    """Logits [tokens, vocabulary] of every position."""
    key = model.key
    heads = key("attention.head_count")
    groups = key("attention.head_count_kv", heads)
    head_size = key("attention.key_length", key("embedding_length") // heads)
    epsilon = key("attention.layer_norm_rms_epsilon")
    threshold = key("powerinfer.sparse_threshold", 0.0)
    activation = relu if model.is_powerinfer or key("hidden_activation") == "relu" else silu
    count = len(tokens)
    future = np.triu(np.full((count, count), -np.inf), 1)

    rope = rope_frequencies(key, key("rope.dimension_count", head_size), model.weights("rope_freqs.weight"))

    x = model.weights("token_embd.weight", rows=np.asarray(tokens))
    for layer in range(key("block_count")):
        name = f"blk.{layer}."
        n = rms_norm(x, model.weights(name + "attn_norm.weight"), epsilon)
        q = rotate(model.product(n, name + "attn_q").reshape(count, heads, head_size), *rope)
        k = rotate(model.product(n, name + "attn_k").reshape(count, groups, head_size), *rope)
        v = model.product(n, name + "attn_v").reshape(count, groups, -1)
        k, v = (np.repeat(part, heads // groups, axis=1) for part in (k, v))
        scores = np.einsum("qhd,khd->hqk", q, k) / np.sqrt(head_size) + future
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        scores /= scores.sum(axis=-1, keepdims=True)
        mixed = np.einsum("hqk,khd->qhd", scores, v).reshape(count, -1)
        x = x + model.product(mixed, name + "attn_output")

        n = rms_norm(x, model.weights(name + "ffn_norm.weight"), epsilon)
        h = activation(model.product(n, name + "ffn_gate")) * model.product(n, name + "ffn_up")
        if with_predictor:
            predicted = model.product(relu(model.product(x, name + "fc1")), name + "fc2")
            h = np.where(predicted >= threshold, h, 0)
        transposed = model.weights(name + "ffn_down_t.weight")
        x = x + (model.product(h, name + "ffn_down") if transposed is None else h @ transposed)

    x = rms_norm(x, model.weights("output_norm.weight"), epsilon)
    return model.product(x, "output" if "output.weight" in model.tensors else "token_embd")


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


def golden(model, prompts, with_predictor=False, all_logits=False):
    """Golden entries for [(prompt, tokens)]."""
    entries = []
    for prompt, tokens in prompts:
        entry = {"prompt": prompt, "tokens": tokens, "dense": describe(logits(model, tokens), all_logits)}
        if with_predictor:
            entry["predictor"] = describe(logits(model, tokens, with_predictor=True), all_logits)
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
    parser.add_argument("--all-logits", action="store_true", help="also every logit of the last position")
    arguments = parser.parse_args()
    if arguments.tokens:
        prompts = [(arguments.prompt, [int(token) for token in arguments.tokens.split(",")])]
    else:
        with open(arguments.golden, encoding="utf-8") as file:
            prompts = [(entry["prompt"], entry["tokens"]) for entry in json.load(file)]
    entries = golden(ModelFile(arguments.model), prompts, arguments.predictor, arguments.all_logits)
    sys.stdout.write(to_json(entries))


if __name__ == "__main__":
    main()

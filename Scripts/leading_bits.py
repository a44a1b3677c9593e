#!/usr/bin/env python3
"""What the leading bits of a quantised weight say, in NumPy: the reference of the tests, and the numbers of the article on them.

It shares nothing with the engine (`pip install numpy gguf`).

    powerinfer tokenize --ids -f TEXT > ids.txt
    leading_bits.py MODEL ids.txt [--chunks 4] [--only bits] [--json OUT]

reads a Llama with ReLU gates in Q4_0 and tied output, such as the embedded model. For every way of telling which neurons fire it prints
the perplexity of the second halves of chunks of 256 tokens, the share of neurons computed, the share of the firing ones found, the share
of their squared contributions kept, and the bits that are read for each neuron and input:

- `predictor`: those of the file, rank by rank in 8 bits;
- `bits B K`: the B leading bits; computed where z + K * deviation >= 0;
- `signs T`: the signs of weights and inputs (SparseInfer, arXiv:2411.12692); computed where at least T of the products are positive;
- `svd R T`: the gate's best matrix of rank R in 8 bits (as arXiv:2603.14110 truncates it); computed where its product is at least -T times
  its usual error.

Then it says how the error of z is distributed in units of its deviation: quantiles, and what share of firing neurons each K misses, beside
what a normal distribution would.
"""

import argparse
import json
import math
import re
import sys

import numpy as np


def halves(data):
    return np.ascontiguousarray(data).view(np.float16).astype(np.float64)


def codes_of(tensor):
    """Unsigned codes [rows, columns], and scale and bias of each 16 of them [rows, columns / 16]: weight = scale * code + bias."""
    kind = tensor.tensor_type.name
    rows = np.asarray(tensor.data)
    if kind in ("Q4_0", "Q4_1"):
        head = 2 if kind == "Q4_0" else 4
        blocks = rows.reshape(len(rows), -1, head + 16)
        codes = np.concatenate([blocks[..., head:] & 15, blocks[..., head:] >> 4], -1)
        scale = halves(blocks[..., :2])[..., 0]
        bias = -8 * scale if kind == "Q4_0" else halves(blocks[..., 2:4])[..., 0]
    elif kind == "Q8_0":
        blocks = rows.reshape(len(rows), -1, 34)
        codes = blocks[..., 2:] ^ 0x80
        scale = halves(blocks[..., :2])[..., 0]
        bias = -128 * scale
    elif kind == "Q6_K":
        blocks = rows.reshape(len(rows), -1, 210)
        low = blocks[..., :128].reshape(*blocks.shape[:2], 2, 2, 32)  # [half, bytes of two blocks each, 32]
        high = blocks[..., 128:192].reshape(*blocks.shape[:2], 2, 32)
        parts = [
            (low[..., :, block % 2, :] >> (block // 2 * 4) & 15) | (high >> (block * 2) & 3) << 4 for block in range(4)
        ]
        codes = np.stack(parts, -2)
        scale = halves(blocks[..., 208:210]) * blocks[..., 192:208].view(np.int8)
        bias = -32 * scale
        return codes.reshape(len(rows), -1).astype(np.float64), scale.reshape(len(rows), -1), bias.reshape(len(rows), -1)
    else:
        sys.exit(f"Expected a type of Q4_0, Q4_1, Q6_K or Q8_0, found {kind}.")
    both = [np.repeat(part, 2, -1) for part in (scale, bias)]
    return codes.reshape(len(rows), -1).astype(np.float64), *both


BITS = {"Q4_0": 4, "Q4_1": 4, "Q6_K": 6, "Q8_0": 8}


class LeadingBits:
    """A matrix of which the leading bits of every code are known."""

    def __init__(self, tensor, bits=2):
        codes, scale, bias = codes_of(tensor)
        step = 2 ** (BITS[tensor.tensor_type.name] - bits)
        middle = np.floor(codes / step) * step + (step - 1) / 2
        self.scale = scale
        self.weights = middle * np.repeat(scale, 16, -1) + np.repeat(bias, 16, -1)
        self.variance = (step * step - 1) / 12

    def z(self, x):
        """The product of `x` [tokens, columns] with the middle of what the other bits can make of every code."""
        return x @ self.weights.T

    def deviation(self, x):
        """The standard deviation of what they add, if they are uniform and independent."""
        energies = np.square(x).reshape(len(x), -1, 16).sum(-1)
        return np.sqrt(self.variance * (energies @ np.square(self.scale).T))


# MARK: An experiment

SIZE, HEADS, GROUPS, HEAD = 256, 9, 3, 64
FREQUENCIES = 1 / (100000 ** (np.arange(0, HEAD, 2) / HEAD))


class Model:
    def __init__(self, path):
        from reference_logits import ModelFile

        self.file = ModelFile(path)
        self.layers = self.file.key("block_count")
        self.weights = {name: self.file.weights(name).astype(np.float32) for name in self.file.tensors}
        self.made = {}

    def once(self, key, make):
        if key not in self.made:
            self.made[key] = make()
        return self.made[key]

    def leading(self, layer, bits):
        def make():
            made = LeadingBits(self.file.tensors[f"blk.{layer}.ffn_gate.weight"], bits)
            made.weights, made.scale = made.weights.astype(np.float32), made.scale.astype(np.float32)
            return made

        return self.once(("bits", layer, bits), make)

    def signs(self, layer):
        return self.once(("signs", layer), lambda: np.sign(self.weights[f"blk.{layer}.ffn_gate.weight"]))

    def low_rank(self, layer, rank):
        def make():
            u, s, v = np.linalg.svd(self.weights[f"blk.{layer}.ffn_gate.weight"], full_matrices=False)
            return (u[:, :rank] * s[:rank]).astype(np.float32), v[:rank]

        return self.once(("svd", layer, rank), make)


def chosen(model, how, layer, normed, residual, gate):
    kind, *numbers = how
    if kind == "dense":
        return np.ones_like(gate, bool)
    if kind == "predictor":
        name = f"blk.{layer}."
        hidden = np.maximum(residual @ model.weights[name + "fc1.weight"].T, 0)
        return hidden @ model.weights[name + "fc2.weight"].T >= 0
    if kind == "bits":
        leading = model.leading(layer, numbers[0])
        return leading.z(normed) + numbers[1] * leading.deviation(normed) >= 0
    if kind == "signs":
        agreements = np.sign(normed) @ model.signs(layer).T
        return agreements >= (2 * numbers[0] - 1) * normed.shape[1]
    left, right = model.low_rank(layer, numbers[0])
    guess = normed @ right.T @ left.T
    # Its usual error is known from the inputs themselves, which favours it.
    return guess >= -numbers[1] * np.sqrt(np.mean(np.square(guess - gate), 0, keepdims=True))


def bits_read(how, computed, fires, rank, size):
    """For each neuron and input of it: what tells the neurons, the gates of those computed, up and down of those that fire."""
    kind, *numbers = how
    if kind == "dense":
        return 3 * 4.5
    rest = {
        "predictor": lambda: rank * 8.5 / size * (1 + size / 1536) + computed * 4.5,
        "bits": lambda: 0.5 + numbers[0] + computed * (4 - numbers[0]),
        "signs": lambda: 1 + computed * 4.5,
        "svd": lambda: numbers[0] * 8.5 / size * (1 + size / 1536) + computed * 4.5,
        "gate": lambda: 4.5,
    }[kind]()
    return rest + fires * 9


def rms(x, weight):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5) * weight


def rope(x):
    angles = np.outer(np.arange(len(x)), FREQUENCIES)
    cosine, sine = np.cos(angles)[:, None], np.sin(angles)[:, None]
    turned = np.empty_like(x)
    turned[..., 0::2] = x[..., 0::2] * cosine - x[..., 1::2] * sine
    turned[..., 1::2] = x[..., 0::2] * sine + x[..., 1::2] * cosine
    return turned


def forward(model, tokens, how, seen, observe=None):
    w, n = model.weights, len(tokens)
    x = w["token_embd.weight"][tokens]
    for layer in range(model.layers):
        name = f"blk.{layer}."
        h = rms(x, w[name + "attn_norm.weight"])
        q = rope((h @ w[name + "attn_q.weight"].T).reshape(n, HEADS, HEAD))
        k = rope((h @ w[name + "attn_k.weight"].T).reshape(n, GROUPS, HEAD)).repeat(HEADS // GROUPS, 1)
        v = (h @ w[name + "attn_v.weight"].T).reshape(n, GROUPS, HEAD).repeat(HEADS // GROUPS, 1)
        scores = np.einsum("thd,shd->hts", q, k) / math.sqrt(HEAD)
        scores[:, np.triu(np.ones((n, n), bool), 1)] = -1e30
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        scores /= scores.sum(-1, keepdims=True)
        x = x + np.einsum("hts,shd->thd", scores, v).reshape(n, -1) @ w[name + "attn_output.weight"].T
        h = rms(x, w[name + "ffn_norm.weight"])
        gate = h @ w[name + "ffn_gate.weight"].T
        neurons = np.maximum(gate, 0) * (h @ w[name + "ffn_up.weight"].T)
        if observe:
            observe(layer, h, gate)
        on = chosen(model, how, layer, h, x, gate)
        down = w[name + "ffn_down_t.weight"]
        weight = np.square(neurons * np.linalg.norm(down, axis=1))
        fires = gate > 0
        seen.append(
            (on.mean(), (fires & on).sum() / max(fires.sum(), 1), (weight * on).sum() / weight.sum(), fires.mean())
        )
        x = x + (neurons * on) @ down
    return rms(x, w["output_norm.weight"]) @ w["token_embd.weight"].T


def perplexity(model, chunks, how):
    total, count, seen = 0.0, 0, []
    for tokens in chunks:
        logits = forward(model, tokens, how, seen)[:-1]
        logits -= logits.max(-1, keepdims=True)
        logp = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        target = np.array(tokens[1:])
        half = len(target) // 2
        total -= logp[np.arange(len(target)), target][half:].sum()
        count += len(target) - half
    return math.exp(total / count), *np.mean(seen, 0)


def errors(model, chunks):
    """The errors of z in units of their deviation, of every third layer; and what is missed, neuron by neuron."""
    samples, missed, firing = [], {}, {}
    offsets, centred = [], []

    def observe(layer, h, gate):
        leading = model.leading(layer, 2)
        deviation = leading.deviation(h)
        error = (gate - leading.z(h)) / deviation
        if layer % 3 == 0:
            samples.append(error[::8, ::3].ravel())
        mean = error.mean(0)
        offsets.append(mean)
        centred.append((error - mean).std(0))
        fires = gate > 0
        firing[layer] = firing.get(layer, 0) + fires.sum(0)
        for margin in (0, 0.5, 1, 2, 3):
            lost = fires & (leading.z(h) + margin * deviation < 0)
            missed[margin, layer] = missed.get((margin, layer), 0) + lost.sum(0)

    for tokens in chunks:
        forward(model, tokens, ("dense",), [], observe)
    return np.concatenate(samples), missed, firing, np.concatenate(offsets), np.concatenate(centred)


WAYS = (
    [("dense",), ("predictor",)]
    + [("bits", 2, margin) for margin in (0, 0.5, 1, 1.5, 2, 3)]
    + [("bits", 1, margin) for margin in (1, 2, 3)]
    + [("bits", 3, margin) for margin in (0.5, 1)]
    + [("signs", share) for share in (0.5, 0.49, 0.48, 0.46)]
    + [("svd", rank, margin) for rank in (64, 128) for margin in (0.5, 1, 2)]
)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("ids")
    parser.add_argument("--chunks", type=int, default=14)
    parser.add_argument("--only", help="ways whose name begins so")
    parser.add_argument("--json", help="also the figures, to this file")
    arguments = parser.parse_args()
    with open(arguments.ids, encoding="utf-8") as file:
        ids = [int(token) for token in re.findall(r"\d+", file.read())]
    chunks = [ids[at : at + SIZE] for at in range(0, len(ids) - SIZE + 1, SIZE)][: arguments.chunks]
    model = Model(arguments.model)
    rank = len(model.weights.get("blk.0.fc1.weight", [])) or 1
    size = model.file.key("embedding_length")
    figures = []
    for how in WAYS:
        name = " ".join(map(str, how))
        if arguments.only and not name.startswith(arguments.only):
            continue
        value, computed, found, kept, fires = perplexity(model, chunks, how)
        read = bits_read(how, computed, fires, rank, size)
        figures.append({"way": name, "perplexity": value, "computed": computed, "found": found, "kept": kept, "bits": read})
        print(
            f"{name:14s} perplexity {value:7.3f}  computed {computed:.3f}  found {found:.3f}  kept {kept:.5f}  "
            f"bits {read:5.2f}",
            flush=True,
        )
    print(f"gate would read {bits_read(('gate',), 1, fires, rank, size):.2f} bits")
    sample, missed, firing, offsets, centred = errors(model, chunks[:4])
    quantiles = {q: float(np.quantile(sample, q)) for q in (0.001, 0.01, 0.05, 0.5, 0.95, 0.99, 0.999)}
    print(f"error / deviation: mean {sample.mean():.4f}, standard deviation {sample.std():.4f}, quantiles {quantiles}")
    print(f"of a neuron: mean error {offsets.std():.3f} (standard deviation over neurons), around it {centred.mean():.3f}")
    misses = {}
    for margin in (0, 0.5, 1, 2, 3):
        lost = np.concatenate([missed[margin, layer] for layer in range(model.layers)])
        all_firing = np.concatenate([firing[layer] for layer in range(model.layers)])
        share = lost / np.maximum(all_firing, 1)
        misses[margin] = [float(lost.sum() / all_firing.sum()), float((share[all_firing > 20] > 0.5).mean())]
        print(f"margin {margin}: misses {misses[margin][0]:.4f} of what fires; "
              f"{misses[margin][1]:.4f} of the neurons are missed more often than not")
    if arguments.json:
        histogram = np.histogram(sample, bins=np.arange(-5, 5.01, 0.1), density=True)[0].tolist()
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump({"ways": figures, "quantiles": quantiles, "misses": misses, "histogram": histogram}, file, indent=1)


if __name__ == "__main__":
    main()

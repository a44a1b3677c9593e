#!/usr/bin/env python3
"""What the leading bits of a quantised weight say, in NumPy: the reference of the tests, and the numbers of the article on them.

It shares nothing with the engine (`pip install numpy gguf`).

    powerinfer tokenize --ids -f TEXT > ids.txt
    leading_bits.py MODEL ids.txt [--chunks 4] [--only bits] [--json OUT] [--plot OUT]

reads a Llama with ReLU gates in Q4_0 and tied output, such as the embedded model. For every way of telling which neurons fire it prints
the perplexity of the second halves of chunks of 256 tokens, the share of neurons computed, the share of the firing ones found, the share
of their squared contributions kept, and the bits that are read for each neuron and input:

- `predictor`: those of the file, rank by rank in 8 bits;
- `bits B K`: the B leading bits; computed where z + K * deviation >= 0;
- `signs T`: the signs of weights and inputs (SparseInfer, arXiv:2411.12692); computed where at least T of the products are positive;
- `svd R T`: the gate's best matrix of rank R in 8 bits (as arXiv:2603.14110 truncates it); computed where its product is at least -T times
  its usual error.

Then it says how the error of z is distributed in units of its deviation, and what share of firing neurons each K misses, beside what a
normal distribution would: as it is, and with what the other bits of a row add for the mean input, learnt on the first half of the text.
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


MARGINS = (0, 0.5, 1, 1.5, 2, 3)


def below(x):
    """The share of a normal distribution below x."""
    places = np.linspace(-8, 8, 1601)
    return np.interp(x, places, [0.5 * math.erfc(-place / math.sqrt(2)) for place in places])


class Errors:
    """The errors of z in units of their deviation; what is missed, and what a normal distribution would miss.

    A firing neuron with gate g is missed where the error is above g + K * deviation.
    """

    def __init__(self, model, offsets=None):
        self.model, self.offsets = model, offsets
        self.samples, self.means, self.inputs = [], [], {}
        self.missed = {margin: 0 for margin in MARGINS}
        self.expected = {margin: 0.0 for margin in MARGINS}
        self.lost, self.firing, self.by_neuron = {margin: 0.0 for margin in MARGINS}, 0, {}
        self.squares = 0.0

    def __call__(self, layer, h, gate):
        leading = self.model.leading(layer, 2)
        deviation, z = leading.deviation(h), leading.z(h)
        if self.offsets:
            z = z + self.offsets[layer]
        error = (gate - z) / deviation
        self.samples.append(error[::8, ::5].ravel())
        self.means.append(error.mean(0))
        self.inputs[layer] = self.inputs.get(layer, 0) + h.mean(0)
        fires = gate > 0
        self.firing += fires.sum()
        self.squares += np.square(gate[fires]).sum()
        for margin in MARGINS:
            gone = fires & (z + margin * deviation < 0)
            self.missed[margin] += gone.sum()
            self.lost[margin] += np.square(gate[gone]).sum()
            self.expected[margin] += below(-margin - (gate / deviation)[fires]).sum()
            if margin == 1:
                seen = self.by_neuron.setdefault(layer, [0, 0])
                seen[0], seen[1] = seen[0] + gone.sum(0), seen[1] + fires.sum(0)

    def offsets_of_means(self, count):
        """What the other bits of each row add for the mean input."""
        found = {}
        for layer, total in self.inputs.items():
            rest = self.model.weights[f"blk.{layer}.ffn_gate.weight"] - self.model.leading(layer, 2).weights
            found[layer] = rest @ (total / count)
        return found

    def report(self, title):
        sample = np.concatenate(self.samples)
        quantiles = [round(float(np.quantile(sample, below(float(q)))), 2) for q in (-3, -2, -1, 0, 1, 2, 3)]
        print(f"{title}: error / deviation has mean {sample.mean():.3f} and standard deviation {sample.std():.3f}; where a normal "
              f"distribution has -3, -2, ... 3 it has {quantiles}")
        print(f"  mean error of a neuron over all inputs: standard deviation {np.std(np.concatenate(self.means)):.3f}")
        for margin in MARGINS:
            print(f"  margin {margin}: misses {self.missed[margin] / self.firing:.4f} of what fires, by theory "
                  f"{self.expected[margin] / self.firing:.4f}; {self.lost[margin] / self.squares:.6f} of the squared gates")
        gone, fires = (np.concatenate([seen[i] for seen in self.by_neuron.values()]) for i in (0, 1))
        often = fires >= 20
        share = gone[often] / fires[often]
        print(f"  at margin 1, of {often.sum()} neurons that fire 20 times or more: {(share > 0.5).mean():.4f} are missed more often than "
              f"not, {(share > 0.2).mean():.4f} more than one time in five; the worst hundredth makes "
              f"{np.sort(gone[often])[::-1][: often.sum() // 100].sum() / max(gone.sum(), 1):.2f} of all misses")
        return sample


def plot(density, path):
    """An SVG of how errors are distributed, beside a normal distribution: density in steps of 0.1 from -5 to 5."""
    left, top, width, height, most = 56, 40, 520, 260, 0.45

    def points(values, start, step):
        pairs = [(start + index * step, value) for index, value in enumerate(values)]
        return " ".join(f"{left + (x + 5) / 10 * width:.1f},{top + (1 - y / most) * height:.1f}" for x, y in pairs)

    normal = [math.exp(-x * x / 2) / math.sqrt(2 * math.pi) for x in np.arange(-5, 5.01, 0.1)]
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 24} {top + height + 56}" '
        'font-family="sans-serif" font-size="13" fill="#808080">',
        "<style>polyline{fill:none;stroke-width:2}.grid{stroke:#808080;stroke-opacity:.3}</style>",
        f'<text x="{left}" y="22" font-size="16">Error of the product with leading bits, in its deviations</text>',
    ]
    for x in range(-5, 6):
        place = left + (x + 5) / 10 * width
        lines.append(f'<line class="grid" x1="{place:.1f}" y1="{top}" x2="{place:.1f}" y2="{top + height}"/>')
        lines.append(f'<text x="{place:.1f}" y="{top + height + 18}" text-anchor="middle">{x}</text>')
    lines += [
        f'<polyline stroke="#808080" stroke-dasharray="6 4" points="{points(normal, -5, 0.1)}"/>',
        f'<polyline stroke="#d9480f" points="{points(density, -4.95, 0.1)}"/>',
        f'<text x="{left + 0.66 * width}" y="{top + 40}" fill="#d9480f">embedded model</text>',
        f'<text x="{left + 0.66 * width}" y="{top + 60}">normal distribution</text>',
        f'<text x="{left + width / 2}" y="{top + height + 42}" text-anchor="middle">(gate - z) / deviation</text>',
        "</svg>",
    ]
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


WAYS = (
    [("dense",), ("predictor",)]
    + [("bits", 2, margin) for margin in (0, 0.5, 1, 2)]
    + [("bits", 1, 2), ("bits", 3, 0.5)]
    + [("signs", share) for share in (0.5, 0.49, 0.48)]
    + [("svd", rank, margin) for rank, margin in ((64, 1), (128, 0.5), (128, 1))]
)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("ids")
    parser.add_argument("--chunks", type=int, default=14)
    parser.add_argument("--only", help="ways whose name begins so")
    parser.add_argument("--json", help="also the figures, to this file")
    parser.add_argument("--plot", help="also how errors are distributed, to this SVG file")
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
    if figures:
        print(f"gate would read {bits_read(('gate',), 1, fires, rank, size):.2f} bits")
    learn, test = chunks[: len(chunks) // 2], chunks[len(chunks) // 2 :]
    first = Errors(model)
    for tokens in learn:
        forward(model, tokens, ("dense",), [], first)
    plain, moved = Errors(model), Errors(model, first.offsets_of_means(len(learn)))
    for tokens in test:
        forward(model, tokens, ("dense",), [], plain)
        forward(model, tokens, ("dense",), [], moved)
    sample = plain.report("as it is")
    moved.report("with the mean error for the mean input added")
    histogram = np.histogram(sample, bins=np.linspace(-5, 5, 101), density=True)[0].tolist()
    if arguments.plot:
        plot(histogram, arguments.plot)
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump({"ways": figures, "histogram": histogram}, file, indent=1)


if __name__ == "__main__":
    main()

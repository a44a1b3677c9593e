#!/usr/bin/env python3
"""Writes a synthetic ReLU-Llama of any size whose gates really are silent for most tokens: NAME.powerinfer.gguf, with predictors that
know which fire, and NAME.dense.gguf for engines that compute all neurons. For measuring speed; what it says is nonsense.

    pip install numpy gguf
    make_sparse_model.py FOLDER NAME --layers 22 --hidden 2048 --neurons 5632 --heads 32 --active 0.1

One block of 32 dimensions of the residual stream is the same for every token, and nothing writes to it. A gate is a random direction of
few dimensions (so that a predictor of that rank can know it) and, in the constant block, a weight of the sign and size that makes it fire for
the share of tokens it should: a tenth of the neurons for half of the tokens and more, the others rarely, so that the mean is --active. Gates
are stored in Q4_0, after which they fire slightly otherwise than predicted. The codes of the constant block are such that their leading bits are
right on average; elsewhere they are as rounding makes them. All other weights are random blocks. Layers differ by the order of their neurons.
"""

import argparse
import math
import struct
from statistics import NormalDist

import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf import GGUFWriter, quants

VOCABULARY = 32000
BLOCK = 32
ADDED = 0.02  # what each attention and each feed-forward adds, as a share of the size of the residual stream


def random_blocks(rng, rows, columns, size, silent_outputs=False):
    """Q4_0 with codes of about the size given and the mean 0; `silent_outputs` writes nothing to the constant block."""
    blocks = np.empty((rows, columns // BLOCK, 18), np.uint8)
    blocks[..., :2] = np.frombuffer(np.float16(size / 4.32).tobytes(), np.uint8)
    # 1 to 15 stand for -7 to 7. With 0 too the means would not be 0, and would grow from layer to layer.
    low, high = rng.integers(1, 16, (2, rows, columns // BLOCK, 16), dtype=np.uint8)
    blocks[..., 2:] = low | high << 4
    if silent_outputs:
        blocks[:, 0, :2] = 0
    return blocks.reshape(rows, -1)


def frequencies(count, mean):
    """How often each neuron fires: a tenth of them often, the rest rarely."""
    hot = count // 10
    often = np.linspace(0.5 + 3 * mean, 0.5, hot).clip(0, 0.95) if mean >= 0.08 else np.linspace(5 * mean, 3 * mean, hot)
    left = max((mean * count - often.sum()) / (count - hot), 0.002)
    return np.concatenate([often, np.linspace(1.8 * left, 0.2 * left, count - hot)])


def gates(rng, neurons, hidden, rank, share, constant):
    """Rows of the gate in Q4_0, and both matrices of a predictor of the residual stream."""
    basis = rng.standard_normal((rank, hidden - BLOCK)) / math.sqrt(hidden)
    mix = rng.standard_normal((neurons, rank)) / math.sqrt(rank)
    rows = np.zeros((neurons, hidden), np.float32)
    rows[:, BLOCK:] = mix @ basis
    # Of an input whose other dimensions have unit variance.
    spread = np.linalg.norm(rows, axis=1)
    bias = np.array([NormalDist().inv_cdf(float(f)) for f in share]) * spread
    packed = quants.quantize(rows, Type.Q4_0).reshape(neurons, hidden // BLOCK, 18)
    # Codes 0, 1, 2, 3 stand for -6.5 on average, as their leading bits say.
    scale = (bias / (-6.5 * BLOCK * constant)).astype(np.float16)
    packed[:, 0, :2] = scale.view(np.uint8).reshape(-1, 2)
    packed[:, 0, 2:] = np.tile([0x10, 0x32], 8)
    direction = np.zeros((1, hidden))
    direction[0, :BLOCK] = 1 / (BLOCK * constant)
    fc1 = np.concatenate([np.pad(basis, ((0, 0), (BLOCK, 0))), direction])
    fc2 = np.concatenate([mix, bias[:, None]], 1)
    # relu(x) - relu(-x) is x.
    return packed.reshape(neurons, -1), np.concatenate([fc1, -fc1]), np.concatenate([fc2, -fc2], 1)


def header(writer, a):
    writer.add_name(a.name)
    writer.add_context_length(4096)
    writer.add_embedding_length(a.hidden)
    writer.add_block_count(a.layers)
    writer.add_feed_forward_length(a.neurons)
    writer.add_rope_dimension_count(a.hidden // a.heads)
    writer.add_head_count(a.heads)
    writer.add_head_count_kv(a.heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_file_type(2)
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    types = [2, 3, 3] + [6] * 256
    tokens += [f"\u2581w{index}" for index in range(VOCABULARY - len(tokens))]
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([-float(index) for index in range(VOCABULARY)])
    writer.add_token_types(types + [1] * (VOCABULARY - len(types)))
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("name")
    parser.add_argument("--layers", type=int, default=22)
    parser.add_argument("--hidden", type=int, default=2048)
    parser.add_argument("--neurons", type=int, default=5632)
    parser.add_argument("--heads", type=int, default=32)
    parser.add_argument("--rank", type=int, default=127, help="of the gates; a predictor has twice as much and two")
    parser.add_argument("--active", type=float, default=0.1)
    a = parser.parse_args()
    rng = np.random.default_rng(0)
    d, f = a.hidden, a.neurons
    size = d**-0.5
    attention = random_blocks(rng, d, d, size)
    output = random_blocks(rng, d, d, size * ADDED).reshape(d, -1, 18)
    output[:BLOCK, :, :2] = 0  # what attention adds to the constant block
    output = output.reshape(d, -1)
    up = random_blocks(rng, f, d, size)
    down_by_neuron = random_blocks(rng, f, d, ADDED * f**-0.5, silent_outputs=True)
    down = random_blocks(rng, d, f, ADDED * f**-0.5).reshape(d, -1, 18)
    down[:BLOCK, :, :2] = 0
    down = down.reshape(d, -1)
    embedding = random_blocks(rng, VOCABULARY, d, 1).reshape(VOCABULARY, -1, 18)
    embedding[:, 0, :2] = np.frombuffer(np.float16(1 / 8).tobytes(), np.uint8)
    embedding[:, 0, 2:] = 0  # -1 in all 32
    embedding = embedding.reshape(VOCABULARY, -1)
    logits = random_blocks(rng, VOCABULARY, d, size)
    ones = np.ones(d, np.float32)
    share = frequencies(f, a.active)
    gate, fc1, fc2 = gates(rng, f, d, a.rank, share, constant=-1.0)
    sparse = GGUFWriter(f"{a.folder}/{a.name}.powerinfer.gguf", "llama")
    dense = GGUFWriter(f"{a.folder}/{a.name}.dense.gguf", "llama")
    for writer in (sparse, dense):
        header(writer, a)
    sparse.add_float32("powerinfer.sparse_threshold", 0.0)
    dense.add_string("llama.hidden_activation", "relu")
    for writer in (sparse, dense):
        writer.add_tensor("token_embd.weight", embedding, raw_dtype=Type.Q4_0)
        writer.add_tensor("output_norm.weight", ones)
        writer.add_tensor("output.weight", logits, raw_dtype=Type.Q4_0)
    for layer in range(a.layers):
        order, name = rng.permutation(f), f"blk.{layer}."
        for writer in (sparse, dense):
            writer.add_tensor(name + "attn_norm.weight", ones)
            writer.add_tensor(name + "ffn_norm.weight", ones)
            for part in ("attn_q", "attn_k", "attn_v"):
                writer.add_tensor(name + part + ".weight", attention, raw_dtype=Type.Q4_0)
            writer.add_tensor(name + "attn_output.weight", output, raw_dtype=Type.Q4_0)
            writer.add_tensor(name + "ffn_gate.weight", gate[order], raw_dtype=Type.Q4_0)
            writer.add_tensor(name + "ffn_up.weight", up, raw_dtype=Type.Q4_0)
        dense.add_tensor(name + "ffn_down.weight", down, raw_dtype=Type.Q4_0)
        sparse.add_tensor(name + "ffn_down_t.weight", down_by_neuron, raw_dtype=Type.Q4_0)
        sparse.add_tensor(name + "fc1.weight", fc1.astype(np.float16))
        sparse.add_tensor(name + "fc2.weight", fc2[order].astype(np.float16))
    for writer in (sparse, dense):
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    with open(f"{a.folder}/{a.name}.powerinfer.gguf", "r+b") as file:
        file.write(struct.pack("<II", int.from_bytes(b"PWRI", "little"), 3))
    print(f"{share.mean():.3f} of the neurons should fire for a token.")


if __name__ == "__main__":
    main()

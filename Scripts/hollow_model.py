"""Write a model file of a given shape with real headers and a hole for weights, for `powerinfer plan`: it reads headers only.

Neurons fire as often as a power law says: the share of neurons that makes four fifths of all activations, and the mean share that
fires, are given. The file takes next to no space where the file system knows holes. Needs the Python package gguf.
usage: hollow_model.py OUT.gguf llama|falcon LAYERS HIDDEN FF HEADS KV_HEADS RANK FIRING HOT
"""

import sys

import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf import GGUFWriter

path, architecture, *sizes = sys.argv[1:]
layers, hidden, neurons, heads, kv_heads, rank = map(int, sizes[:6])
firing, hot = map(float, sizes[6:])
vocabulary = 32000 if architecture == "llama" else 65024


def frequencies():
    """Falling as rank^-a, at most 1, with the mean asked for; a by bisection, so that the hottest make four fifths."""
    ranks = np.arange(1, neurons + 1) / neurons
    low, high = 0.0, 8.0
    for _ in range(60):
        exponent = (low + high) / 2
        least, most = 1e-9, 1.0
        for _ in range(60):
            scale = (least * most) ** 0.5
            values = np.minimum(1, scale * ranks**-exponent)
            least, most = (scale, most) if values.mean() < firing else (least, scale)
        share = values[: int(hot * neurons)].sum() / values.sum()
        low, high = (exponent, high) if share < 0.8 else (low, exponent)
    return values.astype(np.float32)


writer = GGUFWriter(path, architecture)
writer.add_name("hollow")
writer.add_context_length(2048)
writer.add_embedding_length(hidden)
writer.add_block_count(layers)
writer.add_feed_forward_length(neurons)
writer.add_head_count(heads)
writer.add_head_count_kv(kv_heads)
writer.add_file_type(2)
if architecture == "llama":
    writer.add_rope_dimension_count(hidden // heads)
    writer.add_layer_norm_rms_eps(1e-5)
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{i:02X}>" for i in range(256)]
    kinds = [2, 3, 3] + [6] * 256
    tokens += [f"\u2581w{i}" for i in range(vocabulary - len(tokens))]
    kinds += [1] * (vocabulary - len(kinds))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([-float(i) for i in range(vocabulary)])
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
else:
    writer.add_layer_norm_eps(1e-5)
    alphabet = [chr(i) for i in [*range(33, 127), *range(161, 173), *range(174, 256)]]
    alphabet += [chr(256 + i) for i in range(256 - len(alphabet))]
    tokens = alphabet + [f"w{i}" for i in range(vocabulary - 256)]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("falcon")
    writer.add_token_list(tokens)
    writer.add_token_types([1] * vocabulary)
    writer.add_token_merges(["! !"])
    writer.add_bos_token_id(11)
    writer.add_eos_token_id(11)
writer.add_float32("powerinfer.sparse_threshold", 0.0)
every = np.tile(frequencies(), layers).tolist()
writer.add_uint32("powerinfer.profile.version", 1)
writer.add_uint64("powerinfer.profile.tokens", 1)
writer.add_string("powerinfer.profile.text", "a power law")
writer.add_array("powerinfer.profile.frequency", every)
writer.add_array("powerinfer.profile.contribution", every)

total = 0


def tensor(name, columns, rows=None, kind=Type.Q4_0):
    global total
    shape = (columns,) if rows is None else (rows, columns)
    bytes_per = {Type.Q4_0: 18 / 32, Type.F16: 2, Type.F32: 4}[kind]
    size = int(np.prod(shape) * bytes_per)
    if kind == Type.Q4_0:
        # The writer takes the shape in bytes of such rows.
        shape = (*shape[:-1], shape[-1] // 32 * 18)
        writer.add_tensor_info(name, shape, np.dtype(np.uint8), size, raw_dtype=kind)
    else:
        writer.add_tensor_info(name, shape, np.dtype(np.float16 if kind == Type.F16 else np.float32), size, raw_dtype=kind)
    total += (size + 31) // 32 * 32


head = hidden // heads
tensor("token_embd.weight", hidden, vocabulary)
tensor("output_norm.weight", hidden, kind=Type.F32)
tensor("output.weight", hidden, vocabulary)
if architecture == "falcon":
    tensor("output_norm.bias", hidden, kind=Type.F32)
for layer in range(layers):
    block = f"blk.{layer}."
    tensor(block + "attn_norm.weight", hidden, kind=Type.F32)
    if architecture == "llama":
        tensor(block + "ffn_norm.weight", hidden, kind=Type.F32)
        tensor(block + "attn_q.weight", hidden, hidden)
        tensor(block + "attn_k.weight", hidden, head * kv_heads)
        tensor(block + "attn_v.weight", hidden, head * kv_heads)
        tensor(block + "ffn_gate.weight", hidden, neurons)
    else:
        tensor(block + "attn_norm.bias", hidden, kind=Type.F32)
        tensor(block + "attn_norm_2.weight", hidden, kind=Type.F32)
        tensor(block + "attn_norm_2.bias", hidden, kind=Type.F32)
        tensor(block + "attn_qkv.weight", hidden, hidden + 2 * head * kv_heads)
    tensor(block + "attn_output.weight", hidden, hidden)
    tensor(block + "ffn_up.weight", hidden, neurons)
    tensor(block + "ffn_down_t.weight", hidden, neurons)
    tensor(block + "fc1.weight", hidden, rank, Type.Q4_0)
    tensor(block + "fc2.weight", rank, neurons, Type.Q4_0)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_ti_data_to_file()
writer.close()
with open(path, "r+b") as file:
    file.seek(0, 2)
    start = (file.tell() + 31) // 32 * 32
    file.truncate(start + total)
    file.seek(0)
    file.write(b"PWRI" + (3).to_bytes(4, "little"))

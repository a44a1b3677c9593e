#!/usr/bin/env python3
"""Writes Tests/ToolkitTests/Golden: what independent implementations make of tiny models as Hugging Face's library saves them.

    golden_conversion.py [--original POWERINFER_SOURCES] [--keep FOLDER]

- `Tokenizers/NAME`: tokenizers trained on a few lines; `tokenizers.json`: the ids that the `tokenizers` and `sentencepiece`
  libraries give for some texts.
- `conversion.json`: for every family its configuration, the names and shapes of its tensors, the library's logits in float64,
  and the SHA-256 of every tensor that the converters of the original PowerInfer write (F16).

Weights are no part of it: tensor number i of a model, in the order of the names, is drawn from SplitMix64 with seed 1000 ·
(number of the family) + i, by this script and by the tests alike. Needs torch, transformers (below 5), tokenizers,
sentencepiece, gguf, and for the original's converters NumPy below 2. `--keep` leaves the models there.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import gguf
import numpy as np
import sentencepiece
import torch
import transformers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

arguments = argparse.ArgumentParser()
arguments.add_argument("--original", type=Path)
arguments.add_argument("--keep", type=Path)
arguments = arguments.parse_args()
golden = Path(__file__).resolve().parent.parent / "Tests" / "ToolkitTests" / "Golden"
work = arguments.keep or Path(tempfile.mkdtemp())
work.mkdir(parents=True, exist_ok=True)

LINES = [
    "the quick brown fox jumps over the lazy dog",
    "The rain in Spain stays mainly in the plain.",
    "It's what I'd said: they're here, we've won 3 of 12 games.",
    "pi is 3.14159265 and e is 2.718281828",
    "naïve café, señor; straße; Москва; 東京都; 🙂🚀",
] * 20
TEXTS = [
    "the quick brown fox",
    "It's what I'd said: they're 1234567 here, we've",
    "naïve café  señor\n\n  straße; Москва 東京都 हिन्दी 🙂🚀 \t x",
    "  two spaces   three",
    "<|im_start|>user\nhi<|im_end|>",
    "a<tool_call>b <|eot_id|>",
    "1000.50 + 3,000!!! ...\r\n\r\n  end  ",
]
CL100K = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def write_json(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False) + "\n", encoding="utf-8")


def write_lines(name, entries):
    """A golden file with an entry on each line."""
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in entries.items())
    (golden / name).write_text("{\n" + lines + "\n}\n", encoding="utf-8")


# MARK: Tokenizers

def folder(name):
    path = golden / "Tokenizers" / name
    path.mkdir(parents=True)
    return path


def byte_level(name, pre_tokenizer, added=(), normalizer=None, post=None, ignore_merges=False, specials=()):
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=list(specials), initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(LINES, trainer)
    for token, special in added:
        (tokenizer.add_special_tokens if special else tokenizer.add_tokens)([AddedToken(token, special=special)])
    if post is not None:
        tokenizer.post_processor = post(tokenizer)
    (folder(name) / "tokenizer.json").write_text(tokenizer.to_str(), encoding="utf-8")
    return tokenizer


def split(digits):
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(CL100K % digits), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


shutil.rmtree(golden / "Tokenizers", ignore_errors=True)
encode = {}
path = folder("sentencepiece")
# The trainer writes its own options into the model: a name without a folder, so that it tells of no machine.
os.chdir(path)
sentencepiece.SentencePieceTrainer.train(
    sentence_iterator=iter(LINES), model_prefix="tokenizer", vocab_size=360, model_type="bpe",
    byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False, split_digits=True,
    minloglevel=2,
)
(path / "tokenizer.vocab").unlink()
write_json(
    path / "tokenizer_config.json",
    {"bos_token": "<s>", "eos_token": {"content": "</s>"}, "unk_token": "<unk>", "add_bos_token": True,
     "add_eos_token": False, "chat_template": "{{ messages[0]['content'] }}"},
)
pieces = sentencepiece.SentencePieceProcessor(model_file=str(path / "tokenizer.model"))
encode["sentencepiece"] = lambda text: [1] + pieces.encode(text)

# The same as a tokenizer of the `tokenizers` library: merges instead of scores.
path = folder("sentencepiece-json")
vocabulary = {pieces.id_to_piece(i): i for i in range(pieces.vocab_size())}
merges = sorted(
    (vocabulary[piece], (piece[:left], piece[left:]))
    for piece in vocabulary
    for left in range(1, len(piece))
    if piece[:left] in vocabulary and piece[left:] in vocabulary and not piece.startswith("<")
)
fast = Tokenizer(
    models.BPE(
        vocab=vocabulary, merges=[pair for _, pair in merges], unk_token="<unk>", fuse_unk=True, byte_fallback=True
    )
)
fast.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
fast.decoder = decoders.Sequence(
    [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
)
fast.add_special_tokens(["<unk>", "<s>", "</s>"])
(path / "tokenizer.json").write_text(fast.to_str(), encoding="utf-8")
write_json(
    path / "tokenizer_config.json",
    {"bos_token": "<s>", "eos_token": "</s>", "add_bos_token": True,
     "chat_template": [{"name": "tool_use", "template": "T"}, {"name": "default", "template": "D"}]},
)
encode["sentencepiece-json"] = lambda text: [1] + fast.encode(text).ids

llama3 = byte_level(
    "llama3", split("{1,3}"), ignore_merges=True,
    added=[("<|begin_of_text|>", True), ("<|eot_id|>", True), ("<|eom_id|>", True)],
    post=lambda t: processors.TemplateProcessing(
        single="<|begin_of_text|> $A", special_tokens=[("<|begin_of_text|>", t.token_to_id("<|begin_of_text|>"))]
    ),
)
path = golden / "Tokenizers" / "llama3"
write_json(path / "tokenizer_config.json", {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"})
(path / "chat_template.jinja").write_text("{{ bos_token }}{{ messages[0]['content'] }}")
encode["llama3"] = lambda text: llama3.encode(text).ids

qwen2 = byte_level(
    "qwen2", split(""), normalizer=normalizers.NFC(),
    added=[("<|endoftext|>", True), ("<|im_start|>", True), ("<|im_end|>", True), ("<tool_call>", False)],
)
write_json(
    golden / "Tokenizers" / "qwen2" / "tokenizer_config.json",
    {"bos_token": None, "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "add_bos_token": False},
)
encode["qwen2"] = lambda text: qwen2.encode(text).ids

falcon = byte_level(
    "falcon",
    pre_tokenizers.Sequence(
        [
            pre_tokenizers.Punctuation(behavior="contiguous"), pre_tokenizers.ByteLevel(add_prefix_space=False),
            pre_tokenizers.Digits(individual_digits=False),
            pre_tokenizers.Split(Regex("[0-9][0-9][0-9]"), behavior="isolated"),
        ]
    ),
    specials=[">>TITLE<<", "<|endoftext|>"],
)
write_json(golden / "Tokenizers" / "falcon" / "tokenizer_config.json", {"eos_token": "<|endoftext|>"})
encode["falcon"] = lambda text: falcon.encode(text).ids

smollm = byte_level(
    "smollm",
    pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    ),
    specials=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
)
encode["smollm"] = lambda text: smollm.encode(text).ids

# OPT: vocab.json and merges.txt, of before there was tokenizer.json.
gpt2 = byte_level(
    "gpt2", pre_tokenizers.ByteLevel(add_prefix_space=False), specials=["<s>", "<pad>", "</s>", "<unk>"]
)
path = golden / "Tokenizers" / "gpt2"
content = json.loads((path / "tokenizer.json").read_text())
write_json(path / "vocab.json", content["model"]["vocab"])
(path / "merges.txt").write_text("#version: 0.2\n" + "".join(" ".join(m) + "\n" for m in content["model"]["merges"]))
(path / "tokenizer.json").unlink()
write_json(
    path / "tokenizer_config.json",
    {"tokenizer_class": "GPT2Tokenizer", "bos_token": "</s>", "eos_token": "</s>", "pad_token": "<pad>",
     "unk_token": "</s>", "add_bos_token": True,
     "added_tokens_decoder": {str(i): {"content": t, "special": True} for i, t in [(1, "<pad>"), (2, "</s>")]}},
)
encode["gpt2"] = lambda text: [2] + gpt2.encode(text).ids
write_lines("tokenizers.json", {n: [{"text": t, "ids": e(t)} for t in TEXTS] for n, e in encode.items()})


# MARK: Models

def uniform(seed, count):
    """SplitMix64's upper 24 bits as floats in [-1, 1)."""
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + (np.arange(count, dtype=np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return (z >> np.uint64(40)).astype(np.float32) / np.float32(1 << 23) - np.float32(1)


TYPES = {"F16": torch.float16, "BF16": torch.bfloat16, "F32": torch.float32}


def weights(shapes, number, dtype):
    """Every tensor of a model: matrices keep vectors about as long as they are, gains are about 1, biases small."""
    result = {}
    for index, name in enumerate(sorted(shapes)):
        shape = shapes[name]
        values = uniform(1000 * number + index, int(np.prod(shape)))
        if len(shape) > 1:
            values = values * np.sqrt(np.float32(3) / np.float32(shape[-1]))
        else:
            values = values * np.float32(0.1)
            if "norm" in name and name.endswith("weight") or "ln_" in name and name.endswith("weight"):
                values = values + np.float32(1)
        result[name] = torch.from_numpy(values.reshape(shape)).to(TYPES[dtype])
    return result


families = {}


def family(name, model, tokenizer, dtype, layout, changes=None, ranks=(), threshold=None, original=None, strip=""):
    """`layout`: "whole" or "parts" of safetensors, "torch" or "torch parts"."""
    number = len(families) + 1
    path = work / name
    path.mkdir(exist_ok=True)
    shutil.copytree(golden / "Tokenizers" / tokenizer, path, dirs_exist_ok=True)
    config = {k: v for k, v in model.config.to_diff_dict().items() if k not in ["transformers_version", "dtype"]}
    config.setdefault("model_type", model.config.model_type)
    for key in ["vocab_size", "num_key_value_heads", "hidden_act", "num_attention_heads", "tie_word_embeddings"]:
        if getattr(model.config, key, None) is not None:
            config[key] = getattr(model.config, key)
    config.update(changes or {})
    write_json(path / "config.json", config)
    tied = set(model._tied_weights_keys or []) if model.config.tie_word_embeddings else set()
    names = {key: key.removeprefix(strip) for key in model.state_dict() if key not in tied and "inv_freq" not in key}
    shapes = {names[key]: list(value.shape) for key, value in model.state_dict().items() if key in names}
    state = weights(shapes, number, dtype)
    torch.save(state, path / "pytorch_model.bin")
    model.load_state_dict({key: state[names[key]] for key in names}, strict=False)
    model.tie_weights()
    tokens = [3, 17, 250, 9, 101, 64, 299, 5]
    with torch.no_grad():
        logits = model.double().eval()(torch.tensor([tokens])).logits[0, -1]
    entry = {
        "number": number, "tokenizer": tokenizer, "type": dtype, "layout": layout, "config": json.dumps(config),
        "tensors": shapes, "tokens": tokens,
    }
    if (changes or {}).get("model_type") != "bamboo":
        entry["logits"] = [round(float(v), 7) for v in logits]
    if ranks:
        predictors = work / f"{name}-predictors"
        predictors.mkdir(exist_ok=True)
        hidden = config.get("hidden_size")
        neurons = config.get("intermediate_size") or config.get("ffn_dim") or 4 * hidden
        entry["predictors"] = {
            f"{layer}.{part}.weight": shape
            for layer, rank in enumerate(ranks)
            for part, shape in [("fc1", [rank, hidden]), ("fc2", [neurons, rank])]
        }
        state = weights(entry["predictors"], number + 500, "F16")
        for layer in range(len(ranks)):
            torch.save(
                {f"fc{i}.weight": state[f"{layer}.fc{i}.weight"] for i in (1, 2)}, predictors / f"model_{layer}.pt"
            )
        if threshold is not None:
            entry["threshold"] = threshold
            write_json(predictors / "config.json", {"sparse_threshold": threshold})
        if arguments.original:
            output = work / f"{name}.original.gguf"
            command = [sys.executable, arguments.original / original, path, predictors, "--outfile", output]
            subprocess.run(command + ["--outtype", "f16"], check=True, stdout=subprocess.DEVNULL)
            content = bytearray(output.read_bytes())
            content[:4] = b"GGUF"
            output.write_bytes(content)
            entry["original"] = {
                t.name: {
                    "type": t.tensor_type.name, "shape": [int(n) for n in t.shape],
                    "sha256": hashlib.sha256(t.data.tobytes()).hexdigest(),
                }
                for t in gguf.GGUFReader(output).tensors
            }
    families[name] = entry


LLAMA = dict(
    hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
    max_position_embeddings=256, rms_norm_eps=1e-5, tie_word_embeddings=False,
)


def llama(**changes):
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(**{**LLAMA, **changes}))


family("llama2", llama(vocab_size=360), "sentencepiece", "F16", "whole")
family(
    "relullama", llama(vocab_size=360, hidden_act="relu"), "sentencepiece", "F16", "torch", ranks=(32, 48), threshold=0.25,
    original="convert.py",
)
family(
    "bamboo", llama(vocab_size=360, hidden_act="relu"), "sentencepiece", "BF16", "torch parts", ranks=(32, 32),
    original="convert.py", changes={"model_type": "bamboo", "architectures": ["BambooForCausalLM"]},
)
family(
    "llama3",
    llama(
        vocab_size=308, rope_theta=500000.0, bos_token_id=300, eos_token_id=[301, 302], head_dim=32,
        tie_word_embeddings=True, attention_bias=True,
        rope_scaling={"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                      "original_max_position_embeddings": 64},
    ),
    "llama3", "BF16", "parts",
)
family(
    "mistral",
    transformers.MistralForCausalLM(transformers.MistralConfig(**LLAMA, vocab_size=360, sliding_window=128, head_dim=16)),
    "sentencepiece-json", "F16", "torch parts",
)
family(
    "qwen2",
    transformers.Qwen2ForCausalLM(
        transformers.Qwen2Config(
            **{**LLAMA, "tie_word_embeddings": True}, vocab_size=312, rope_theta=1000000.0, bos_token_id=300,
            eos_token_id=302,
        )
    ),
    "qwen2", "F32", "whole",
)
for name, new in [("falcon7b", False), ("falcon40b", True)]:
    config = transformers.FalconConfig(
        vocab_size=300, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, num_kv_heads=2 if new else 4,
        new_decoder_architecture=new, multi_query=True, parallel_attn=True, bias=False, alibi=False,
        activation="relu" if new else "gelu", tie_word_embeddings=False, bos_token_id=1, eos_token_id=1,
    )
    family(
        name, transformers.FalconForCausalLM(config), "falcon", "F16", "torch" if new else "parts",
        ranks=(32, 32) if new else (), threshold=-0.5, original="convert-hf-to-powerinfer-gguf.py",
        changes={"architectures": ["FalconForCausalLM"], "num_hidden_layers": 2, "hidden_size": 64,
                 "layer_norm_epsilon": 1e-5, "new_decoder_architecture": new, "num_kv_heads": config.num_kv_heads,
                 "multi_query": True, "parallel_attn": True, "bias": False, "alibi": False,
                 "activation": config.activation},
    )
config = transformers.OPTConfig(
    vocab_size=300, hidden_size=64, num_hidden_layers=2, ffn_dim=96, max_position_embeddings=126, num_attention_heads=4,
    word_embed_proj_dim=64, bos_token_id=2, eos_token_id=2, pad_token_id=1,
)
family(
    "opt", transformers.OPTForCausalLM(config), "gpt2", "F16", "torch", ranks=(32, 48), threshold=0.0, strip="model.",
    original="convert-hf-to-powerinfer-gguf.py",
    changes={"architectures": ["OPTForCausalLM"], "activation_function": "relu", "do_layer_norm_before": True,
             "hidden_size": 64, "num_hidden_layers": 2, "ffn_dim": 96},
)
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
for name, scaling in [
    ("yarn", {**YARN, "attention_factor": 1.5, "beta_fast": 16.0, "beta_slow": 2.0}),
    ("yarn-mscale", {**YARN, "mscale": 1.0, "mscale_all_dim": 0.5}),
    ("dynamic", {"rope_type": "dynamic", "factor": 2.0}),
]:
    family(name, llama(vocab_size=360, rope_scaling=scaling), "sentencepiece", "F16", "whole")
family(
    "biased", llama(vocab_size=360, mlp_bias=True, attention_bias=True, tie_word_embeddings=True), "sentencepiece", "F16",
    "whole",
)
write_lines("conversion.json", families)
if not arguments.keep:
    shutil.rmtree(work)

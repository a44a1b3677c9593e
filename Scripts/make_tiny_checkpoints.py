#!/usr/bin/env python3
"""Makes tiny random models as Hugging Face's library saves them, of every family that `powerinfer convert` reads.

    make_tiny_checkpoints.py FOLDER

writes FOLDER/NAME (a model), for some FOLDER/NAME-predictors (`model_N.pt`, `config.json`), and FOLDER/NAME.logits.json: the
library's own logits, in float64, of the last of a few tokens. Needs torch, transformers (below 5), tokenizers and
sentencepiece. Everything but the containers is the same on every run.
"""

import json
import sys
from pathlib import Path

import sentencepiece
import torch
import transformers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
TEXT = [
    "the quick brown fox jumps over the lazy dog",
    "The rain in Spain stays mainly in the plain.",
    "A journey of 1000 miles begins with a single step!",
    "It's what I'd said: they're here, we've won 3 of 12 games.",
    "pi is 3.14159265 and e is 2.718281828",
    "naïve café, señor; straße; Москва; 東京都; हिन्दी; 🙂🚀",
] * 20

CL100K = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
TEMPLATE = "{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}{{ eos_token }}{% endfor %}"


def byte_level(path, pre_tokenizer, specials, size=400, added=(), normalizer=None, post=None, ignore_merges=False):
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=specials, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    for token, special in added:
        (tokenizer.add_special_tokens if special else tokenizer.add_tokens)([AddedToken(token, special=special)])
    if post is not None:
        tokenizer.post_processor = post(tokenizer)
    path.mkdir(exist_ok=True)
    tokenizer.save(str(path / "tokenizer.json"))
    return tokenizer.get_vocab_size()


def sentence_pieces(path, size=384):
    path.mkdir(exist_ok=True)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXT), model_prefix=str(path / "tokenizer"), vocab_size=size, model_type="bpe",
        byte_fallback=True, normalization_rule_name="identity", split_digits=True, minloglevel=2,
    )
    (path / "tokenizer.vocab").unlink()
    return size


def split(digits):
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(CL100K % digits), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def write_json(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def save(name, model, seed, safe=True, shard="1GB", dtype=torch.float32, changes=None):
    """Random weights, the logits that the library gives for them, and the files."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            values = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            if parameter.dim() > 1:
                values *= 1.2 / parameter.shape[-1] ** 0.5
            else:
                values = values * 0.1 + (0 if key.endswith("bias") else 1)
            # Exact in the type that is saved and in half precision.
            parameter.copy_(values.to(torch.float16).to(dtype).to(torch.float16))
    model.tie_weights()
    path = folder / name
    tokens = [3, 17, 250, 9, 101, 64, 300, 5]
    with torch.no_grad():
        logits = model.double().eval()(torch.tensor([tokens])).logits[0, -1]
    model.to(dtype).save_pretrained(path, safe_serialization=safe, max_shard_size=shard)
    if changes:
        config = json.loads((path / "config.json").read_text())
        config.update(changes)
        write_json(path / "config.json", config)
    write_json(folder / f"{name}.logits.json", {"tokens": tokens, "logits": logits.tolist()})


def predictors(name, layers, hidden, neurons, seed, threshold=None, ranks=(32, 48)):
    path = folder / f"{name}-predictors"
    path.mkdir(exist_ok=True)
    generator = torch.Generator().manual_seed(seed)
    for layer in range(layers):
        rank = ranks[layer % len(ranks)]
        state = {
            "fc1.weight": torch.randn(rank, hidden, generator=generator).half(),
            "fc2.weight": (torch.randn(neurons, rank, generator=generator) + 0.3).half(),
        }
        torch.save(state, path / f"model_{layer}.pt")
    if threshold is not None:
        write_json(path / "config.json", {"sparse_threshold": threshold})


LLAMA = dict(
    hidden_size=64, intermediate_size=160, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
    max_position_embeddings=256, rms_norm_eps=1e-5, tie_word_embeddings=False,
)

# Llama 2: SentencePiece; its ReLU fine-tune with predictors.
for name, act, safe, kv in [("llama2", "silu", True, 2), ("relullama", "relu", False, 4)]:
    size = sentence_pieces(folder / name)
    config = transformers.LlamaConfig(**{**LLAMA, "num_key_value_heads": kv}, vocab_size=size, hidden_act=act)
    save(name, transformers.LlamaForCausalLM(config), 1, safe=safe, dtype=torch.float16)
    write_json(
        folder / name / "tokenizer_config.json",
        {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "add_bos_token": True, "add_eos_token": False,
         "chat_template": TEMPLATE},
    )
predictors("relullama", 2, 64, 160, 2, threshold=0.25)

# Llama 3: byte-level BPE, scaled rotary positions, tied embeddings, several ends, parts.
name = "llama3"
size = byte_level(
    folder / name, split("{1,3}"), [], added=[("<|begin_of_text|>", True), ("<|eot_id|>", True), ("<|eom_id|>", True)],
    ignore_merges=True,
    post=lambda t: processors.TemplateProcessing(
        single="<|begin_of_text|> $A", special_tokens=[("<|begin_of_text|>", t.token_to_id("<|begin_of_text|>"))]
    ),
)
begin = size - 3
config = transformers.LlamaConfig(
    **{**LLAMA, "tie_word_embeddings": True}, vocab_size=size + 5, rope_theta=500000.0, bos_token_id=begin,
    eos_token_id=[begin + 1, begin + 2], head_dim=32,
    rope_scaling={"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                  "original_max_position_embeddings": 64},
)
save(name, transformers.LlamaForCausalLM(config), 3, shard="60KB", dtype=torch.bfloat16)
write_json(
    folder / name / "tokenizer_config.json", {"bos_token": "<|begin_of_text|>", "eos_token": {"content": "<|eot_id|>"}}
)
(folder / name / "chat_template.jinja").write_text(TEMPLATE)

# Mistral: only tokenizer.json of a SentencePiece model, PyTorch parts.
name = "mistral"
path = folder / name
sentence_pieces(path)
pieces = sentencepiece.SentencePieceProcessor(model_file=str(path / "tokenizer.model"))
vocabulary = {pieces.id_to_piece(i): i for i in range(pieces.vocab_size())}
merges = sorted(
    ((vocabulary[piece], left, (piece[:left], piece[left:])) for piece in vocabulary for left in range(1, len(piece))
     if piece[:left] in vocabulary and piece[left:] in vocabulary and not piece.startswith("<")),
)
fast = Tokenizer(
    models.BPE(vocab=vocabulary, merges=[pair for _, _, pair in merges], unk_token="<unk>", fuse_unk=True, byte_fallback=True)
)
fast.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
fast.decoder = decoders.Sequence(
    [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
)
fast.add_special_tokens(["<unk>", "<s>", "</s>"])
fast.save(str(path / "tokenizer.json"))
(path / "tokenizer.model").unlink()
config = transformers.MistralConfig(**LLAMA, vocab_size=len(vocabulary), sliding_window=128, head_dim=16)
save(name, transformers.MistralForCausalLM(config), 4, safe=False, shard="100KB", dtype=torch.float16)
write_json(path / "tokenizer_config.json", {"bos_token": "<s>", "eos_token": "</s>", "add_bos_token": True})

# Bamboo: Mistral with a ReLU on both sides, which the library does not know; its logits are not given.
name = "bamboo"
size = sentence_pieces(folder / name)
config = transformers.LlamaConfig(**LLAMA, vocab_size=size, hidden_act="relu")
save(name, transformers.LlamaForCausalLM(config), 5, dtype=torch.bfloat16,
     changes={"model_type": "bamboo", "architectures": ["BambooForCausalLM"]})
(folder / f"{name}.logits.json").unlink()
predictors(name, 2, 64, 160, 6)

# Qwen2: biases, tied embeddings, more embeddings than tokens.
name = "qwen2"
size = byte_level(
    folder / name, split(""), [], normalizer=normalizers.NFC(),
    added=[("<|endoftext|>", True), ("<|im_start|>", True), ("<|im_end|>", True), ("<tool_call>", False)],
)
config = transformers.Qwen2Config(
    **{**LLAMA, "tie_word_embeddings": True}, vocab_size=size + 12, rope_theta=1000000.0, bos_token_id=size - 4,
    eos_token_id=size - 2,
)
save(name, transformers.Qwen2ForCausalLM(config), 7)
write_json(
    folder / name / "tokenizer_config.json",
    {"bos_token": None, "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "add_bos_token": False},
)

# Falcon: the old layout with one key/value head, the new one with two.
for name, new in [("falcon7b", False), ("falcon40b", True)]:
    size = byte_level(
        folder / name,
        pre_tokenizers.Sequence(
            [
                pre_tokenizers.Punctuation(behavior="contiguous"), pre_tokenizers.ByteLevel(add_prefix_space=False),
                pre_tokenizers.Digits(individual_digits=False),
                pre_tokenizers.Split(Regex("[0-9][0-9][0-9]"), behavior="isolated"),
            ]
        ),
        [">>TITLE<<", "<|endoftext|>"],
    )
    config = transformers.FalconConfig(
        vocab_size=size, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, num_kv_heads=2 if new else 4,
        new_decoder_architecture=new, multi_query=True, parallel_attn=True, bias=False, alibi=False,
        activation="relu" if new else "gelu", tie_word_embeddings=False, bos_token_id=1, eos_token_id=1,
    )
    save(name, transformers.FalconForCausalLM(config), 8, safe=new, dtype=torch.float16)
    write_json(folder / name / "tokenizer_config.json", {"eos_token": "<|endoftext|>"})
predictors("falcon40b", 2, 64, 256, 9, threshold=-0.5)

# OPT: vocab.json and merges.txt.
name = "opt"
path = folder / name
size = byte_level(path, pre_tokenizers.ByteLevel(add_prefix_space=False), ["<s>", "<pad>", "</s>", "<unk>"])
content = json.loads((path / "tokenizer.json").read_text())
write_json(path / "vocab.json", content["model"]["vocab"])
(path / "merges.txt").write_text(
    "#version: 0.2\n" + "".join(" ".join(m) + "\n" if isinstance(m, list) else m + "\n" for m in content["model"]["merges"])
)
(path / "tokenizer.json").unlink()
config = transformers.OPTConfig(
    vocab_size=size, hidden_size=64, num_hidden_layers=2, ffn_dim=192, max_position_embeddings=126,
    num_attention_heads=4, word_embed_proj_dim=64, bos_token_id=2, eos_token_id=2, pad_token_id=1,
)
save(name, transformers.OPTForCausalLM(config), 10, safe=False, dtype=torch.float16)
special = {"lstrip": False, "normalized": True, "rstrip": False, "single_word": False, "special": True}
write_json(
    path / "tokenizer_config.json",
    {"tokenizer_class": "GPT2Tokenizer", "bos_token": "</s>", "eos_token": "</s>", "pad_token": "<pad>",
     "unk_token": "</s>", "add_bos_token": True,
     "added_tokens_decoder": {str(i): {"content": t, **special} for i, t in [(1, "<pad>"), (2, "</s>")]}},
)
predictors("opt", 2, 64, 192, 11, threshold=0.0)

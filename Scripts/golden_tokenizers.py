#!/usr/bin/env python3
"""Makes the golden values of the tokenizer tests with independent implementations.

    pip install regex tokenizers sentencepiece
    python3 Scripts/golden_tokenizers.py

Writes into Tests/ModelTests/Golden:

- pretokenizer-splits.json: how the published regular expressions of each pre-tokenizer split some texts, by the
  package `regex`. Each split is a list of lengths in characters.
- tokenizer-small.json: two small vocabularies trained here, with the ids that the libraries they come from give the
  same texts: SentencePiece (byte-pair model with byte fallback), and byte-level byte-pair encoding by `tokenizers`
  with two pre-tokenizers.
"""
import io
import json
import pathlib
import random

import regex
import sentencepiece
import tokenizers

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "Tests" / "ModelTests" / "Golden"

# Contractions are spelt out in both cases: `(?i:...)` would also take U+017F for an s, which the models' own
# tokenizers do not agree on.
CONTRACTIONS = r"'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]"
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
SPACES = r"\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|" + SPACES
QWEN2 = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|" + SPACES
QWEN35 = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|" + SPACES

# The expressions of a pre-tokenizer are applied one after another, each to the pieces the one before left.
PATTERNS = {
    "gpt-2": [GPT2],
    "smollm": [r"\p{N}", GPT2],
    "falcon": [r"[\p{P}\$\+<=>\^~\|`]+", GPT2, r"[0-9][0-9][0-9]"],
    "default": [r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", r"[0-9][0-9][0-9]"],
    "llama-bpe": [LLAMA3],
    "qwen2": [QWEN2],
    "qwen35": [QWEN35],
    "deepseek-coder": [r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", r"[一-龥ࠀ-一가-퟿]+", r"\p{N}"],
}

FIXED_TEXTS = [
    "", " ", "  ", "\n", "\n\n", " \n", "\n ", "\t\n\t", "a", " a", "a ", "  a  ", "   \n  a\r\n\r\nb \n",
    "I'm can't they'll we've I'd he's you're", "I'M CAN'T THEY'LL WE'VE I'D HE'S YOU'RE", "'s 'S '' 'x 'l 'll' '",
    "don\u2019t", "1 12 123 1234 12345 123456 1234567", "a1b22c333d4444", " 1  2   3", "3.14159 2026-11-22 1,000,000",
    "\u0663\u0664 \u2167 \u00bd \u00b2 \u2460", "!? ... ---\n\n+=<>^~|`$", "a.b,c;d:e", "#include <stdio.h>\n\tint x = 1;\n",
    "def f(x):\n    return x  # two\n\n\n", "日本語のテキスト、です。", "中文 123 字符！", "한국어 텍스트", "Привет, мир",
    "naïve café e\u0301 a\u0308\u0323", "हिन्दी में", "ภาษาไทย", "العربية 123", "😀 👨\u200d👩\u200d👧 ✅🇩🇪", "a\u00a0b\u2003c\u3000d\u2028e\x85f",
    " \u3000 \u3000x", "\x00\x01\x1f\x7f a\x00b", "\ufeffstart", "\u200bzero\u200b", "\U0001d400\U0001d7ce\U00020000", "x\r\ny\rz",
    "http://a.b/c?d=e&f=g#h", "A'b C'sD 'tis", "\u00aa\u02b0\u01c5", "$5 €6 ¥7", " ' s", "end of text   ",
]


def random_texts(seed, count):
    random.seed(seed)
    alphabet = (
        list(" \n\t\r'.,!-_=+$<`|~^aZéñßЖщ中日한กि٣½²０") + ["  ", "\n\n", "'s", "'LL", "12", "\u00a0", "\u3000", "\u0301", "😀", "\u200d"]
    )
    return ["".join(random.choices(alphabet, k=random.randint(1, 24))) for _ in range(count)]


def split(expressions, text):
    pieces = [text] if text else []
    for expression in expressions:
        refined = []
        for piece in pieces:
            position = 0
            for match in regex.finditer(expression, piece):
                if match.start() > position:
                    refined.append(piece[position : match.start()])
                refined.append(match.group())
                position = match.end()
            if position < len(piece):
                refined.append(piece[position:])
        pieces = refined
    return [len(piece) for piece in pieces]


CORPUS = """
The lighthouse keeper wrote in her log every evening, though nobody had asked her to. She noted the wind, the ships,
the colour of the water; on 12 March 1987 she counted 43 herons. "It's not that I'm lonely," she'd say, "they're good
company, and we've the radio." In winter the storms came: waves over the rocks, salt on the windows, the lamp turning
and turning. Un café, s'il vous plaît; der Weg ist weit; привет, мир; 日本語。 for (int i = 0; i < 10; i++) { x += i; }
The herons came back each spring, and each spring she wrote the same words in the same log: they're here again.
"""


def sentencepiece_vocabulary(texts):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS.splitlines()), model_writer=model, model_type="bpe", vocab_size=480,
        byte_fallback=True, split_digits=True, normalization_rule_name="identity", remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True, control_symbols=["<|turn|>"], minloglevel=2)
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    ids = range(processor.vocab_size())

    def kind(id):
        if processor.is_unknown(id):
            return 2
        if processor.is_control(id):
            return 3
        return 6 if processor.is_byte(id) else 1

    return {
        "tokens": [processor.id_to_piece(id) for id in ids],
        "scores": [processor.get_score(id) for id in ids],
        "types": [kind(id) for id in ids],
        # SentencePiece adds its space even to an empty text's result; llama.cpp and we give nothing.
        "cases": [{"text": text, "ids": processor.encode(text)} for text in texts if text],
    }


def byte_level_vocabulary(texts, expressions):
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    splits = [
        tokenizers.pre_tokenizers.Split(tokenizers.Regex(expression), "isolated") for expression in expressions
    ]
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Sequence(
        splits + [tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=420, initial_alphabet=sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet()), show_progress=False)
    tokenizer.train_from_iterator(CORPUS.splitlines(keepends=True), trainer)
    model = json.loads(tokenizer.to_str())["model"]
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    return {
        "tokens": [token for token, _ in sorted(model["vocab"].items(), key=lambda item: item[1])],
        "merges": merges,
        "cases": [{"text": text, "ids": tokenizer.encode(text).ids} for text in texts],
    }


def write(name, value):
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), sort_keys=True)
    (GOLDEN / name).write_text(text + "\n")
    print(name, len(text), "bytes")


def main():
    texts = FIXED_TEXTS + random_texts(1, 120)
    write("pretokenizer-splits.json", {
        "texts": texts,
        "splits": {name: [split(expressions, text) for text in texts] for name, expressions in PATTERNS.items()},
    })
    texts = FIXED_TEXTS + random_texts(2, 40) + CORPUS.splitlines()
    write("tokenizer-small.json", {
        "llama": sentencepiece_vocabulary(texts),
        "smollm": byte_level_vocabulary(texts, PATTERNS["smollm"]),
        "qwen2": byte_level_vocabulary(texts, PATTERNS["qwen2"]),
    })


if __name__ == "__main__":
    main()

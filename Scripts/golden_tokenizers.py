#!/usr/bin/env python3
"""Makes the golden values of the tokenizer tests with independent implementations.

    pip install regex tokenizers sentencepiece
    python3 Scripts/golden_tokenizers.py

Writes into Tests/ModelTests/Golden:

- pretokenizer-splits.json: how the published regular expressions of each pre-tokenizer split some texts, by the
  package `regex`. Each split is a list of lengths in characters.
- tokenizer-small.json: two small vocabularies trained here, with the ids that the libraries they come from give the
  same texts: SentencePiece (byte-pair model with byte fallback), and byte-level byte-pair encoding by `tokenizers`
  with several pre-tokenizers. That of Qwen2 has its normalizer NFC.
"""
import io
import json
import pathlib
import random
import unicodedata

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

UPPER = r"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}"
LOWER = r"\p{Ll}\p{Lm}\p{Lo}\p{M}"


def cased(suffix, upper=f"[{UPPER}]", lower=f"[{LOWER}]"):
    lead = r"[^\r\n\p{L}\p{N}]?"
    return f"{lead}{upper}*{lower}+{suffix}|{lead}{upper}+{lower}*{suffix}"


def gpt4o(digits, suffix=f"(?:{CONTRACTIONS})?"):
    return cased(suffix) + r"|\p{N}" + digits + r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|" + SPACES


LETTERS = r"[^\r\n\p{L}\p{N}]?\p{L}+"
ASCII_MARKS = r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]"
DEEPSEEK3 = ASCII_MARKS + r"[A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+"
HAN_KANA = "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"
BLOOM = " ?[^(\\s|.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c)]+"
POWERS = "|".join(rf"\s{{{size}}}(?!\S)" for size in ["512", "256", "128", "64", "32", "16", "8", "4", "1,2"]) + r"|\s{1}"
YOUTU = ("[\uac00-\ud7a3\u3131-\u318e]+|[\uff01\u2026\u201c\u201d\u2018\u2019\u2014\uff1a\uff1b\uff0c\u3001-\u303f\ufe30-\ufe4f]+"
         "|[\u3105-\u312f]+|" + HAN_KANA)
AFMOE = ("[\u4e00-\u9fff\u3400-\u4dbf\u8c48-\ufaff\u3040-\u309f\u30a0-\u30ff\uff65-\uff9f\u2f00-\u2fdf\u0e40-\u0e7f\u0e80-\u0eff"
         "\u1780-\u17ff\u1000-\u109f\uaa60-\uaa7f\ua9e0-\ua9ff\uac00-\ud7af\u1100-\u11ff]+")

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
    "tekken": [gpt4o("", suffix="")],
    "gpt-4o": [gpt4o("{1,3}")],
    "tiny_aya": [r"\d{1,3}(?=(?:\d{3})*(?![\p{L}\p{M}\p{N}\p{Pc}]))", gpt4o("{1,3}")],
    "youtu": [YOUTU, gpt4o("")],
    "kimi-k2": [
        r"\p{Han}+|" + cased(f"(?:{CONTRACTIONS})?", f"(?:(?!\\p{{Han}})[{UPPER}])", f"(?:(?!\\p{{Han}})[{LOWER}])")
        + r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|" + SPACES
    ],
    "deepseek-v3": [r"\p{N}{1,3}", HAN_KANA, DEEPSEEK3 + r"[\r\n]*|" + SPACES],
    "spark2_5": [r"\p{N}{1,3}", HAN_KANA, DEEPSEEK3 + r"|[\r\n]|\s+(?!\S)|\s+", r"\p{N}"],
    # The first expression cuts numbers at every third digit from their end.
    "afmoe": [r"\p{N}{1,3}?(?=(?:\p{N}{3})*(?!\p{N}))", AFMOE, DEEPSEEK3 + r"[\r\n]*|" + SPACES],
    "superbpe": [r"\p{N}+", r"(?=(?:\d{3})+(?!\d))"],
    "viking": [BLOOM, r"\p{N}"],
    "poro-chat": [BLOOM],
    "chameleon": [
        r"<sentinel:[0-9]+>", r"(?:IMGIMG)(?:(?:A|B|C|D|E|F|G|H|I){1,4})Z", r"[\t\n]|    |  ", r"\p{N}",
        r"[\p{P}!-/:-@\[-`{-~]", GPT2,
    ],
    "bailingmoe": [
        r"'(?:[sSdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE])|" + LETTERS
        + r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"
    ],
    "seed-coder": [CONTRACTIONS + "|" + LETTERS + r"|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|" + SPACES],
    "ufakzeka": [LETTERS + r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|" + SPACES],
    "laguna": [r"[^\n]+|[\n]+", QWEN2],
    "exaone-moe": [
        CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|"
        r"\s*[\r\n]|\s+(?!\S)|\s+"
    ],
    "minicpm5": [
        r"\p{N}{1,3}", CONTRACTIONS + "|" + LETTERS + r"|\p{N}+| ?[^\s\p{L}\p{N}]+[\r\n]*|" + SPACES,
    ],
    "jais-2": [CONTRACTIONS + "|" + LETTERS + r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|" + POWERS],
    "gemma4": [r"[^\n]+|[\n]+"],
    "whitespace": [r"\S+"],
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
    "camelCase HTTPServer XMLHttp iPhoneX ABC'S aB'LL ÀÉcole éÉé", "a/b//c\n/ d!/\n", "one two  three'd four", "𝟏𝟐𝟑𝟒 ½½½½ 12½345",
    "1234567a 1234567 12345_ 12345.67", " " * 700 + "x", "x" + " " * 300, "<sentinel:12><sentinel:> IMGIMGABCIZ IMGIMGZ IMGIMGABCDEZ",
    "안녕ㄱㄴ！…“”‘’—：；，、〿︰ ㄅㄆ 漢字かなカナ", "ไทยລາວខ្មែរမြန်မာ 한글 ｱｲｳ", "。(a|b)。 c… ۔d، ।e", "!abc #Def ~g.h", "漢字ABC漢字 abc漢",
]


def random_texts(seed, count):
    random.seed(seed)
    alphabet = (
        list(" \n\t\r'.,!-_=+$<`|~^aZéñßЖщÉÅ中日かカ한กि٣½²０/\"#(") + ["  ", "\n\n", "'s", "'LL", "12", "\u00a0", "\u3000", "\u0301", "😀", "\u200d"]
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
                if match.group():
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


def composable_texts(seed, count):
    """Texts that NFC changes, or nearly: marks in any order, Hangul's letters, scalars that compose to none or to others."""
    random.seed(seed)
    # tokenizers knows the marks of an older Unicode than other libraries do.
    old = unicodedata.ucd_3_2_0
    assigned = [chr(c) for c in range(0xA0, 0x30000) if old.category(chr(c)) not in ("Cn", "Cs", "Co")]
    decomposable = [c for c in assigned if unicodedata.normalize("NFD", c) != c]
    marks = [c for c in assigned if unicodedata.combining(c)]
    jamo = [chr(c) for c in [*range(0x1100, 0x1113), *range(0x1161, 0x1176), *range(0x11A7, 0x11C3)]]
    exclusions = list("\u0344\u0958\ufb1d\u2adc\u2126\u212a\u212b\u1e9b\u0323\u09c7\u09be\U0001d15e\uf900\U0002f800")
    latin = list("aeiouAOUncs ,\n")

    def text():
        kinds = random.choices([latin, marks[:80], marks, jamo, decomposable, exclusions, assigned], k=random.randint(1, 14))
        return "".join(random.choice(kind) for kind in kinds)

    texts = [text() for _ in range(count)]
    return texts + [unicodedata.normalize("NFD", text) for text in texts[::2]]


def byte_level_vocabulary(texts, expressions, normalizer=None):
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    if normalizer:
        tokenizer.normalizer = normalizer
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


def character_vocabulary(texts):
    """Characters instead of bytes, U+2581 for a space, and `<0xXX>` for what is no token: Gemma 4's kind."""
    byte_tokens = [f"<0x{byte:02X}>" for byte in range(256)]
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = tokenizers.normalizers.Replace(" ", "\u2581")
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Split(tokenizers.Regex(r"[^\n]+|[\n]+"), "isolated")
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=520, show_progress=False, special_tokens=["<unk>"] + byte_tokens)
    tokenizer.train_from_iterator(CORPUS.splitlines(keepends=True), trainer)
    model = json.loads(tokenizer.to_str())["model"]
    model["byte_fallback"] = True
    # Trained special tokens are found in texts, too; here they are only what the fallback gives.
    tokenizer = tokenizers.Tokenizer.from_str(json.dumps(dict(json.loads(tokenizer.to_str()), added_tokens=[], model=model)))
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    return {
        "tokens": [token for token, _ in sorted(model["vocab"].items(), key=lambda item: item[1])],
        "types": [2] + [6] * 256 + [1] * (len(model["vocab"]) - 257),
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
        "qwen2": byte_level_vocabulary(
            texts + composable_texts(3, 400), PATTERNS["qwen2"], normalizer=tokenizers.normalizers.NFC()),
        "tekken": byte_level_vocabulary(texts, PATTERNS["tekken"]),
        "deepseek-v3": byte_level_vocabulary(texts, PATTERNS["deepseek-v3"]),
        "gemma4": character_vocabulary(texts),
    })


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Compares `powerinfer tokenize` with the tokenizer test files of llama.cpp.

For every NAME.gguf in a folder that has NAME.gguf.inp (texts) and NAME.gguf.out (the ids expected of each,
one line per text) beside it, all texts are tokenized and the ids compared. Usage:

    swift build -c release
    python3 Scripts/conformance_tokenizers.py FOLDER [--powerinfer .build/release/powerinfer]

Prints one line per vocabulary and, at the end, `N passed, N failed`; exits with 1 if any failed. A vocabulary
of a kind that powerinfer does not support is reported as skipped, with the reason.
"""
import argparse
import pathlib
import subprocess
import sys

SEPARATOR = b"\n__ggml_vocab_test__\n"


def read_cases(vocabulary):
    texts = pathlib.Path(f"{vocabulary}.inp").read_bytes().split(SEPARATOR)
    lines = pathlib.Path(f"{vocabulary}.out").read_text().splitlines()
    expected = [line.split() for line in lines]
    # The text file ends in a separator or a line break, after which there is no case.
    texts = texts[: len(expected)]
    if len(texts) != len(expected):
        sys.exit(f"{vocabulary}: {len(texts)} texts but {len(expected)} lines of ids.")
    return texts, expected


def tokenize(powerinfer, vocabulary, texts):
    """The ids of each text, or a sentence that says why there are none."""
    command = [powerinfer, "tokenize", "-m", str(vocabulary), "--ids", "--no-special", "--null"]
    done = subprocess.run(command, input=b"".join(text + b"\0" for text in texts), capture_output=True)
    if done.returncode != 0:
        return None, done.stderr.decode(errors="replace").strip().splitlines()[0]
    return [line.split() for line in done.stdout.decode().split("\n")[:-1]], None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--powerinfer", default=".build/release/powerinfer")
    arguments = parser.parse_args()

    passed = failed = 0
    for vocabulary in sorted(arguments.folder.glob("*.gguf")):
        if not pathlib.Path(f"{vocabulary}.inp").exists():
            continue
        texts, expected = read_cases(vocabulary)
        found, problem = tokenize(arguments.powerinfer, vocabulary, texts)
        if problem and "is not known" in problem:
            print(f"{vocabulary.name}: skipped: {problem}")
            continue
        if problem or len(found) != len(expected):
            print(f"{vocabulary.name}: {problem or f'{len(found)} results for {len(expected)} texts'}")
            failed += len(expected)
            continue
        wrong = [case for case in zip(texts, expected, found) if case[1] != case[2]]
        for text, ids, ours in wrong:
            print(f"  {text!r}\n    expected {' '.join(ids)}\n    found    {' '.join(ours)}")
        print(f"{vocabulary.name}: {len(expected) - len(wrong)} passed, {len(wrong)} failed")
        passed += len(expected) - len(wrong)
        failed += len(wrong)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())

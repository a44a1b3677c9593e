#!/usr/bin/env python3
"""Holds answers to the schemas of JSON Schema's own test suite and has `jsonschema` judge them.

    powerinfer serve -m Tests/InferenceTests/Golden/Tiny/tiny-silu-q8_0.gguf --port 8080 -c 512
    Scripts/conformance_schemas.py TESTS [--address http://127.0.0.1:8080]

TESTS is a folder of the suite, such as tests/draft2020-12; the source package of `jsonschema` on PyPI has it under json/. A random
model is the best one for this: it writes whatever the schema admits. Schemas that are refused by name are counted, and answers
that a limit cut off. `oneOf` is read as `anyOf`, so answers that several of its schemas admit are counted apart. Needs `pip install jsonschema`.
"""

import argparse
import collections
import json
import pathlib
import urllib.error
import urllib.request

import jsonschema

ANSWERS = 3  # to each schema


def ask(address, schema, seed):
    body = {"prompt": "x", "n_predict": 220, "temperature": 1.5, "top_k": 0, "top_p": 1, "min_p": 0, "seed": seed, "json_schema": schema}
    request = urllib.request.Request(address + "/completion", json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def judge(schema, reply):
    """What an answer is: valid, cut off, or what is wrong with it."""
    if reply.get("stop_type") == "limit" or reply.get("stopped_limit"):
        return "cut off"
    try:
        value = json.loads(reply["content"])
    except ValueError:
        return f"no JSON: {reply['content'][:80]!r}"
    error = next(jsonschema.Draft202012Validator(schema).iter_errors(value), None)
    if error is None:
        return "valid"
    return "several of oneOf" if error.validator == "oneOf" and "valid under each of" in error.message else f"invalid: {error.message[:80]}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tests", type=pathlib.Path)
    parser.add_argument("--address", default="http://127.0.0.1:8080")
    options = parser.parse_args()
    counts, failures = collections.Counter(), 0
    for path in sorted(options.tests.glob("*.json")):
        for group in json.loads(path.read_text()):
            schema = group["schema"]
            if not isinstance(schema, dict) or not schema:
                continue
            counts["schemas"] += 1
            for seed in range(ANSWERS):
                status, reply = ask(options.address, schema, seed)
                outcome = "refused" if status == 400 else judge(schema, reply) if status == 200 else f"status {status}"
                if outcome in ("valid", "cut off", "refused", "several of oneOf"):
                    counts[outcome] += 1
                else:
                    failures += 1
                    print(f"{path.name}, {group['description']}: {outcome}")
                if status == 400:
                    break
    print(", ".join(f"{name}: {count}" for name, count in counts.items()))
    raise SystemExit(1 if failures else 0)


if __name__ == "__main__":
    main()

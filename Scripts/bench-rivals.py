#!/usr/bin/env python3
"""Runs `powerinfer bench` and the llama-bench of other engines in turns, and prints medians and spreads as a table.

    Scripts/bench-rivals.py --ours .build/release/powerinfer --rival llama.cpp=path/to/llama-bench -m model.gguf
    Scripts/bench-rivals.py --ours .build/release/powerinfer --rival llama.cpp=path/to/llama-batched-bench \\
        --sequences 1,2,4,8,16 -m model.gguf

A machine's speed changes from one minute to the next, so every round runs each engine once, in an order that turns, and engines
are compared by medians over the rounds. Whatever runs under the name of llama-bench must take its -m -p -n -r -t -o json; of
llama-batched-bench, its -m -npp -ntg -npl -t -c --output-format jsonl. A model that only one side can read is given as
OURS:THEIRS, for example a file in PowerInfer's format and its twin with plain magic. Needs Python 3.9 and nothing else.
"""

import argparse
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", required=True, metavar="FILE", help="the powerinfer executable")
    parser.add_argument("--rival", action="append", default=[], type=pair, metavar="NAME=FILE",
                        help="another engine's llama-bench, or with --sequences its llama-batched-bench; may be repeated")
    parser.add_argument("-m", "--model", action="append", required=True, metavar="FILE[:FILE]",
                        help="a GGUF file, or one for us and one for the others; may be repeated")
    parser.add_argument("--sparsity", default="auto", metavar="SOURCE,…",
                        help="activation sources of ours, each a row of its own (default: auto)")
    parser.add_argument("--isa", default="", metavar="SET,…",
                        help="instruction sets of ours, each a row of its own (default: the processor's best)")
    parser.add_argument("-t", "--threads", type=int, default=2, help="threads (default: 2)")
    parser.add_argument("-p", "--prompt", type=int, default=512, help="tokens of the prompt; 0 for none (default: 512)")
    parser.add_argument("-n", "--decode", type=int, default=96, help="tokens to decode; 0 for none (default: 96)")
    parser.add_argument("--sequences", default="", metavar="N,…",
                        help="several sequences together instead, each with a prompt of 64 tokens and an answer of 32")
    parser.add_argument("-r", "--rounds", type=int, default=5, help="rounds (default: 5)")
    parser.add_argument("--json", action="store_true", help="print all measurements instead of the table")
    options = parser.parse_args()
    if options.rounds < 1 or options.threads < 1:
        parser.error("--rounds and --threads must be at least 1")
    if not options.sequences and options.prompt <= 0 and options.decode <= 0:
        parser.error("nothing to measure: --prompt and --decode are both 0")
    for path in [options.ours] + [path for _, path in options.rival]:
        if not os.access(path, os.X_OK) or os.path.isdir(path):
            parser.error(f"\"{path}\" is not an executable file")
    return options


def pair(text):
    name, _, path = text.partition("=")
    if not name or not path:
        raise argparse.ArgumentTypeError(f"expected NAME=FILE, found \"{text}\"")
    return name, path


class Failure(Exception):
    pass


def run(command, environment=None):
    outcome = subprocess.run(command, capture_output=True, text=True, errors="replace", env={**os.environ, **(environment or {})})
    if outcome.returncode != 0:
        last = (outcome.stderr.strip() or outcome.stdout.strip() or "no output").splitlines()[-1]
        raise Failure(f"{command[0]} ended with status {outcome.returncode}: {last}")
    return outcome.stdout


def records(output):
    """All JSON objects of an output: an array of them, or lines with one each between others."""
    try:
        return json.loads(output)
    except json.JSONDecodeError:
        return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


def single(command, options, environment):
    """{"pp512": tok/s, "tg96": tok/s}"""
    command += ["-p", str(options.prompt), "-n", str(options.decode), "-r", "1", "-t", str(options.threads), "-o", "json"]
    speeds = {}
    for record in records(run(command, environment)):
        prompt, decoded = record["n_prompt"], record["n_gen"]
        speeds[f"pp{prompt}" if prompt else f"tg{decoded}"] = record["avg_ts"]
    return speeds


def together(command, options, environment, is_ours):
    """{"1": tok/s of decoding, …}"""
    command += ["-npp", "64", "-ntg", "32", "-npl", options.sequences, "-t", str(options.threads)]
    if is_ours:
        command += ["-r", "1", "-o", "json"]
    else:
        command += ["-c", str(96 * max(map(int, options.sequences.split(",")))), "--output-format", "jsonl"]
    return {f"{record['pl']} together": record["speed_tg"] for record in records(run(command, environment))}


def processor():
    """The model's name, family, number and what decides which kernels run."""
    if platform.system() != "Linux":
        return run(["sysctl", "-n", "machdep.cpu.brand_string"]).strip()
    fields = dict(re.findall(r"^([^:\n]+):\s*(.*)$", run(["lscpu"], {"LC_ALL": "C"}), re.MULTILINE))
    wanted = ("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "asimddp", "i8mm")
    flags = [flag for flag in wanted if flag in fields.get("Flags", "").split()]
    return (f"{fields.get('Model name', platform.machine())}, family {fields.get('CPU family', '?')} model "
            f"{fields.get('Model', '?')}, {fields.get('CPU(s)', '?')} CPUs, {' '.join(flags) or 'no vector flags'}")


def engines(options, ours, theirs):
    """(name, how to measure it) for each row of the table."""
    rows = []
    for source in options.sparsity.split(","):
        for isa in options.isa.split(","):
            command = [options.ours, "bench", "-m", ours, "--sparsity", source]
            environment = {"POWERINFER_ISA": isa} if isa else {}
            name = "ours, " + " ".join(filter(None, [source, isa]))
            if options.sequences:
                rows.append((name, lambda c=command, e=environment: together(list(c), options, e, True)))
            else:
                rows.append((name, lambda c=command, e=environment: single(list(c), options, e)))
    for name, path in options.rival:
        command = [path, "-m", theirs]
        if options.sequences:
            rows.append((name, lambda c=command: together(list(c), options, {}, False)))
        else:
            rows.append((name, lambda c=command: single(list(c), options, {})))
    return rows


def measure(options, model):
    ours, _, theirs = model.partition(":")
    rows = engines(options, ours, theirs or ours)
    results = {name: {} for name, _ in rows}
    for turn in range(options.rounds):
        shift = turn % len(rows)
        for name, bench in rows[shift:] + rows[:shift]:
            for test, speed in bench().items():
                results[name].setdefault(test, []).append(speed)
    return results


def table(model, results, rivals):
    name = pathlib.Path(model.partition(":")[0]).name
    tests = list(next(iter(results.values())))
    best = {test: max((statistics.median(results[rival][test]) for rival in rivals if test in results[rival]), default=None)
            for test in tests}
    lines = [f"| {name} | " + " | ".join(tests) + " |", "|---|" + "--:|" * len(tests)]
    for engine, speeds in results.items():
        cells = []
        for test in tests:
            values = speeds.get(test)
            if not values:
                cells.append("-")
                continue
            median = statistics.median(values)
            cell = f"{median:.1f} ({min(values):.1f}–{max(values):.1f})"
            if best[test] and engine not in rivals:
                cell += f" {median / best[test]:.2f} ×"
            cells.append(cell)
        lines.append(f"| {engine} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main():
    options = arguments()
    names = [name for name, _ in options.rival]
    if options.json:
        found = {model: measure(options, model) for model in options.model}
        json.dump({"processor": processor(), "threads": options.threads, "models": found}, sys.stdout, indent=2)
        print()
        return
    print(f"{processor()}\n{options.threads} threads, {options.rounds} rounds in turns: median (least–most) tokens per second, and "
          "the ratio to the best of the others.\n")
    for model in options.model:
        print(table(model, measure(options, model), names) + "\n", flush=True)


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"Error: {failure}.")
    except KeyboardInterrupt:
        sys.exit(130)

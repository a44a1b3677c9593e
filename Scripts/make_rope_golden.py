#!/usr/bin/env python3
"""Writes the golden file for rotary position embeddings: make_rope_golden.py > Tests/ModelTests/Golden/rope.json.

Each entry holds what a model file says (`context_length`, `freq_base` and the `rope.scaling.` keys, absent where the file has
none; `frequency_factors` is the tensor `rope_freqs.weight`) and what follows from it by the published formulas, in float64: for
each pair of dimensions the inverse frequency in radians per position, the magnitude of cosines and sines, and both, magnitude
included, at some positions. Needs `pip install numpy gguf`.
"""

import sys

import numpy as np

from make_tiny_models import llama3_factors
from reference_logits import rope_frequencies, to_json

POSITIONS = [0, 1, 2, 31, 511, 8191]
YARN = {"dimensions": 128, "context_length": 16384, "type": "yarn", "factor": 4.0, "original_context_length": 4096}

CASES = {
    "plain": {"dimensions": 64},
    "plain, large base": {"dimensions": 64, "freq_base": 100000.0},
    "type none ignores the factor": {"dimensions": 64, "type": "none", "factor": 4.0},
    "linear": {"dimensions": 64, "type": "linear", "factor": 4.0},
    "a factor alone is linear": {"dimensions": 128, "freq_base": 1000000.0, "factor": 2.5},
    "linear by the old key": {"dimensions": 128, "scale_linear": 8.0},
    "yarn": YARN,
    "yarn, context of training unsaid": {"dimensions": 64, "context_length": 2048, "type": "yarn", "factor": 16.0},
    "yarn, large base and small context": {**YARN, "dimensions": 64, "freq_base": 1000000.0, "original_context_length": 256},
    "yarn, attention factor": {**YARN, "freq_base": 500000.0, "factor": 32.0, "attn_factor": 1.25},
    "yarn, factor below one": {**YARN, "factor": 0.5},
    "yarn, its own attention factor": {**YARN, "yarn_attn_factor": 1.5},
    "yarn, attention factor one": {**YARN, "yarn_attn_factor": 1.0},
    "yarn, magnitude of all dimensions": {**YARN, "factor": 40.0, "yarn_log_multiplier": 0.707},
    "yarn, other ramp": {**YARN, "yarn_beta_fast": 8.0, "yarn_beta_slow": 2.0},
    "yarn, half extrapolated": {**YARN, "yarn_ext_factor": 0.5},
    "llama 3.1": {"dimensions": 128, "freq_base": 500000.0, "context_length": 131072, "llama3": (8, 1, 4, 8192)},
    "llama 3.2": {"dimensions": 64, "freq_base": 500000.0, "context_length": 131072, "llama3": (32, 1, 4, 8192)},
}


def entry(name, case):
    case = {"context_length": 8192, "freq_base": 10000.0, **case}
    dimensions, llama3 = case.pop("dimensions"), case.pop("llama3", None)
    factors = None if llama3 is None else llama3_factors(dimensions, case["freq_base"], *llama3)
    frequencies, magnitude = rope_frequencies(
        lambda key, default=None: case.get(key.removeprefix("rope.").removeprefix("scaling."), default), dimensions, factors
    )
    angles = np.outer(POSITIONS, frequencies)
    return {
        "name": name,
        "dimensions": dimensions,
        **case,
        **({} if factors is None else {"frequency_factors": [float(str(factor)) for factor in factors]}),
        "inverse_frequencies": [float(f"{frequency:.10g}") for frequency in frequencies],
        "magnitude": round(float(magnitude), 9),
        "positions": POSITIONS,
        "cosine": (np.cos(angles) * magnitude).round(8).tolist(),
        "sine": (np.sin(angles) * magnitude).round(8).tolist(),
    }


if __name__ == "__main__":
    sys.stdout.write(to_json([entry(name, case) for name, case in CASES.items()]))

#!/usr/bin/env python3
"""Golden values for the perplexity and divergence tests, by NumPy in float64.

    Scripts/golden_perplexity.py > Tests/InferenceTests/Golden/perplexity.json

Random logits of two models over a few small chunks, and what follows from them by the definitions alone.
"""

import json
import sys

import numpy as np

VOCABULARY, CONTEXT, CHUNKS = 37, 9, 6


def log_softmax(logits):
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def estimate(values):
    """Mean and standard error of the mean."""
    return {"value": values.mean(), "error": values.std(ddof=1) / np.sqrt(len(values))}


def exponential(log):
    value = np.exp(log["value"])
    return {"value": value, "error": value * log["error"]}


def main():
    random = np.random.default_rng(20)
    scored = range(CONTEXT // 2, CONTEXT - 1)
    tokens = random.integers(0, VOCABULARY, CHUNKS * CONTEXT)
    reference = (3 * random.standard_normal((CHUNKS, len(scored), VOCABULARY))).astype(np.float32)
    model = (reference + 0.5 * random.standard_normal(reference.shape)).astype(np.float32)

    targets = tokens.reshape(CHUNKS, CONTEXT)[:, CONTEXT // 2 + 1 :].reshape(-1)
    p = log_softmax(reference.astype(np.float64)).reshape(-1, VOCABULARY)
    q = log_softmax(model.astype(np.float64)).reshape(-1, VOCABULARY)
    rows = np.arange(len(targets))
    nll, base = -q[rows, targets], -p[rows, targets]
    kld = (np.exp(p) * (p - q)).sum(axis=1)
    delta = np.exp(-nll) - np.exp(-base)
    square = estimate(delta**2)
    rms = np.sqrt(square["value"])
    same = p.argmax(axis=1) == q.argmax(axis=1)
    share = same.mean()
    expected = {
        "negativeLogLikelihood": estimate(nll),
        "perplexity": exponential(estimate(nll)),
        "referencePerplexity": exponential(estimate(base)),
        "logRatio": estimate(nll - base),
        "ratio": exponential(estimate(nll - base)),
        "correlation": np.corrcoef(nll, base)[0, 1],
        "mean": estimate(kld),
        "quantiles": [[f, np.quantile(kld, f)] for f in (0, 0.5, 0.9, 0.95, 0.99, 0.999, 1)],
        "meanProbabilityDifference": estimate(delta),
        "rmsProbabilityDifference": {"value": rms, "error": square["error"] / (2 * rms)},
        "sameTop": {"value": share, "error": np.sqrt(share * (1 - share) / (len(same) - 1))},
    }
    golden = {
        "vocabularySize": VOCABULARY,
        "contextSize": CONTEXT,
        "tokens": tokens.tolist(),
        # [chunk][scored position][token]
        "reference": reference.tolist(),
        "model": model.tolist(),
        "expected": expected,
    }
    json.dump(golden, sys.stdout, default=float)
    print()


if __name__ == "__main__":
    main()

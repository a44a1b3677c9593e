#!/usr/bin/env python3
"""Writes Tests/ToolkitTests/Golden/chat.json: what assistants' messages of some conversations cost a tiny Qwen2.

    golden_chat.py

The model and its tokenizer are those of golden_conversion.py. transformers computes the logits in float64, tokenizers cuts the
rendered conversations, and which tokens count is found by their offsets in the text: those from the start of an assistant's
message to its end token. Needs torch, transformers, tokenizers and jinja2.
"""

import json
from pathlib import Path

import jinja2
import numpy as np
import torch
import transformers
from tokenizers import Tokenizer

golden = Path(__file__).resolve().parent.parent / "Tests" / "ToolkitTests" / "Golden"
TEMPLATE = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
CONVERSATIONS = [
    [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "pi is what?"},
        {"role": "assistant", "content": "3.14159265"},
        {"role": "user", "content": "and e?"},
        {"role": "assistant", "content": "2.718281828, the lazy dog says.\n\nnaïve cafe\u0301"},
    ],
    [
        {"role": "user", "content": "the quick brown fox"},
        {"role": "assistant", "content": " jumps over the lazy dog"},
        {"role": "user", "content": "never answered"},
    ],
]


def uniform(seed, count):
    """SplitMix64's upper 24 bits as floats in [-1, 1)."""
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + (np.arange(count, dtype=np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return (z >> np.uint64(40)).astype(np.float32) / np.float32(1 << 23) - np.float32(1)


def weights(shapes, number):
    result = {}
    for index, name in enumerate(sorted(shapes)):
        values = uniform(1000 * number + index, int(np.prod(shapes[name])))
        if len(shapes[name]) > 1:
            values = values * np.sqrt(np.float32(3) / np.float32(shapes[name][-1]))
        else:
            values = values * np.float32(0.1) + np.float32("norm" in name and name.endswith("weight"))
        result[name] = torch.from_numpy(values.reshape(shapes[name]))
    return result


entry = json.loads((golden / "conversion.json").read_text())["qwen2"]
model = transformers.Qwen2ForCausalLM(transformers.Qwen2Config(**json.loads(entry["config"])))
model.load_state_dict(weights(entry["tensors"], entry["number"]), strict=False)
model.tie_weights()
model = model.double().eval()


def logits(tokens):
    with torch.no_grad():
        return model(torch.tensor([tokens])).logits[0]


error = np.abs(logits(entry["tokens"])[-1].numpy() - np.array(entry["logits"])).max()
assert error < 1e-6, error

tokenizer = Tokenizer.from_file(str(golden / "Tokenizers" / "qwen2" / "tokenizer.json"))
template = jinja2.Environment().from_string(TEMPLATE)
answers, costs = [], []
for number, messages in enumerate(CONVERSATIONS):
    text = template.render(messages=messages)
    encoding = tokenizer.encode(text)
    probabilities = torch.log_softmax(logits(encoding.ids), -1)
    start = 0
    for message in messages:
        start = text.index(message["content"], start)
        end = start + len(message["content"]) + len("<|im_end|>")
        if message["role"] == "assistant":
            own = [i for i, (a, b) in enumerate(encoding.offsets) if start <= a and b <= end]
            assert own == list(range(own[0], own[-1] + 1))
            answers.append({"conversation": number, "first": own[0], "end": own[-1] + 1, "ids": encoding.ids[: own[-1] + 1]})
            costs += [-float(probabilities[i - 1, encoding.ids[i]]) for i in own]
        start = end

mean = float(np.mean(costs))
result = {
    "template": TEMPLATE, "conversations": CONVERSATIONS, "answers": answers, "scored": len(costs),
    "negativeLogLikelihood": mean, "perplexity": float(np.exp(mean)),
}
(golden / "chat.json").write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
print(len(costs), mean, np.exp(mean))

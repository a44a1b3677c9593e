#!/usr/bin/env python3
"""Writes Tests/CheckpointTests/Golden: tiny checkpoints as PyTorch and safetensors write them, and what is in them.

Needs torch, numpy and safetensors. The numbers are the same on every run; the containers are the library's.
"""

import json
import os
from pathlib import Path

import torch
from safetensors.torch import save_file

folder = Path(__file__).resolve().parent.parent / "Tests" / "CheckpointTests" / "Golden"
folder.mkdir(exist_ok=True)


def numbers(*shape):
    """0.25, -0.5, 0.75, ...: exact in every type."""
    count = torch.Size(shape).numel()
    signs = torch.tensor([1.0, -1.0]).repeat((count + 1) // 2)[:count]
    return (torch.arange(1, count + 1) * 0.25 * signs).reshape(shape)


base = numbers(4, 6)
state = {
    "float32": numbers(3, 2),
    "float16": numbers(2, 5).half(),
    "bfloat16": numbers(7).bfloat16(),
    "float64": numbers(2, 2).double(),
    "int64": torch.arange(5) - 2,
    "bool": torch.tensor([True, False, True]),
    "view.transposed": base.T,
    "view.rows": base[1:3],
    "view.columns": base[:, 2:4],
    "empty": torch.zeros(0, 3),
    "scalar": torch.tensor(1.5),
    "parameter": torch.nn.Parameter(numbers(2, 3)),
}
torch.save(state, folder / "state.pt")
linear = torch.nn.Linear(3, 2, bias=False)
with torch.no_grad():
    linear.weight.copy_(numbers(2, 3))
# An OrderedDict with an attribute.
torch.save(linear.state_dict(), folder / "module.pt")
torch.save(torch.arange(10) ** 3, folder / "counts.pt")
torch.save(torch.arange(3), folder / "legacy.pt", _use_new_zipfile_serialization=False)
torch.save({"a": [1, 2]}, folder / "list.pt")


class Malicious:
    def __reduce__(self):
        return os.system, ("true",)


torch.save({"weight": Malicious()}, folder / "malicious.pt")

plain = {name: tensor.detach().contiguous() for name, tensor in state.items()}
save_file(plain, folder / "state.safetensors", metadata={"format": "pt"})

expected = {
    name: {"shape": list(tensor.shape), "values": [float(v) for v in tensor.reshape(-1).tolist()]}
    for name, tensor in state.items()
}
(folder / "state.json").write_text(json.dumps(expected, indent=1) + "\n")

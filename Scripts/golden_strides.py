#!/usr/bin/env python3
"""Writes Tests/ToolkitTests/Golden/strides.pt: one matrix with the strides that torch.save may find, and strides.json: its numbers.

Needs nothing but Python. The pickle is CPython's, of the objects that torch.save names: for a state dictionary it is byte for
byte the one in Tests/CheckpointTests/Golden/module.pt, which PyTorch wrote, and the script checks that first.
"""

import collections
import io
import json
import pickle
import struct
import sys
import types
import zipfile
from pathlib import Path

root = Path(__file__).resolve().parent.parent / "Tests"
DATE = (1980, 1, 1, 0, 0, 0)  # the same bytes on every run

# Stand-ins for the names that the pickle refers to.
torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
sys.modules.update({"torch": torch, "torch._utils": utils})


class FloatStorage:
    pass


def _rebuild_tensor_v2():
    pass


FloatStorage.__module__, torch.FloatStorage = "torch", FloatStorage
_rebuild_tensor_v2.__module__, utils._rebuild_tensor_v2 = "torch._utils", _rebuild_tensor_v2


class Storage:
    def __init__(self, key, values):
        self.key, self.values = key, values


class Tensor:
    def __init__(self, storage, shape, strides, offset=0):
        self.parts = (storage, offset, shape, strides, False, collections.OrderedDict())

    def __reduce_ex__(self, protocol):
        return _rebuild_tensor_v2, self.parts


class Pickler(pickle._Pickler):
    def persistent_id(self, value):
        if isinstance(value, Storage):
            return "storage", FloatStorage, value.key, "cpu", len(value.values)


def pickled(value):
    target = io.BytesIO()
    Pickler(target, protocol=2).dump(value)
    return target.getvalue()


module = collections.OrderedDict(weight=Tensor(Storage("0", [0.0] * 6), (2, 3), (3, 1)))
module._metadata = collections.OrderedDict({"": {"version": 1}})
with zipfile.ZipFile(root / "CheckpointTests" / "Golden" / "module.pt") as archive:
    assert pickled(module) == archive.read("module/data.pkl"), "PyTorch writes another pickle"

# Rows of two heads of 4, more columns than are read at once.
rows, columns = 8, 18
matrix = [[(column + 1) * 0.25 + row * 8 for column in range(columns)] for row in range(rows)]
by_rows = Storage("0", [value for row in matrix for value in row])
by_columns = Storage("1", [value for column in zip(*matrix) for value in column])
state = {
    "rows": Tensor(by_rows, (rows, columns), (columns, 1)),
    "columns": Tensor(by_columns, (rows, columns), (1, rows)),
    "gaps": Tensor(by_rows, (rows, columns - 1), (columns, 1)),
    "expanded": Tensor(by_rows, (rows, columns), (0, 1)),
    "overlapping": Tensor(by_rows, (rows, columns), (1, 1)),
    "vector.gaps": Tensor(by_rows, (rows,), (columns,)),
}
folder = root / "ToolkitTests" / "Golden"
with zipfile.ZipFile(folder / "strides.pt", "w") as archive:
    members = {"data.pkl": pickled(state), "byteorder": b"little", "version": b"3\n"}
    for storage in (by_rows, by_columns):
        members[f"data/{storage.key}"] = struct.pack(f"<{len(storage.values)}f", *storage.values)
    for name, content in members.items():
        archive.writestr(zipfile.ZipInfo("strides/" + name, DATE), content)
(folder / "strides.json").write_text(json.dumps(matrix) + "\n")

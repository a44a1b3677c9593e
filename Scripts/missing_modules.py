#!/usr/bin/env python3
"""Prints the top-level modules that a script imports and that are not here: missing_modules.py SCRIPT."""

import ast
import importlib.util
import pathlib
import sys

script = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(script.parent))
names = set()
for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
    if isinstance(node, ast.Import):
        names.update(alias.name.split(".")[0] for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.level == 0:
        names.add(node.module.split(".")[0])
print(*sorted(name for name in names if importlib.util.find_spec(name) is None))

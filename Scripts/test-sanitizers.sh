#!/bin/sh
# Runs the inner loops of this processor under clang's address and undefined-behaviour sanitizers, every buffer exactly as
# large as its contents. Tiles are plain C here, which few processors have. Loops are not unrolled: that compiles in half the time.
set -eu
cd "$(dirname "$0")/.."
command -v clang > /dev/null || { echo "skipped: clang is not installed"; exit 0; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
clang -std=gnu11 -O1 -gline-tables-only -fsanitize=address,undefined -fno-sanitize-recover=all -DPI_EMULATED_TILES \
  -DPI_UNROLL= -ISources/CKernels/include -ISources/CKernels Sources/CKernels/*/*.c Tests/CKernelsCheck/check.c \
  -o "$folder/check" -lm
"$folder/check"

#!/bin/sh
# Runs the inner loops of this processor under clang's address and undefined-behaviour sanitizers, every buffer exactly as
# large as its contents.
set -eu
cd "$(dirname "$0")/.."
command -v clang > /dev/null || { echo "skipped: clang is not installed"; exit 0; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
clang -std=gnu11 -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -ISources/CKernels/include \
  Sources/CKernels/*.c Tests/CKernelsCheck/check.c -o "$folder/check" -lm
"$folder/check"

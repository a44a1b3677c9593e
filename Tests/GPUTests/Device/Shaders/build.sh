#!/usr/bin/env bash
# Compiles the two kernels beside this into ShaderWords.swift. SLANGC and SPIRV_OPT name the tools; Scripts/build-shaders.sh
# says where they come from.
set -euo pipefail
cd "$(dirname "$0")"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
{
  echo "// Made by Shaders/build.sh; not for editing."
  for name in transform counts; do
    "$SLANGC" -target spirv -O0 -entry "$name" -stage compute "$name.slang" -o "$work/plain.spv"
    "$SPIRV_OPT" -O --strip-debug "$work/plain.spv" -o "$work/$name.spv"
    echo
    echo "/// Shaders/$name.slang"
    echo "let ${name}Words: [UInt32] = ["
    od -An -v -tx4 -w32 "$work/$name.spv" | sed 's/ \([0-9a-f]\)/ 0x\1/g; s/\([0-9a-f]\) /\1, /g; s/^/ /; s/$/,/'
    echo "]"
  done
} >../ShaderWords.swift

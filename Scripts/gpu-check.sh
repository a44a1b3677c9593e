#!/usr/bin/env bash
# What a few minutes on a graphics card should tell: whether results are right there, how fast kernels read its memory, and how fast models
# run, beside llama.cpp where that is at hand. Builds first; what follows takes about four minutes on a card.
#   Scripts/gpu-check.sh [MODEL.gguf ...]
# POWERINFER_GPU    the device (default: 0; see `powerinfer devices`)
# POWERINFER        the program, where it is built already; tests are then left out
# LLAMA_BENCH       a `llama-bench` with a GPU backend, to run beside
# TURNS             how often speeds are measured in turns (default: 3)
set -euo pipefail
cd "$(dirname "$0")/.."
gpu="${POWERINFER_GPU:-0}"
turns="${TURNS:-3}"
embedded=Models/smollm2-135m-relu.q4_0.powerinfer.gguf

if [[ -z "${POWERINFER:-}" ]]; then
  swift build -c release --product powerinfer
  swift build --build-tests
  POWERINFER=.build/release/powerinfer
  echo "== tests"
  swift test --skip-build --filter 'GPUTests|GPUExecutorTests|ExecutorTests'
  echo "== kernels, bytes per second"
  POWERINFER_GPU_SPEED=1 swift test --skip-build --filter KernelSpeedTests
fi

echo "== devices"
"$POWERINFER" devices

echo "== the same answer"
prompt="The capital of France is"
for device in none "$gpu"; do
  echo "-- $device:"
  "$POWERINFER" run --gpu "$device" --raw --temp 0 -n 16 "$prompt" 2>/dev/null
  echo
done

echo "== perplexity of the README, processor and GPU"
for device in none "$gpu"; do
  "$POWERINFER" perplexity --gpu "$device" -f README.md -c 256 --chunks 4
done

echo "== speed"
for model in "$embedded" "$@"; do
  for ((turn = 0; turn < turns; turn++)); do
    "$POWERINFER" bench --gpu "$gpu" -m "$model" -p 512 -n 64 -r 2
    [[ -z "${LLAMA_BENCH:-}" || "$model" == "$embedded" ]] || "$LLAMA_BENCH" -m "$model" -p 512 -n 64 -r 2 -ngl 99
  done
  "$POWERINFER" bench --gpu "$gpu" -m "$model" -p 512 -n 64 -r 1 --profile
done

#!/usr/bin/env bash
# What a few minutes on a graphics card should tell: whether results are right there, how fast kernels read its memory, and how fast models
# run, beside llama.cpp where that is at hand. Builds first; what follows takes about four minutes on a card. What fails is named at
# the end, and the rest goes on.
#   Scripts/gpu-check.sh [MODEL.gguf ...]
# POWERINFER_GPU    the device (default: 0; see `powerinfer devices`)
# POWERINFER        the program, where it is built already; tests are then left out
# LLAMA_BENCH       a `llama-bench` with a GPU backend, to run beside
# TURNS             how often speeds are measured in turns (default: 3)
# PROMPT, DECODE    tokens of a prompt and of an answer that are timed (default: 512 and 64)
# BUDGETS           of GPU memory for hybrid runs (default: 1GiB 2GiB 3.2GiB 6GiB); models that fit run wholly on the GPU
# LLAMA_NGL         layers that llama.cpp puts on the GPU in hybrid runs, several numbers (default: 8 16 24)
# CHUNKS            of 256 tokens, whose perplexity is compared (default: 4)
# A software device takes its time: PROMPT=16 DECODE=8 CHUNKS=1 TURNS=1 POWERINFER_GPU=llvmpipe Scripts/gpu-check.sh
set -uo pipefail
cd "$(dirname "$0")/.." || exit
gpu="${POWERINFER_GPU:-0}"
turns="${TURNS:-3}" prompt_tokens="${PROMPT:-512}" decode_tokens="${DECODE:-64}" chunks="${CHUNKS:-4}"
embedded=Models/smollm2-135m-relu.q4_0.powerinfer.gguf
failures=()

# step TITLE COMMAND...
step() {
  local title=$1 start=$SECONDS
  shift
  echo "== $title"
  "$@" || failures+=("$title")
  echo "-- $((SECONDS - start)) s"
}

if [[ -z "${POWERINFER:-}" ]]; then
  swift build -c release --product powerinfer && swift build --build-tests || exit
  POWERINFER=.build/release/powerinfer
  step tests swift test --skip-build --filter 'GPUTests|GPU.*Tests|Hybrid.*Tests|ExecutorTests|onAGPU|OnAGPU'
  step "kernels, bytes per second" env POWERINFER_GPU_SPEED=1 swift test --skip-build --filter KernelSpeedTests
fi

step devices "$POWERINFER" devices

answers() {
  for device in none "$gpu"; do
    echo "-- $device:"
    "$POWERINFER" run --gpu "$device" --raw --temp 0 -n 16 "The capital of France is" 2> /dev/null || return
    echo
  done
}
step "the same answer, but for what is a matter of rounding" answers

# The likeliest token and its logit, of processor and GPU, by every source.
logits() {
  for source in dense gate predictor; do
    for device in none "$gpu"; do
      "$POWERINFER" logits --gpu "$device" --sparsity "$source" "The capital of France is Paris, and the capital of Italy is" 2> /dev/null \
        | sed -n "4s/^/$source, $device: /p" || return
    done
  done
}
step "the likeliest token by every source" logits

# The same of a divided model: half of the layers wholly on the GPU, then half of the memory, by neurons.
divided() {
  for division in "-ngl 15" "--vram-budget 80MiB"; do
    # shellcheck disable=SC2086
    "$POWERINFER" logits --gpu "$gpu" $division -c 256 -b 16 "The capital of France is Paris, and the capital of Italy is" 2> /dev/null \
      | sed -n "4s/^/$division: /p" || return
  done
}
step "the likeliest token of a divided model" divided

# Few tokens scatter more: rounding counts for 0.3 % of 127.
limit=0.002
((chunks >= 4)) || limit=0.005
perplexities() {
  local values=()
  for device in none "$gpu"; do
    values+=("$("$POWERINFER" perplexity --gpu "$device" -f README.md -c 256 --chunks "$chunks" | awk '$1 == "perplexity" { print $2 }')")
  done
  echo "processor ${values[0]:-}, GPU ${values[1]:-}"
  awk -v a="${values[0]:-0}" -v b="${values[1]:-0}" -v limit="$limit" \
    'BEGIN { exit !(a > 0 && b > 0 && (a - b) ^ 2 <= (limit * a) ^ 2) }'
}
step "perplexity of the README, within $limit of the processor's" perplexities

for model in "$embedded" "$@"; do
  for ((turn = 0; turn < turns; turn++)); do
    step "speed of $model" "$POWERINFER" bench --gpu "$gpu" -m "$model" -p "$prompt_tokens" -n "$decode_tokens" -r 2
    [[ -z "${LLAMA_BENCH:-}" || "$model" == "$embedded" ]] \
      || step "llama.cpp" "$LLAMA_BENCH" -m "$model" -p "$prompt_tokens" -n "$decode_tokens" -r 2 -ngl 99
  done
  step "stages of $model" "$POWERINFER" bench --gpu "$gpu" -m "$model" -p "$prompt_tokens" -n "$decode_tokens" -r 1 --profile
done

# Models that do not fit: for each budget the plan, the run with who waited for whom, and llama.cpp with so many layers. Give it the
# synthetic 7B of docs/benchmarks.md, for instance.
for model in "$@"; do
  for budget in ${BUDGETS:-1GiB 2GiB 3.2GiB 6GiB}; do
    step "plan of $model at $budget" "$POWERINFER" plan "$model" --vram-budget "$budget" -c 512 -q
    for ((turn = 0; turn < turns; turn++)); do
      step "speed of $model at $budget" "$POWERINFER" bench --gpu "$gpu" --vram-budget "$budget" -m "$model" -p 0 -n "$decode_tokens" -r 2
    done
    step "waits of $model at $budget" "$POWERINFER" run --gpu "$gpu" --vram-budget "$budget" -m "$model" -c 512 --raw --temp 0 \
      -n "$decode_tokens" --profile "The"
  done
  for layers in ${LLAMA_NGL:-8 16 24}; do
    [[ -z "${LLAMA_BENCH:-}" ]] || step "llama.cpp, -ngl $layers" "$LLAMA_BENCH" -m "$model" -p 0 -n "$decode_tokens" -r 2 -ngl "$layers"
  done
done

if [[ ${#failures[@]} -gt 0 ]]; then
  printf 'failed: %s\n' "${failures[@]}"
  exit 1
fi
echo "nothing failed"

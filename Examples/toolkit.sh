#!/usr/bin/env bash
# The toolkit from end to end: any ReLU model and some text become a small, sparse model, placed and run.
#
#   Examples/toolkit.sh MODEL OUTPUT_FOLDER TEXT…
#
# MODEL is a PowerInfer GGUF, best with 16 or 8 bits a weight; "powerinfer convert" makes one of a Hugging Face folder. TEXT should be
# like what the model will read and write; a megabyte is a good beginning. The environment may set
#
#   POWERINFER   the binary                        (powerinfer)
#   TYPE         of the weights                    (q4_0)
#   VRAM         video memory for placement        (8GiB)
#   TRAIN        more flags of train-predictor
#   SURVEY       more flags of all that read text  (such as --chunks 100)
set -euo pipefail
if [[ $# -lt 3 ]]; then
  sed -n '2,14s/^# \{0,1\}//p' "$0" >&2
  exit 64
fi
powerinfer="${POWERINFER:-powerinfer}"
model="$1" folder="$2"
shift 2
mkdir -p "$folder"
read -ra survey <<<"${SURVEY:-}"
read -ra train <<<"${TRAIN:-}"

step() { printf '\n== %s\n' "$*" >&2; }

step "How unevenly do the neurons fire?"
"$powerinfer" profile "$model" -f "$@" ${survey[@]+"${survey[@]}"} -o "$folder/source.profile.gguf" --plot "$folder/skew.svg"

step "Which inputs of the weights matter?"
"$powerinfer" imatrix "$model" -f "$@" ${survey[@]+"${survey[@]}"} -o "$folder/model.imatrix.gguf"

step "Fewer bits a weight"
"$powerinfer" quantize "$model" "$folder/quantized.gguf" "${TYPE:-q4_0}" --imatrix "$folder/model.imatrix.gguf"

step "Predictors for the weights as they will run"
"$powerinfer" train-predictor "$folder/quantized.gguf" -f "$@" ${survey[@]+"${survey[@]}"} ${train[@]+"${train[@]}"} \
  -o "$folder/model.gguf"

step "What goes where"
"$powerinfer" profile "$folder/model.gguf" -f "$@" ${survey[@]+"${survey[@]}"} --quiet
"$powerinfer" place "$folder/model.gguf" --vram-budget "${VRAM:-8GiB}" -o "$folder/model.gguf.generated.gpuidx"
"$powerinfer" plan "$folder/model.gguf"
"$powerinfer" inspect --metadata "$folder/model.gguf"

step "An answer"
"$powerinfer" run -m "$folder/model.gguf" --sparsity predictor -n 64 "Why is the sky blue?"

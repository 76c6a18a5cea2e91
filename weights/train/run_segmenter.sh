#!/usr/bin/env bash
# Set up, fetch, prepare, train the segmenter and export it: bash run_segmenter.sh ENCODER.safetensors RUN_DIR MINUTES [options of train_segmenter.py]
set -euo pipefail
cd "$(dirname "$0")"
encoder=$(realpath "$1") run=$(realpath -m "$2") minutes=$3
shift 3
. ./prepare.sh
"$python" train_segmenter.py --materials "$materials" --run "$run" --minutes "$minutes" "$@"
"$python" export_segmenter.py --out "$run/samtrack-small.safetensors" "$(ls "$run"/ema-*.safetensors | tail -n 1)"

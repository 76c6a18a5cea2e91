#!/usr/bin/env bash
# Set up, fetch, prepare and train: bash run.sh ENCODER.safetensors RUN_DIR MINUTES [options of train.py]
set -euo pipefail
cd "$(dirname "$0")"
encoder=$(realpath "$1") run=$(realpath -m "$2") minutes=$3
shift 3
cache=${SAMTRACK_TRAIN_CACHE:-$HOME/.cache/samtrack-train}
python=$cache/venv/bin/python
mkdir -p "$cache"
[ -x "$python" ] || python3 -m venv "$cache/venv"
"$python" -m pip install --quiet -r requirements.txt
"$python" fetch_data.py --cache "$cache/materials"
[ -f "$cache/prepared/index.json" ] || "$python" -m clips.materials --cache "$cache/materials" --out "$cache/prepared" --encoder "$encoder"
exec "$python" train.py --encoder "$encoder" --materials "$cache/prepared" --run "$run" --minutes "$minutes" "$@"

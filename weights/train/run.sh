#!/usr/bin/env bash
# Set up, fetch, prepare and train the tracker: bash run.sh ENCODER.safetensors RUN_DIR MINUTES [options of train.py]
set -euo pipefail
cd "$(dirname "$0")"
encoder=$(realpath "$1") run=$(realpath -m "$2") minutes=$3
shift 3
. ./prepare.sh
exec "$python" train.py --encoder "$encoder" --materials "$materials" --run "$run" --minutes "$minutes" "$@"

# Sourced by run.sh and run_segmenter.sh: a virtual environment, the pictures, and the materials made of them, each once.
# In: $encoder, the ImageNet encoder. Out: $python and $materials.
cache=${SAMTRACK_TRAIN_CACHE:-$HOME/.cache/samtrack-train}
python=$cache/venv/bin/python
materials=$cache/prepared
mkdir -p "$cache"
[ -x "$python" ] || python3 -m venv "$cache/venv"
"$python" -m pip install --quiet -r requirements.txt
"$python" fetch_data.py --cache "$cache/materials"
[ -f "$materials/index.json" ] || "$python" -m clips.materials --cache "$cache/materials" --out "$materials" --encoder "$encoder"

"""Write the segmenter's weights as safetensors in float16, averaged over several checkpoints if more than one is given.

    python export_segmenter.py --out ../embedded/samtrack-small.safetensors RUN_DIR/ema-NNNNNN.safetensors [...]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from segmenter import Segmenter


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoints", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    states = [load_file(str(path)) for path in args.checkpoints]
    mean = {key: torch.stack([s[key].double() for s in states]).mean(0).float() for key in states[0]}
    Segmenter().load_state_dict(mean, strict=True)
    largest = max(float(v.abs().max()) for v in mean.values())
    if not largest < 65504:
        raise ValueError(f"a weight of {largest} does not fit in float16")
    save_file({k: v.half().contiguous() for k, v in mean.items()}, str(args.out), metadata={"model": "samtrack-small", "format": "pt"})
    args.out.chmod(0o644)
    print(f"{len(states)} checkpoint(s) -> {args.out}, {args.out.stat().st_size / 1e6:.2f} MB, largest weight {largest:.3g}")


if __name__ == "__main__":
    main()

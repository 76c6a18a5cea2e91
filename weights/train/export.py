"""Write trained weights as safetensors with official keys, optionally averaged over several checkpoints, in f32 and f16.

    python export.py --long-edge 641 --out deaot-t.safetensors [--f16 deaot-t.f16.safetensors] ema-001.safetensors [ema-002.safetensors ...]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from deaot import DeAOT
from deaot.checkpoint import read_state_dict, save_weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoints", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--f16", type=Path)
    parser.add_argument("--model", default="deaott")
    parser.add_argument("--long-edge", type=int, required=True, help="longest side of the input that these weights are for, in pixels")
    args = parser.parse_args()
    states = [read_state_dict(path) for path in args.checkpoints]
    mean = {key: torch.stack([s[key].double() for s in states]).mean(0).float() for key in states[0]}
    DeAOT.named(args.model).load_state_dict(mean, strict=True)
    if not all(torch.isfinite(v).all() for v in mean.values()):
        raise ValueError("weights are not finite")
    largest = max(float(v.abs().max()) for v in mean.values())
    metadata = {"model": args.model, "format": "pt", "long_edge": str(args.long_edge)}
    save_weights(mean, args.out, torch.float32, metadata)
    if args.f16:
        if largest > 65504:
            raise ValueError(f"a weight of {largest} does not fit in f16")
        save_weights(mean, args.f16, torch.float16, metadata)
    print(f"{len(states)} checkpoint(s) -> {args.out}, largest weight {largest:.3g}")


if __name__ == "__main__":
    main()

"""Compare checkpoints on the clips that choose one: held-out pictures, the model's own masks fed back.

    python validate.py old.safetensors new.safetensors [--clips 60] [--size 257 449] [--bf16]

Every checkpoint sees the same clips. The number is the mean IoU over objects and frames.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import torch

from clips.generator import Materials
from deaot import DeAOT
from deaot.checkpoint import load_weights
from train import validate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path, nargs="+")
    parser.add_argument("--model", default="deaott")
    parser.add_argument("--materials", type=Path, default=Path.home() / ".cache/samtrack-train/prepared")
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--frames", type=int, default=6)
    parser.add_argument("--size", type=int, nargs=2, default=[257, 449])
    parser.add_argument("--bf16", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    materials = Materials(args.materials, validation=True)
    for path in args.weights:
        model = DeAOT.named(args.model).eval()
        load_weights(model, path)
        iou = validate(model, materials, args.clips, tuple(args.size), args.frames, lambda: torch.autocast("cpu", torch.bfloat16, enabled=args.bf16))
        print(f"{path.name:28s} IoU {iou:.4f}", flush=True)


if __name__ == "__main__":
    main()

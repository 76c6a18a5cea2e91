"""J and F on synthetic clips from held-out pictures, per number of objects and per kind of difficulty.

    python evaluate_composites.py --weights deaot-t.safetensors [--objects 2 5 12] [--kinds turn thin ...] [--clips 10] [--zoom off auto]

Twelve objects run as two groups of ten. The clips are a function of the seed and the prepared materials.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch

from clips.generator import ClipGenerator, Materials
from clips.kinds import KINDS, KindClips
from deaot import NEVER, DeAOT, Engine
from deaot.checkpoint import load_weights
from metrics import contour_accuracy, jaccard
from zoom import FrameTracker


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--model", default="deaott")
    parser.add_argument("--materials", type=Path, default=Path.home() / ".cache/samtrack-train/prepared")
    parser.add_argument("--objects", type=int, nargs="*", default=[2, 5, 12])
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=KINDS)
    parser.add_argument("--clips", type=int, default=10)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--size", type=int, nargs=2, default=[257, 449])
    parser.add_argument("--seed", type=int, default=4321)
    parser.add_argument("--long-term-gap", type=int, default=NEVER)
    parser.add_argument("--long-term-cap", type=int, default=6)
    parser.add_argument("--strays", choices=("drop", "keep"), default="drop", help="as the product does, or as the network says")
    parser.add_argument("--zoom", choices=("auto", "off"), nargs="+", default=["auto"], help="auto: as the product does; off: whole frames; both are scored on the same clips")
    parser.add_argument("--long-edge", type=int, default=641)
    parser.add_argument("--object-size", type=float, default=1.0, help="areas of things, as a multiple of those that each kind has by itself")
    parser.add_argument("--bf16", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    model = DeAOT.named(args.model).eval()
    load_weights(model, args.weights)
    materials = Materials(args.materials, validation=True)

    def score(name: str, generator: ClipGenerator, seed: tuple[int, ...]) -> None:
        j, f = {zoom: [] for zoom in args.zoom}, {zoom: [] for zoom in args.zoom}
        for number in range(args.clips):
            pictures, labels = generator.clip(np.random.default_rng((*seed, number)))
            count = int(labels[0].max())
            for zoom in args.zoom:
                tracker = FrameTracker(lambda: Engine(model, args.long_term_gap, args.long_term_cap), args.long_edge, args.strays, zoom)
                with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=args.bf16):
                    tracker.add_reference(pictures[0], labels[0].astype(np.int64), count)
                    for t in range(1, args.frames):
                        predicted = tracker.step(pictures[t])
                        for i in range(1, count + 1):
                            a, b = predicted == i, labels[t] == i
                            j[zoom].append(jaccard(a, b))
                            f[zoom].append(contour_accuracy(a, b))
        for zoom in args.zoom:
            mean_j, mean_f = np.mean(j[zoom]), np.mean(f[zoom])
            print(f"{name:12s} {args.clips} clips, zoom {zoom}: J {mean_j:.3f}  F {mean_f:.3f}  J&F {(mean_j + mean_f) / 2:.3f}", flush=True)

    for count in args.objects:
        score(f"{count} objects", ClipGenerator(materials, *args.size, args.frames, args.object_size, objects=count), (args.seed, count))
    for kind in args.kinds:
        score(kind, KindClips(materials, *args.size, args.frames, args.object_size, kind=kind), (args.seed, 100 + KINDS.index(kind)))


if __name__ == "__main__":
    main()

"""J and F on synthetic clips from held-out pictures, per number of objects and per kind of difficulty.

    python evaluate_composites.py --weights deaot-t.safetensors [--objects 2 5 12] [--kinds turn thin ...] [--clips 10]

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
from strays import drop_strays
from train import normalise


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
    parser.add_argument("--bf16", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    model = DeAOT.named(args.model).eval()
    load_weights(model, args.weights)
    materials = Materials(args.materials, validation=True)
    def score(name: str, generator: ClipGenerator, seed: tuple[int, ...]) -> None:
        j, f = [], []
        for number in range(args.clips):
            pictures, labels = generator.clip(np.random.default_rng((*seed, number)))
            count = int(labels[0].max())
            images = normalise(torch.from_numpy(pictures))
            engine = Engine(model, args.long_term_gap, args.long_term_cap)
            with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=args.bf16):
                engine.add_reference(images[:1], torch.from_numpy(labels[:1].astype(np.int64)), count)
                before = labels[0]
                for t in range(1, args.frames):
                    engine.propagate(images[t : t + 1])
                    predicted = engine.decode(tuple(args.size)).argmax(1)[0].numpy()
                    if args.strays == "drop":
                        predicted = drop_strays(before, predicted)
                    before = predicted
                    engine.update_memory(torch.from_numpy(predicted)[None])
                    for i in range(1, count + 1):
                        a, b = predicted == i, labels[t] == i
                        j.append(jaccard(a, b))
                        f.append(contour_accuracy(a, b))
        print(f"{name:12s} {args.clips} clips: J {np.mean(j):.3f}  F {np.mean(f):.3f}  J&F {(np.mean(j) + np.mean(f)) / 2:.3f}", flush=True)

    for count in args.objects:
        score(f"{count} objects", ClipGenerator(materials, *args.size, args.frames, objects=count), (args.seed, count))
    for kind in args.kinds:
        score(kind, KindClips(materials, *args.size, args.frames, kind=kind), (args.seed, 100 + KINDS.index(kind)))


if __name__ == "__main__":
    main()

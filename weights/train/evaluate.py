"""Score a tracker on a folder in DAVIS layout: first mask given, J and F over frames 1 .. n-2.

    python evaluate.py DAVIS_DIR --tracker first-mask
    python evaluate.py DAVIS_DIR --tracker propagation --encoder mobilenetv2.safetensors
    python evaluate.py DAVIS_DIR --weights deaot-t.safetensors [--long-edge 849] [--strays keep --zoom off] [--long-term-gap 5]

What is left out is as the product has it: weights whose file states the size that they were trained at get that size, lose strays and see small
objects through a window; others get frames of `LONG_EDGE`, whole. All objects of an annotation are merged into one. For evaluation only: nothing here may choose a training checkpoint.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors import safe_open

from deaot import DeAOT, Engine, NEVER
from deaot.checkpoint import load_weights
from deaot.init import load_imagenet_encoder
from deaot.mobilenetv2 import MobileNetV2
from metrics import contour_accuracy, jaccard
from propagation import PropagationTracker
from zoom import FrameTracker


#: Longest side of the network's input where the weights' file says none, as in the product (packages/pipeline/src/tracking/tracker-kinds.ts).
LONG_EDGE = {"deaot": 1040, "propagation": 849, "first-mask": 849}


def trained_long_edge(weights: Path | None) -> int | None:
    """The size that weights were trained at, where their file says it."""
    if weights is None or weights.suffix != ".safetensors":
        return None
    with safe_open(str(weights), framework="pt") as file:
        edge = (file.metadata() or {}).get("long_edge")
    return None if edge is None else int(edge)


def read_picture(path: Path) -> np.ndarray:
    return cv2.cvtColor(cv2.imread(str(path), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def read_mask(path: Path) -> np.ndarray:
    mask = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    return (mask if mask.ndim == 2 else mask.max(axis=2)) > 0


class CopyFirst:
    """The first mask, copied to every frame."""

    def add_reference(self, image, labels, objects):
        self.labels = labels

    def propagate(self, image):
        pass

    def decode(self, size):
        return torch.stack([self.labels == 0, self.labels == 1], dim=1).float()

    def update_memory(self, labels):
        pass


def scale_logits(model: DeAOT, factor: float) -> None:
    """Fold a factor on all attention logits of the stack's memories into the query/key weights."""
    with torch.no_grad():
        for layer in model.LSTT.layers:
            n = layer.key_width
            layer.linear_QV.weight[:n] *= factor**0.5
            layer.linear_QV.bias[:n] *= factor**0.5
            # The position term reads the query unscaled: keep it as it was.
            layer.short_term_attn.relative_emb_k.weight /= factor**0.5


def run_sequence(tracker: FrameTracker, frames: list[Path], masks: list[Path], limit: int | None, with_f: bool) -> tuple[list[float], list[float], float]:
    """J and F per scored frame, and frames per second."""
    tracker.add_reference(read_picture(frames[0]), read_mask(masks[0]).astype(np.int64), 1)
    j, f = [], []
    last = len(frames) - 1 if limit is None else min(limit, len(frames) - 1)
    start = time.perf_counter()
    for t in range(1, last):
        predicted, truth = tracker.step(read_picture(frames[t])) > 0, read_mask(masks[t])
        j.append(jaccard(predicted, truth))
        if with_f:
            f.append(contour_accuracy(predicted, truth))
    return j, f, (last - 1) / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("davis", type=Path)
    parser.add_argument("--tracker", choices=("deaot", "propagation", "first-mask"), default="deaot")
    parser.add_argument("--model", default="deaott")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--encoder", type=Path, help="ImageNet encoder, for --tracker propagation")
    parser.add_argument("--long-edge", type=int, help="default: what the weights were trained at, or that of LONG_EDGE")
    parser.add_argument("--long-term-gap", type=int, default=NEVER)
    parser.add_argument("--long-term-cap", type=int, default=6)
    parser.add_argument("--logit-factor", type=float, default=1.0)
    parser.add_argument("--strays", choices=("drop", "keep"), help="default: drop with weights that state their size")
    parser.add_argument("--zoom", choices=("auto", "off"), help="auto: small objects through a window; default with weights that state their size")
    parser.add_argument("--limit", type=int, help="score only the first frames of every sequence")
    parser.add_argument("--sequences", nargs="*")
    parser.add_argument("--no-f", action="store_true")
    parser.add_argument("--bf16", action="store_true", help="bfloat16 autocast")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    trained = trained_long_edge(args.weights) if args.tracker == "deaot" else None
    long_edge = args.long_edge or trained or LONG_EDGE[args.tracker]
    strays = args.strays or ("drop" if trained else "keep")
    zoom = args.zoom or ("auto" if trained else "off")
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(1)

    if args.tracker == "deaot":
        model = DeAOT.named(args.model).eval()
        load_weights(model, args.weights)
        scale_logits(model, args.logit_factor)
        make = lambda: Engine(model, args.long_term_gap, args.long_term_cap)  # noqa: E731
    elif args.tracker == "propagation":
        encoder = MobileNetV2().eval()
        load_imagenet_encoder(encoder, args.encoder)
        make = lambda: PropagationTracker(encoder)  # noqa: E731
    else:
        make = CopyFirst

    rows = {}
    for folder in sorted((args.davis / "JPEGImages/480p").iterdir()):
        if args.sequences and folder.name not in args.sequences:
            continue
        frames = sorted(folder.glob("*.jpg"))
        masks = [args.davis / "Annotations/480p" / folder.name / f"{p.stem}.png" for p in frames]
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=args.bf16):
            tracker = FrameTracker(make, long_edge, strays, zoom)
            j, f, fps = run_sequence(tracker, frames, masks, args.limit, not args.no_f)
        zoomed = tracker.zoomed / max(1, len(j))
        rows[folder.name] = {"J": float(np.mean(j)), "F": float(np.mean(f)) if f else None, "fps": fps, "zoomed": zoomed}
        print(f"{folder.name:18s} J {np.mean(j):.3f}" + (f"  F {np.mean(f):.3f}" if f else "") + f"  {fps:.1f} fps, {zoomed:.0%} of the frames through a window", flush=True)
    mean_j = float(np.mean([r["J"] for r in rows.values()]))
    line = f"{'mean':18s} J {mean_j:.3f}"
    if not args.no_f:
        mean_f = float(np.mean([r["F"] for r in rows.values()]))
        line += f"  F {mean_f:.3f}  J&F {(mean_j + mean_f) / 2:.3f}"
    print(line)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()

"""Score a tracker on a folder in DAVIS layout: first mask given, J and F over frames 1 .. n-2.

    python evaluate.py DAVIS_DIR --tracker first-mask
    python evaluate.py DAVIS_DIR --tracker propagation --encoder mobilenetv2.safetensors
    python evaluate.py DAVIS_DIR --weights deaot-t.safetensors [--long-edge 849] [--long-term-gap 5] [--logit-factor 1.2]

All objects of an annotation are merged into one. For evaluation only: nothing here may choose a training checkpoint.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import cv2
import numpy as np
import torch

from deaot import DeAOT, Engine, NEVER
from deaot.checkpoint import load_weights
from deaot.goldens import prepare
from deaot.init import load_imagenet_encoder
from deaot.mobilenetv2 import MobileNetV2
from metrics import contour_accuracy, jaccard
from strays import drop_strays
from propagation import PropagationTracker


#: cubic is what the engine does; area matters where frames shrink a lot.
RESIZE = {"cubic": cv2.INTER_CUBIC, "area": cv2.INTER_AREA}


def network_size(height: int, width: int, long_edge: int) -> tuple[int, int]:
    """Sides 16 k + 1 nearest to the frame scaled to at most `long_edge`."""
    k = min(1.0, long_edge / max(height, width))
    return tuple(16 * round((int(s * k + 0.5) - 1) / 16) + 1 for s in (height, width))  # type: ignore[return-value]


def read_frame(path: Path, size: tuple[int, int], mode: int = cv2.INTER_CUBIC) -> torch.Tensor:
    bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
    rgb = cv2.cvtColor(cv2.resize(bgr, (size[1], size[0]), interpolation=mode), cv2.COLOR_BGR2RGB)
    return prepare(torch.from_numpy(rgb))


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


def run_sequence(tracker, frames: list[Path], masks: list[Path], long_edge: int, limit: int | None, with_f: bool, mode: int = cv2.INTER_CUBIC, strays: str = "keep") -> tuple[list[float], list[float], float]:
    """J and F per scored frame, and frames per second."""
    first = read_mask(masks[0])
    size = network_size(*first.shape, long_edge)
    labels = torch.from_numpy(first.astype(np.int64))[None]
    tracker.add_reference(read_frame(frames[0], size, mode), labels, 1)
    j, f = [], []
    last = len(frames) - 1 if limit is None else min(limit, len(frames) - 1)
    start = time.perf_counter()
    for t in range(1, last):
        tracker.propagate(read_frame(frames[t], size, mode))
        before, labels = labels, tracker.decode(first.shape).argmax(1)
        if strays == "drop":
            labels = torch.from_numpy(drop_strays(before[0].numpy(), labels[0].numpy()))[None]
        tracker.update_memory(labels)
        predicted, truth = labels[0].numpy() > 0, read_mask(masks[t])
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
    parser.add_argument("--long-edge", type=int, default=849)
    parser.add_argument("--resize", choices=sorted(RESIZE), default="cubic")
    parser.add_argument("--long-term-gap", type=int, default=NEVER)
    parser.add_argument("--long-term-cap", type=int, default=6)
    parser.add_argument("--logit-factor", type=float, default=1.0)
    parser.add_argument("--strays", choices=("drop", "keep"), default="keep", help="drop: as the product does with these weights")
    parser.add_argument("--limit", type=int, help="score only the first frames of every sequence")
    parser.add_argument("--sequences", nargs="*")
    parser.add_argument("--no-f", action="store_true")
    parser.add_argument("--bf16", action="store_true", help="bfloat16 autocast")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
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
            j, f, fps = run_sequence(make(), frames, masks, args.long_edge, args.limit, not args.no_f, RESIZE[args.resize], args.strays)
        rows[folder.name] = {"J": float(np.mean(j)), "F": float(np.mean(f)) if f else None, "fps": fps}
        print(f"{folder.name:18s} J {np.mean(j):.3f}" + (f"  F {np.mean(f):.3f}" if f else "") + f"  {fps:.1f} fps", flush=True)
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

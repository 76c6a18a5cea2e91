"""What "everything" of a picture gives at each pair of thresholds, on pictures composed of held-out material.

    python evaluate_everything.py --weights ../embedded/samtrack-small.safetensors [--pictures 40] [--side 16]

A grid of single points, three masks each, as `segmentEverything` of the product asks (packages/models/src/sam/everything.ts): masks above both thresholds
stay, of two whose boxes overlap by more than 0.7 the one of lower predicted IoU goes. Printed are the share of things found (IoU of a mask >= 0.5 and
>= 0.75), the mean IoU of the best mask of each thing, masks a picture, and the share of masks that are a thing, a part of one (four fifths of it inside),
or neither; the background is full of regions that are things without a label, so the last is a bound.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from clips.generator import ClipGenerator, Materials
from segmenter.infer import Predictor, frame_input
from segmenter.model import FRAME, Prompts

TRACKER = Path(__file__).parent.parent / "embedded" / "deaot-t.safetensors"
#: Size of the pictures, and of the masks that are compared.
PICTURE, COMPARED = (288, 512), (144, 256)
BOX_IOU = 0.7
THRESHOLDS = (0.0, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)


@dataclass
class Candidates:
    """Masks of one picture, best predicted IoU first. overlap: IoU with each thing [N, K]; inside: the most of a mask that lies in one thing [N]."""

    predicted: np.ndarray
    stability: np.ndarray
    boxes: np.ndarray
    overlap: np.ndarray
    inside: np.ndarray

    def kept(self, least_iou: float, least_stability: float) -> np.ndarray:
        """Indices of what both thresholds and the suppression of doubles leave."""
        out: list[int] = []
        for i in np.flatnonzero((self.predicted > least_iou) & (self.stability >= least_stability)):
            if not out or box_iou(self.boxes[i], self.boxes[out]).max() <= BOX_IOU:
                out.append(int(i))
        return np.array(out, int)


def box_iou(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """[4] and [N, 4], x0 y0 x1 y1 -> [N]."""
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    both = (high - low).clip(0).prod(1)
    area = lambda b: (b[..., 2:] - b[..., :2]).prod(-1)  # noqa: E731
    return both / (area(box) + area(boxes) - both).clip(1e-6)


@torch.no_grad()
def candidates(predictor: Predictor, image: np.ndarray, labels: np.ndarray, side: int, batch: int = 32) -> Candidates:
    """All masks of a grid of side x side points on a picture [288, 512]."""
    x, _ = frame_input(image)
    encoded = predictor.model.encode(predictor.trunk(x))
    things = [F.interpolate(torch.from_numpy(labels == i)[None, None].float(), COMPARED, mode="area")[0, 0] > 0.5 for i in range(1, int(labels.max()) + 1)]
    things = torch.stack([t for t in things if t.any()]).flatten(1).float()
    steps = (np.arange(side) + 0.5) / side
    points = torch.tensor([(u * image.shape[1] - 0.5, v * image.shape[0] - 0.5) for v in steps for u in steps], dtype=torch.float32)
    rows = []
    for start in range(0, len(points), batch):
        some = points[start : start + batch, None]
        m = len(some)
        prompts = Prompts(some, torch.ones(m, 1, dtype=torch.long), torch.full((m, 4), torch.nan), torch.zeros(m, FRAME // 4, FRAME // 4))
        logits, iou = predictor.model.decode(encoded, torch.zeros(m, dtype=torch.long), prompts)
        logits = F.interpolate(logits[:, 1:].float(), (FRAME // 2, FRAME // 2), mode="bilinear", align_corners=False)
        logits = logits[:, :, : COMPARED[0], : COMPARED[1]].flatten(0, 1)
        masks = logits > 0
        stability = (logits > 1).sum((1, 2)) / (logits > -1).sum((1, 2)).clamp(min=1)
        flat = masks.flatten(1).float()
        both, area = flat @ things.T, flat.sum(1, keepdim=True)
        overlap = both / (area + things.sum(1) - both).clamp(min=1)
        inside = (both / area.clamp(min=1)).amax(1)
        across, down = masks.any(1).numpy(), masks.any(2).numpy()
        for i in torch.nonzero(area[:, 0] > 0)[:, 0].tolist():
            xs, ys = np.flatnonzero(across[i]), np.flatnonzero(down[i])
            rows.append((float(iou[:, 1:].flatten()[i]), float(stability[i]), (xs[0], ys[0], xs[-1] + 1, ys[-1] + 1), overlap[i].numpy(), float(inside[i])))
    rows.sort(key=lambda row: -row[0])
    predicted, stability, boxes, overlap, inside = zip(*rows)
    return Candidates(np.array(predicted), np.array(stability), np.array(boxes, float), np.stack(overlap), np.array(inside))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--tracker", type=Path, default=TRACKER)
    parser.add_argument("--materials", type=Path, default=Path.home() / ".cache/samtrack-train/prepared")
    parser.add_argument("--pictures", type=int, default=40)
    parser.add_argument("--side", type=int, default=16)
    parser.add_argument("--seed", type=int, default=99)
    parser.add_argument("--bf16", action="store_true", help="bfloat16 autocast")
    args = parser.parse_args()
    torch.set_num_threads(1)
    predictor = Predictor.load(args.weights, args.tracker)
    generator = ClipGenerator(Materials(args.materials, validation=True), *PICTURE, 1)
    pictures = []
    for number in range(args.pictures):
        frames, labels = generator.clip(np.random.default_rng((args.seed, number)))
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=args.bf16):
            pictures.append(candidates(predictor, frames[0], labels[0], args.side))
    print("IoU  stability   found.5  found.75  best IoU   masks   thing   part  neither")
    for least_iou in THRESHOLDS:
        for least_stability in THRESHOLDS:
            best, counts, things, parts = [], [], [], []
            for p in pictures:
                kept = p.kept(least_iou, least_stability)
                best += list(p.overlap[kept].max(0)) if len(kept) else [0.0] * p.overlap.shape[1]
                counts.append(len(kept))
                thing = p.overlap[kept].max(1) >= 0.5 if len(kept) else np.zeros(0, bool)
                things += list(thing)
                parts += list(~thing & (p.inside[kept] >= 0.8))
            b, thing, part = np.array(best), np.mean(things or [0]), np.mean(parts or [0])
            print(f"{least_iou:.1f}  {least_stability:.1f}         {np.mean(b >= 0.5):.3f}    {np.mean(b >= 0.75):.3f}     {b.mean():.3f}     {np.mean(counts):5.1f}   {thing:.3f}  {part:.3f}  {1 - thing - part:.3f}", flush=True)


if __name__ == "__main__":
    main()

"""Score segmenters on DAVIS frames with simulated clicks and exact boxes: the first, middle and last annotated frame of each sequence.

    python evaluate_segmenter.py DAVIS_DIR --weights samtrack-small.safetensors
    python evaluate_segmenter.py DAVIS_DIR --bars

The first click lies at the centre of the object's distance transform, each further one at the centre of the largest error.
Prints the mean IoU in percent after 1, 3 and 5 clicks and for the exact box. For reporting only: nothing here may choose a checkpoint.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
import torch

from evaluate import read_mask
from segmenter.bars import FeatureWalker, GrabCut
from segmenter.clicks import box_of, first_click, next_click
from segmenter.infer import Clicks, Predictor
from segmenter.model import Trunk
from segmenter.validate import iou

CLICKS = 5
TRACKER = Path(__file__).parent.parent / "embedded" / "deaot-t.safetensors"


def frames_of(davis: Path):
    """(name, uint8 RGB, bool mask) of three frames a sequence."""
    for folder in sorted((davis / "JPEGImages/480p").iterdir()):
        frames = sorted(folder.glob("*.jpg"))
        for path in (frames[0], frames[len(frames) // 2], frames[-1]):
            mask = read_mask(davis / "Annotations/480p" / folder.name / f"{path.stem}.png")
            if mask.any():
                yield f"{folder.name}/{path.stem}", cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB), mask


def clicked(segmenter, image: np.ndarray, mask: np.ndarray) -> tuple[list[float], list[np.ndarray]]:
    """IoU and mask after each click."""
    segmenter.set_image(image)
    clicks, previous, scores, masks = Clicks([first_click(mask)], [1]), None, [], []
    for _ in range(CLICKS):
        logits, _ = segmenter.predict(clicks, previous)
        predicted = logits.numpy() > 0
        masks.append(predicted)
        scores.append(iou(predicted, mask))
        click = next_click(predicted, mask)
        if click is not None:
            clicks.points.append(click[0])
            clicks.labels.append(click[1])
        previous = logits
    return scores, masks


def overlay(image: np.ndarray, mask: np.ndarray, clicks: int) -> np.ndarray:
    out = image.copy()
    out[mask] = out[mask] // 2 + np.array([120, 20, 20], np.uint8)
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(out, contours, -1, (255, 255, 0), 1)
    return cv2.resize(out, (427, 240), interpolation=cv2.INTER_AREA)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("davis", type=Path)
    parser.add_argument("--weights", type=Path, nargs="*", default=[])
    parser.add_argument("--tracker", type=Path, default=TRACKER)
    parser.add_argument("--no-zoom", action="store_true")
    parser.add_argument("--bars", action="store_true", help="the training-free methods too")
    parser.add_argument("--sheet", type=Path, help="write a picture of what the last segmenter gave after 1, 3 and 5 clicks and for the box")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(1)
    segmenters = {}
    if args.bars:
        segmenters |= {"GrabCut from the box": GrabCut(), "random walker on features": FeatureWalker(Trunk(args.tracker))}
    segmenters |= {path.name: Predictor.load(path, args.tracker, not args.no_zoom) for path in args.weights}
    print(f"{'':32s} 1 click  3 clicks  5 clicks    box   seconds a mask")
    for name, segmenter in segmenters.items():
        table, boxes, sheet, start, masks_made = [], [], [], time.perf_counter(), 0
        for _, image, mask in frames_of(args.davis):
            row = []
            if segmenter.clicks:
                scores, masks = clicked(segmenter, image, mask)
                table.append(scores)
                masks_made += CLICKS
                row += [overlay(image, masks[i], i + 1) for i in (0, 2, 4)]
            if segmenter.boxes:
                segmenter.set_image(image)
                logits, _ = segmenter.predict(Clicks(box=tuple(box_of(mask))))
                boxes.append(iou(logits.numpy() > 0, mask))
                masks_made += 1
                row.append(overlay(image, logits.numpy() > 0, 0))
            sheet.append(np.hstack(row))
        means = 100 * np.mean(table, axis=0) if table else np.full(CLICKS, np.nan)
        box = 100 * float(np.mean(boxes)) if boxes else float("nan")
        print(f"{name:32s} {means[0]:7.1f}  {means[2]:8.1f}  {means[4]:8.1f}  {box:5.1f}   {(time.perf_counter() - start) / masks_made:.2f}", flush=True)
        if args.sheet:
            args.sheet.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(args.sheet), cv2.cvtColor(np.vstack(sheet), cv2.COLOR_RGB2BGR))


if __name__ == "__main__":
    main()

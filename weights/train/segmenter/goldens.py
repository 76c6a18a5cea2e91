"""Inputs, intermediate tensors and outputs of the network on one picture, to compare other implementations with.

    python -m segmenter.goldens --weights samtrack-small.safetensors --tracker deaot-t.safetensors --out DIR

Writes `goldens.safetensors`: `image` uint8 [H, W, 3]; per picture `input` [512, 512, 3], `f4`, `f8`, `f16`, `embedding`, `s1`, `s0`
(height, width, channels); per prompt, with its name before a slash, `points` [K, 2], `labels` [K], `box` [4], `mask` [128, 128] as far as they
are given, then `sparse` [T, 128] (points, padding point, corners), `dense` [128, 128, 4], `logits` [4, 128, 128], `iou` [4].
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from .infer import Predictor, frame_input
from .model import Prompts, Segmenter, Trunk


#: Colour, centre and half axes; the last lies on the first.
ELLIPSES = (((200, 60, 40), (130, 120), (70, 45)), ((40, 160, 70), (290, 200), (60, 80)), ((230, 220, 90), (150, 95), (20, 15)))


def ellipse(number: int) -> np.ndarray:
    """bool [300, 400]."""
    mask = np.zeros((300, 400), np.uint8)
    _, centre, axes = ELLIPSES[number]
    cv2.ellipse(mask, centre, axes, 20, 0, 360, 1, -1)
    return mask > 0


def picture() -> np.ndarray:
    """Ellipses of several colours on a gradient, 300 x 400, with noise; no photograph."""
    rng = np.random.default_rng(15)
    y, x = np.mgrid[0:300, 0:400].astype(np.float32)
    image = np.stack([60 + 0.3 * x, 90 + 0.2 * y, 140 - 0.1 * x], -1)
    for number, (colour, _, _) in enumerate(ELLIPSES):
        image[ellipse(number)] = colour
    return np.clip(image + rng.normal(0, 6, image.shape), 0, 255).astype(np.uint8)


def channels_last(x: Tensor) -> Tensor:
    return x[0].permute(1, 2, 0).float().contiguous()


@torch.no_grad()
def goldens(trunk: Trunk, model: Segmenter) -> dict[str, Tensor]:
    image = picture()
    out: dict[str, Tensor] = {"image": torch.from_numpy(image)}
    x, _ = frame_input(image)
    maps = trunk(x)
    encoded = model.encode(maps)
    out["input"] = channels_last(x)
    for name, value in zip(("f4", "f8", "f16"), maps):
        out[name] = channels_last(value)
    for name in ("embedding", "s1", "s0"):
        out[name] = channels_last(getattr(encoded, name))
    k = 512 / 400
    cases = {
        "point": ([[130 * k, 120 * k]], [1], None, None),
        "points": ([[130 * k, 120 * k], [150 * k, 95 * k], [300.25, 20.5]], [1, 0, 0], None, None),
        "box": ([], [], [225 * k, 115 * k, 352.5 * k, 284 * k], None),
        "box-point-mask": ([[290 * k, 200 * k]], [1], [225 * k, 115 * k, 352.5 * k, 284 * k], "box"),
    }
    for name, (points, labels, box, mask) in cases.items():
        logits = torch.zeros(1, 128, 128) if mask is None else out[f"{mask}/logits"][None, 0]
        prompt = Prompts(torch.tensor(points, dtype=torch.float32).reshape(1, -1, 2), torch.tensor(labels).reshape(1, -1), torch.tensor([box or [torch.nan] * 4]), logits)
        sparse, exists = model.prompt_encoder.sparse(prompt, encoded.embedding, encoded.origin)
        dense, _, _ = model.prompt_encoder.dense(prompt)
        logits, iou = model.decode(encoded, torch.zeros(1, dtype=torch.long), prompt)
        if points:
            out[f"{name}/points"], out[f"{name}/labels"] = prompt.points[0], prompt.labels[0].float()
        if box:
            out[f"{name}/box"] = prompt.boxes[0]
        if mask:
            out[f"{name}/mask"] = prompt.logits[0]
        out[f"{name}/sparse"] = sparse[0][exists[0]]
        out[f"{name}/dense"] = channels_last(dense)
        out[f"{name}/logits"], out[f"{name}/iou"] = logits[0], iou[0]
    return {key: value.contiguous().clone() for key, value in out.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--tracker", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    predictor = Predictor.load(args.weights, args.tracker)
    args.out.mkdir(parents=True, exist_ok=True)
    save_file(goldens(predictor.trunk, predictor.model), str(args.out / "goldens.safetensors"))


if __name__ == "__main__":
    main()

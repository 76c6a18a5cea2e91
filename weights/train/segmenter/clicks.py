"""Simulated users: where they click, how well they draw a box, what they correct."""

from __future__ import annotations

import cv2
import numpy as np

from clips.motion import Rng


def deepest(region: np.ndarray) -> tuple[float, float]:
    """(x, y) of the pixel that lies farthest from the outside of a bool [h, w] region; the picture's edge is outside."""
    distance = cv2.distanceTransform(np.pad(region, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    y, x = np.unravel_index(int(distance.argmax()), distance.shape)
    return float(x), float(y)


def largest_piece(region: np.ndarray) -> np.ndarray:
    count, pieces, stats, _ = cv2.connectedComponentsWithStats(region.astype(np.uint8), connectivity=4)
    return pieces == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax()) if count > 1 else region.astype(bool)


def first_click(mask: np.ndarray, rng: Rng | None = None) -> tuple[float, float]:
    """The centre of the distance transform; with `rng`, in four cases of ten some pixel of the mask."""
    if rng is not None and rng.random() < 0.4:
        ys, xs = np.nonzero(mask)
        i = int(rng.integers(len(ys)))
        return float(xs[i]), float(ys[i])
    return deepest(mask)


def next_click(predicted: np.ndarray, mask: np.ndarray) -> tuple[tuple[float, float], int] | None:
    """The centre of the largest error and its label (1: it belongs to the object); None where there is no error."""
    missed, wrong = mask & ~predicted, predicted & ~mask
    pieces = [(largest_piece(e), label) for e, label in ((missed, 1), (wrong, 0)) if e.any()]
    if not pieces:
        return None
    piece, label = max(pieces, key=lambda p: int(p[0].sum()))
    return deepest(piece), label


def box_of(mask: np.ndarray) -> np.ndarray:
    """x0 y0 x1 y1, the last two past the end."""
    ys, xs = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
    return np.array([xs[0], ys[0], xs[-1] + 1, ys[-1] + 1], np.float32)


def noisy_box(mask: np.ndarray, rng: Rng) -> np.ndarray:
    """A third of the boxes is exact; the others are off by a tenth of the side, 20 pixels at most."""
    box = box_of(mask)
    if rng.random() < 1 / 3:
        return box
    size = np.tile(box[2:] - box[:2], 2)
    box = box + np.clip(rng.normal(0, 0.1, 4) * size, -20, 20).astype(np.float32)
    h, w = mask.shape
    box = np.clip(box, 0, [w, h, w, h]).astype(np.float32)
    return box if (box[2:] - box[:2] > 2).all() else box_of(mask)


def perturbed(mask: np.ndarray, rng: Rng) -> np.ndarray:
    """Float32 logits [h / 4, w / 4] of a mask with a wrong outline and a piece missing or added."""
    h, w = mask.shape
    extent = np.sqrt(mask.sum())
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), max(0.7, extent * rng.uniform(0.01, 0.12)))
    field = cv2.resize(rng.normal(0, 0.35, size=(7, 7)).astype(np.float32), (w, h), interpolation=cv2.INTER_CUBIC)
    shift = np.float32([[1, 0, rng.normal(0, 0.05) * extent], [0, 1, rng.normal(0, 0.05) * extent]])
    soft = cv2.warpAffine(soft, shift, (w, h))
    logits = np.clip((soft - 0.5 + field * rng.uniform(0.2, 1.0)) * rng.uniform(4, 16), -8, 8)
    return cv2.resize(logits, (w // 4, h // 4), interpolation=cv2.INTER_AREA)

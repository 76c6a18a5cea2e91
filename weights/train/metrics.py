"""Region similarity J and contour accuracy F of the DAVIS benchmark (Perazzi et al., CVPR 2016), for binary masks."""

from __future__ import annotations

import math

import cv2
import numpy as np


def jaccard(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Intersection over union of two boolean masks; 1 where both are empty."""
    union = np.logical_or(predicted, truth).sum()
    return 1.0 if union == 0 else float(np.logical_and(predicted, truth).sum() / union)


def boundary(mask: np.ndarray) -> np.ndarray:
    """Pixels that differ from their right, lower or lower-right neighbour (the last row and column look one way)."""
    m = mask.astype(bool)
    edge = np.zeros_like(m)
    edge[:-1, :-1] = (m[:-1, :-1] != m[:-1, 1:]) | (m[:-1, :-1] != m[1:, :-1]) | (m[:-1, :-1] != m[1:, 1:])
    edge[-1, :-1] = m[-1, :-1] != m[-1, 1:]
    edge[:-1, -1] = m[:-1, -1] != m[1:, -1]
    return edge


def contour_accuracy(predicted: np.ndarray, truth: np.ndarray, tolerance: float = 0.008) -> float:
    """F measure of boundary pixels that meet within `tolerance` of the image diagonal."""
    radius = math.ceil(tolerance * math.hypot(*truth.shape))
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disk = (x * x + y * y <= radius * radius).astype(np.uint8)
    a, b = boundary(predicted), boundary(truth)
    n_a, n_b = int(a.sum()), int(b.sum())
    if n_a == 0 and n_b == 0:
        return 1.0
    if n_a == 0 or n_b == 0:
        return 0.0
    precision = (a & (cv2.dilate(b.astype(np.uint8), disk) > 0)).sum() / n_a
    recall = (b & (cv2.dilate(a.astype(np.uint8), disk) > 0)).sum() / n_b
    return 0.0 if precision + recall == 0 else float(2 * precision * recall / (precision + recall))

"""Parts of an object that appear far from where it was one frame before, while it is still there: mostly other things that look like it.

The rule of the product (packages/pipeline/src/tracking/strays.ts).
"""

from __future__ import annotations

import cv2
import numpy as np

#: How far parts may stray from where the object was, besides its own motion, and the most that this counts; shares of the diagonal.
SLACK, FASTEST = 0.01, 0.04
#: Least share of the object's last area that must still be where it was.
REMAINDER = 0.6


def drop_strays(before: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Label maps [H, W] of two frames, one after the other -> the second one without strays."""
    out = labels.copy()
    diagonal = float(np.hypot(*labels.shape))
    for identity in np.unique(labels)[np.unique(labels) > 0]:
        mask, was = labels == identity, before == identity
        count, pieces, stats, centres = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
        if count <= 2 or not was.any():
            continue
        # What overlaps most with where the object was tells how it moves.
        main = 1 + int(np.bincount(pieces[was], minlength=count)[1:].argmax())
        ys, xs = np.nonzero(was)
        motion = float(np.hypot(centres[main][0] - xs.mean(), centres[main][1] - ys.mean()))
        reach = int(np.ceil(SLACK * diagonal + min(motion, FASTEST * diagonal)))
        near = cv2.dilate(was.astype(np.uint8), np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)) > 0
        stays = np.bincount(pieces[near], minlength=count) > 0
        area = stats[1:, cv2.CC_STAT_AREA][stays[1:]].sum()
        if area == 0 or area < REMAINDER * was.sum():
            continue
        # What an object loses behind something it may show again on the other side; what enters the picture was never there.
        x, y, w, h = stats[:, : cv2.CC_STAT_AREA].T
        enters = (x == 0) | (y == 0) | (x + w == labels.shape[1]) | (y + h == labels.shape[0])
        goes = ~stays & (enters | (area + stats[:, cv2.CC_STAT_AREA] > was.sum()))
        out[mask & goes[pieces]] = 0
    return out

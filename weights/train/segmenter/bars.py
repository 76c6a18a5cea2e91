"""Segmenters without training, as bars: GrabCut from a box, and a random walk on the encoder's features from clicks.

Both have the interface of `Predictor`; `clicks` and `boxes` say what they take.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .infer import Clicks, frame_input
from .model import FRAME, Trunk


class GrabCut:
    """Rother et al., SIGGRAPH 2004: OpenCV's, five rounds from the box."""

    clicks, boxes = False, True

    def set_image(self, image: np.ndarray) -> None:
        self.image = image

    def predict(self, clicks: Clicks, previous: Tensor | None = None) -> tuple[Tensor, float]:
        x0, y0, x1, y1 = (int(v) for v in clicks.box)
        trimap = np.zeros(self.image.shape[:2], np.uint8)
        trimap[y0:y1, x0:x1] = cv2.GC_PR_FGD
        if (trimap == cv2.GC_BGD).any():  # a box around the whole picture says nothing
            cv2.grabCut(self.image, trimap, None, np.zeros((1, 65)), np.zeros((1, 65)), 5, cv2.GC_INIT_WITH_MASK)
        inside = (trimap == cv2.GC_FGD) | (trimap == cv2.GC_PR_FGD)
        return torch.from_numpy(np.where(inside, 1.0, -1.0).astype(np.float32)), 0.0


class FeatureWalker:
    """Grady, PAMI 2006: the chance that a walk from a pixel meets an object's click before a background's, on a grid at stride 4
    whose weights fall with the difference of colour and of the encoder's features at strides 4, 8 and 16. The picture's edge counts as background
    unless a click lies there; a box adds its outside as background and its middle as object."""

    clicks, boxes = True, True
    #: A step over a difference of `SCALE` (of features of unit length) is e times less likely.
    SCALE = 0.25
    ROUNDS = 1500

    def __init__(self, trunk: Trunk) -> None:
        self.trunk = trunk

    @torch.no_grad()
    def set_image(self, image: np.ndarray) -> None:
        x, k = frame_input(image)
        h, w = (max(1, round(s * k / 4)) for s in image.shape[:2])
        self.size, self.scale = image.shape[:2], k / 4
        maps = [x] + self.trunk(x)
        parts = []
        for m in maps:
            m = F.interpolate(m, size=(FRAME // 4, FRAME // 4), mode="bilinear", align_corners=False)[0, :, :h, :w]
            parts.append(F.normalize(m - m.mean((1, 2), keepdim=True), dim=0))
        f = torch.cat(parts) / len(parts) ** 0.5
        edge = lambda a, b: torch.exp(-((a - b) ** 2).sum(0) / self.SCALE**2 / 2).clamp(min=1e-4)  # noqa: E731
        self.right, self.down = edge(f[:, :, 1:], f[:, :, :-1]), edge(f[:, 1:], f[:, :-1])

    def predict(self, clicks: Clicks, previous: Tensor | None = None) -> tuple[Tensor, float]:
        h, w = self.down.shape[0] + 1, self.right.shape[1] + 1
        fixed, value = torch.zeros(h, w, dtype=torch.bool), torch.full((h, w), 0.5)

        def mark(rows: slice, columns: slice, share: float) -> None:
            fixed[rows, columns], value[rows, columns] = True, share

        for rows, columns in ((slice(0, 1), slice(None)), (slice(h - 1, h), slice(None)), (slice(None), slice(0, 1)), (slice(None), slice(w - 1, w))):
            mark(rows, columns, 0.0)
        if clicks.box is not None:
            x0, y0, x1, y1 = (v * self.scale for v in clicks.box)
            outside = torch.ones(h, w, dtype=torch.bool)
            outside[max(0, int(y0)) : int(y1) + 1, max(0, int(x0)) : int(x1) + 1] = False
            fixed |= outside
            value[outside] = 0.0
            cy, cx = (y0 + y1) / 2, (x0 + x1) / 2
            mark(slice(int(cy - 0.1 * (y1 - y0)), int(cy + 0.1 * (y1 - y0)) + 1), slice(int(cx - 0.1 * (x1 - x0)), int(cx + 0.1 * (x1 - x0)) + 1), 1.0)
        for (x, y), label in zip(clicks.points, clicks.labels):
            r, c = min(h - 1, int(y * self.scale)), min(w - 1, int(x * self.scale))
            mark(slice(max(0, r - 1), r + 2), slice(max(0, c - 1), c + 2), float(label))
        left, right = F.pad(self.right, (1, 0)), F.pad(self.right, (0, 1))
        up, down = F.pad(self.down, (0, 0, 1, 0)), F.pad(self.down, (0, 0, 0, 1))
        total = left + right + up + down
        p = value.clone()
        for _ in range(self.ROUNDS):
            q = F.pad(p[None, None], (1, 1, 1, 1), mode="replicate")[0, 0]
            near = left * q[1:-1, :-2] + right * q[1:-1, 2:] + up * q[:-2, 1:-1] + down * q[2:, 1:-1]
            p = torch.where(fixed, value, near / total)
        full = F.interpolate(p[None, None], size=self.size, mode="bilinear", align_corners=False)[0, 0]
        return full - 0.5, 0.0

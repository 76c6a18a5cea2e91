"""A tracker without any video training: label propagation with ImageNet features.

Every token takes the labels of the tokens that look most like it in the first frame (within a wide window) and in the
last three frames (within a narrow one): cosine of the 96-d 16x features, temperature 0.05, ten best. It is the bar
that trained weights have to clear.
"""

from __future__ import annotations

from collections import deque

import torch
from torch import Tensor
from torch.nn import functional as F

from deaot.mobilenetv2 import MobileNetV2
from deaot.model import one_hot


class PropagationTracker:
    """Same calls as `deaot.Engine`, for up to ten objects."""

    def __init__(self, encoder: MobileNetV2, first_radius: int | None = 12, recent_radius: int = 7, recent: int = 3,
                 temperature: float = 0.05, top_k: int = 10) -> None:
        self.encoder, self.temperature, self.top_k = encoder, temperature, top_k
        self.first_radius, self.recent_radius = first_radius, recent_radius
        self.memory: deque[tuple[Tensor, Tensor]] = deque(maxlen=recent)
        self.first: tuple[Tensor, Tensor] | None = None

    def _tokens(self, image: Tensor) -> Tensor:
        f = self.encoder(image)[2]
        self.size = (f.shape[-2], f.shape[-1])
        return F.normalize(f[0].flatten(1).T, dim=1)

    def _token_labels(self, labels: Tensor) -> Tensor:
        """[1, H, W] -> shares [T, classes] by area averaging."""
        return F.interpolate(one_hot(labels, self.classes), self.size, mode="area")[0].flatten(1).T

    def _outside(self, radius: int | None) -> Tensor:
        h, w = self.size
        y, x = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
        y, x = y.flatten(), x.flatten()
        if radius is None:
            return torch.zeros(h * w, h * w, dtype=torch.bool)
        return ((y[:, None] - y[None]).abs() > radius) | ((x[:, None] - x[None]).abs() > radius)

    @torch.no_grad()
    def add_reference(self, image: Tensor, labels: Tensor, objects: int) -> None:
        self.classes = objects + 1
        tokens = self._tokens(image)
        self.first = (tokens, self._token_labels(labels))
        self.memory.clear()
        self.masks = (self._outside(self.first_radius), self._outside(self.recent_radius))

    @torch.no_grad()
    def propagate(self, image: Tensor) -> None:
        tokens = self._tokens(image)
        frames = [(self.first, self.masks[0])] + [(m, self.masks[1]) for m in self.memory]
        scores = torch.cat([(tokens @ k.T).masked_fill(outside, -10.0) for (k, _), outside in frames], dim=1)
        labels = torch.cat([v for (_, v), _ in frames])
        best, index = scores.topk(self.top_k, dim=1)
        weights = torch.softmax(best / self.temperature, dim=1)
        self.shares = (weights[..., None] * labels[index]).sum(1)
        self.memory.append((tokens, self.shares))

    @torch.no_grad()
    def decode(self, size: tuple[int, int]) -> Tensor:
        grid = self.shares.T.reshape(1, self.classes, *self.size)
        return F.interpolate(grid, size, mode="bilinear", align_corners=True)

    def update_memory(self, labels: Tensor) -> None:
        """Soft shares are already remembered by `propagate`."""

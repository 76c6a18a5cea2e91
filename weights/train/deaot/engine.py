"""Inference: reference frames, propagation, memory, and any number of objects as parallel groups of ten.

The memory policy is DeAOT's: the long-term memory holds reference frames, and every `long_term_gap`-th predicted
frame; the short-term memory is the previous frame. `long_term_cap` bounds the former without ever dropping a
reference frame.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from .gpm import Memory, Seed
from .model import DeAOT, Features, one_hot, resize_labels

_MASKED = -1e10


@dataclass
class Group:
    """Memory of up to ten objects. `long` and `short` hold one entry per layer."""

    objects: int = 0
    frame: int = 0
    last_memorised: int = -1
    references: list[list[Memory]] = field(default_factory=list)
    predicted: list[list[Memory]] = field(default_factory=list)
    short: list[Memory] | None = None
    seeds: list[Seed] = field(default_factory=list)
    output: Tensor | None = None

    @property
    def long(self) -> list[Memory]:
        """All long-term frames, joined along the tokens, per layer."""
        frames = self.references + self.predicted
        joined = list(frames[0])
        for frame in frames[1:]:
            joined = [a.then(b) for a, b in zip(joined, frame)]
        return joined


class Engine:
    """Tracks objects through one video. Ids are 1, 2, ...; id i lives in group (i - 1) // 10."""

    def __init__(self, model: DeAOT, long_term_gap: int | None = None, long_term_cap: int | None = None) -> None:
        self.model = model
        self.gap = model.config.long_term_gap if long_term_gap is None else long_term_gap
        self.cap = long_term_cap
        self.groups: list[Group] = []
        self.features: Features | None = None
        self.input_size: tuple[int, int] | None = None

    @property
    def _per_group(self) -> int:
        return self.model.config.max_objects

    def _group_labels(self, labels: Tensor, group: int) -> Tensor:
        """Labels of one group as 1..10; the objects of other groups are background."""
        low = group * self._per_group
        inside = (labels > low) & (labels <= low + self._per_group)
        return torch.where(inside, labels - low, torch.zeros_like(labels))

    def _embed(self, labels: Tensor, group: int) -> Tensor:
        assert self.input_size is not None
        local = resize_labels(self._group_labels(labels, group), self.input_size)
        return self.model.id_embedding(one_hot(local, self._per_group + 1))

    @torch.no_grad()
    def encode(self, image: Tensor) -> None:
        self.input_size = (image.shape[-2], image.shape[-1])
        self.features = self.model.encode(image)

    @torch.no_grad()
    def add_reference(self, image: Tensor | None, labels: Tensor, objects: int) -> None:
        """A frame whose labels are given. image: [1, 3, H, W] or None for the current one; labels: [1, h, w] integer."""
        if image is not None:
            self.encode(image)
        features = self.features
        assert features is not None, "no frame has been encoded"
        while len(self.groups) < max(1, math.ceil(objects / self._per_group)):
            self.groups.append(Group())
        for g, group in enumerate(self.groups):
            group.objects = min(self._per_group, objects - g * self._per_group)
            group.output, group.seeds, memories = self.model.LSTT(features.tokens, features.size, self._embed(labels, g))
            group.references.append(memories)
            group.last_memorised = group.frame
            group.short = memories

    @torch.no_grad()
    def propagate(self, image: Tensor) -> None:
        """Match the next frame, [1, 3, H, W], with the memories. Writes no memory."""
        self.encode(image)
        for group in self.groups:
            group.frame += 1
            group.output, group.seeds, _ = self.model.LSTT(
                self.features.tokens, self.features.size, long=group.long, short=group.short
            )

    @torch.no_grad()
    def logits4x(self, group: int = 0) -> Tensor:
        """Logits of one group at a quarter of the resolution, [1, 11, h4, w4]; unused identities are masked out."""
        state = self.groups[group]
        logits = self.model.decode(state.output, self.features).float()
        logits[:, state.objects + 1 :] = _MASKED
        return logits

    @torch.no_grad()
    def decode(self, size: tuple[int, int]) -> Tensor:
        """Logits at `size`, [1, 1 + 10 E, *size]. With several groups: soft aggregation, then logit(p)."""
        align = self.model.config.align_corners
        maps = [F.interpolate(self.logits4x(g), size, mode="bilinear", align_corners=align) for g in range(len(self.groups))]
        if len(maps) == 1:
            return maps[0]
        probabilities = [m.softmax(1) for m in maps]
        background = torch.stack([p[:, 0] for p in probabilities]).prod(0)[:, None]
        return torch.cat([background] + [p[:, 1:] for p in probabilities], dim=1).clamp(1e-5, 1 - 1e-5).logit()

    @torch.no_grad()
    def update_memory(self, labels: Tensor) -> None:
        """Remember the current frame with these labels, [1, h, w] integer. Repeating it changes nothing."""
        for g, group in enumerate(self.groups):
            group.short = self.model.LSTT.memorise(group.seeds, self._embed(labels, g))
            if group.frame - group.last_memorised >= self.gap:
                group.predicted.append(group.short)
                group.last_memorised = group.frame
                if self.cap is not None and len(group.references) + len(group.predicted) > self.cap:
                    del group.predicted[0]

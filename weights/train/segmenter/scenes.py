"""Pictures with masks of things in them, drawn by the clip generator, and what to ask about: things, groups of things, parts.

A scene is one square window of the 512-pixel frame. Some windows have the zeros that fill a frame below or beside a picture.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass

import cv2
import numpy as np

from clips.generator import ClipGenerator, Materials
from clips.kinds import KindClips
from clips.motion import Rng

from .model import FRAME, STRIDE

#: Least pixels of a mask.
LEAST_PIXELS = 80
#: Share of scenes whose things have limbs or poles: few cut-outs leave much of their box empty.
BRANCHED = 0.2


@dataclass
class Scene:
    """image: uint8 [S, S, 3]; valid: rows and columns that are picture, the rest is filling; labels: uint8 [S, S], 0 is no object;
    origin: (x, y) of the window in the frame, in pixels."""

    image: np.ndarray
    valid: tuple[int, int]
    labels: np.ndarray
    origin: tuple[int, int]

    @property
    def objects(self) -> list[int]:
        counts = np.bincount(self.labels.ravel(), minlength=2)
        return [i for i in range(1, len(counts)) if counts[i] >= LEAST_PIXELS]


class SceneGenerator:
    """scene(rng): a composed picture of `side` x `side` pixels."""

    def __init__(self, materials: Materials, side: int) -> None:
        self.side = side
        materials = copy(materials)
        # Regions of one colour are mostly ground and sky: enough of them remain to learn that such things can be meant.
        materials.segments = [s for i, s in enumerate(materials.segments) if s["kind"] == "thing" or i % 3 == 0]
        materials.segments_of = {}
        for segment in materials.segments:
            materials.segments_of.setdefault(segment["photo"], []).append(segment)
        # The same pixels an object in every window: a small window shows a part of the frame.
        zoom = 1.5 * (FRAME * 288) / side**2
        self.clips = ClipGenerator(materials, side, side, 1, zoom)
        self.branched = [KindClips(materials, side, side, 1, zoom, kind=kind, start=6.0) for kind in ("unfold", "thin")]

    def scene(self, rng: Rng) -> Scene:
        side = self.side
        while True:
            clips = self.clips if rng.random() > BRANCHED else self.branched[int(rng.integers(len(self.branched)))]
            frames, labels = clips.clip(rng)
            image, labels = frames[0], labels[0].copy()
            origin = rng.integers(0, (FRAME - side) // STRIDE + 1, size=2) * STRIDE
            valid = [side, side]
            if rng.random() < 0.4:  # a wide or a tall picture
                axis = int(rng.random() < 0.25)
                valid[axis] = int(side * rng.uniform(0.5, 0.97))
                labels[valid[0] :], labels[:, valid[1] :] = 0, 0
            scene = Scene(image, (valid[0], valid[1]), labels, (int(origin[0]), int(origin[1])))
            if scene.objects:
                return scene


def touching(labels: np.ndarray, identity: int) -> list[int]:
    """Other objects within three pixels of an object."""
    near = cv2.dilate((labels == identity).astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    return [int(i) for i in np.unique(labels[near]) if i not in (0, identity)]


def part_of(rng: Rng, image: np.ndarray, mask: np.ndarray) -> np.ndarray | None:
    """A region of an object that has a colour of its own: two clusters of colour and place, the largest piece of one."""
    ys, xs = np.nonzero(mask)
    if len(ys) < 8 * LEAST_PIXELS:
        return None
    colour = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)[ys, xs].astype(np.float32)
    extent = np.sqrt(len(ys))
    place = np.stack([ys - ys.mean(), xs - xs.mean()], 1) * (30 / extent)
    samples = np.concatenate([colour, place], 1).astype(np.float32)
    chosen = rng.choice(len(ys), size=min(len(ys), 600), replace=False)
    clusters = int(rng.integers(2, 4))
    _, _, centres = cv2.kmeans(np.ascontiguousarray(samples[chosen]), clusters, None, (cv2.TERM_CRITERIA_MAX_ITER, 8, 1.0), 1, cv2.KMEANS_PP_CENTERS)
    nearest = ((samples[:, None] - centres[None]) ** 2).sum(-1).argmin(1)
    part = np.zeros(mask.shape, np.uint8)
    part[ys, xs] = nearest == int(rng.integers(clusters))
    part = cv2.morphologyEx(part, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    count, pieces, stats, _ = cv2.connectedComponentsWithStats(part)
    if count < 2:
        return None
    part = pieces == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    share = part.sum() / len(ys)
    return part if part.sum() >= LEAST_PIXELS and 0.1 < share < 0.85 else None


def draw_target(rng: Rng, scene: Scene) -> np.ndarray:
    """bool [S, S]: mostly a whole thing, sometimes with what touches it, sometimes a part."""
    objects = scene.objects
    extents = np.sqrt(np.bincount(scene.labels.ravel())[objects])
    identity = int(rng.choice(objects, p=extents / extents.sum()))
    mask = scene.labels == identity
    kind = rng.random()
    if kind < 0.15:
        others = touching(scene.labels, identity)
        if others:
            mask = mask | (scene.labels == int(rng.choice(others)))
    elif kind < 0.25:
        part = part_of(rng, scene.image, mask)
        if part is not None:
            mask = part
    return mask

"""Clips kept on disk with their labels: one `.npy` per clip, and an `index.json` beside them.

A clip file is uint8 [T, H, W, 4], RGB and label. The first frame's labels are complete and hold every object; in later frames
`IGNORED` marks pixels that must not be learned from.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import cv2
import numpy as np

from .motion import Rng
from .photometric import Look

#: The label of pixels without a trustworthy label.
IGNORED = 255


class StoredClips:
    """The clips of one folder. clip(rng, height, width, frames) -> frames uint8 [T, H, W, 3] RGB and labels uint8 [T, H, W]."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        index = self.folder / "index.json"
        if not index.is_file():
            raise FileNotFoundError(f"{index}: no such file; python -m clips.pseudo writes it")
        self.clips = json.loads(index.read_text())["clips"]
        if not self.clips:
            raise ValueError(f"{index} lists no clip")

    def require(self, frames: int) -> None:
        """ValueError where a clip has fewer frames than that."""
        for item in self.clips:
            if item["frames"] < frames:
                raise ValueError(f"{self.folder / item['file']} has {item['frames']} frames; {frames} are needed")

    def clip(self, rng: Rng, height: int, width: int, frames: int) -> tuple[np.ndarray, np.ndarray]:
        """A random clip from its first frame on, at an interval that fits, mirrored in half of the cases, seen by a camera of its own."""
        self.require(frames)
        item = self.clips[int(rng.integers(len(self.clips)))]
        stored = np.load(self.folder / item["file"], mmap_mode="r")
        step = int(rng.integers(1, (len(stored) - 1) // max(1, frames - 1) + 1))
        flip = -1 if rng.random() < 0.5 else 1
        look = Look(rng, height, width)
        pictures = np.empty((frames, height, width, 3), np.uint8)
        labels = np.empty((frames, height, width), np.uint8)
        for i, t in enumerate(range(0, frames * step, step)):
            rgb = cv2.resize(np.ascontiguousarray(stored[t, :, ::flip, :3]), (width, height), interpolation=cv2.INTER_AREA)
            pictures[i] = look.apply(rgb, float(i))
            labels[i] = cv2.resize(np.ascontiguousarray(stored[t, :, ::flip, 3]), (width, height), interpolation=cv2.INTER_NEAREST)
        return pictures, compact(labels)


def compact(labels: np.ndarray) -> np.ndarray:
    """Ids as 1, 2, ... in the order of those of the first frame; any other becomes background, `IGNORED` stays. [T, H, W]."""
    table = np.zeros(256, np.uint8)
    table[IGNORED] = IGNORED
    ids = [i for i in np.unique(labels[0]).tolist() if 0 < i < IGNORED]
    table[ids] = np.arange(1, len(ids) + 1)
    return table[labels]


class ClipWriter:
    """Adds clips to a folder. The index is replaced after each clip, so that a run may be stopped at any time and gone on with."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        index = self.folder / "index.json"
        self.items: list[dict] = json.loads(index.read_text())["clips"] if index.is_file() else []

    def add(self, frames: np.ndarray, labels: np.ndarray, **facts) -> None:
        """frames: uint8 [T, H, W, 3]; labels: uint8 [T, H, W]; facts: what the index says of the clip."""
        file = f"{len(self.items):05d}.npy"
        np.save(self.folder / file, np.concatenate([frames, labels[..., None]], axis=-1))
        self.items.append({"file": file, "frames": len(frames), **facts})
        temporary = self.folder / "index.json.tmp"
        temporary.write_text(json.dumps({"clips": self.items}, indent=1))
        os.replace(temporary, self.folder / "index.json")

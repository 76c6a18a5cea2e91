"""Clips from worker processes, as batches.

Workers draw into slots of one shared file, so no picture passes through a pipe, and a slot is read only between its
announcement and its release. A clip may serve several batches where the trainer is faster than the workers.
"""

from __future__ import annotations

import multiprocessing as mp
import queue
import shutil
import tempfile
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

from .generator import ClipGenerator, Materials
from .kinds import KindClips
from .motion import Rng
from .stored import StoredClips


class ClipShape(Protocol):
    """What a loader needs to know of one leg of a curriculum."""

    height: int
    width: int
    frames: int
    batch: int
    zoom: float


@dataclass(frozen=True)
class Mixture:
    """Stored clips among the drawn ones. folder: of `StoredClips`; share: of the clips; phase: the first leg that has them."""

    folder: Path
    share: float
    phase: int


@dataclass(frozen=True)
class Batch:
    """phase: the leg it was made for; frames: uint8 [B, T, H, W, 3]; labels: uint8 [B, T, H, W]; counts: objects of each clip, [B]."""

    phase: int
    frames: Tensor
    labels: Tensor
    counts: Tensor


def views(memory: np.ndarray, slot: int, shape: ClipShape) -> tuple[np.ndarray, np.ndarray]:
    """A slot as frames [T, H, W, 3] and labels [T, H, W]."""
    pixels = shape.frames * shape.height * shape.width
    grid = (shape.frames, shape.height, shape.width)
    return memory[slot, : 3 * pixels].reshape(*grid, 3), memory[slot, 3 * pixels : 4 * pixels].reshape(grid)


class Source:
    """clip(rng, phase): a clip drawn from the materials, in a share `kinds` of the cases one of a hard kind, or in `mixture.share` of the
    cases a stored one."""

    def __init__(self, materials: Path, curriculum: Sequence[ClipShape], mixture: Mixture | None = None, kinds: float = 0.0) -> None:
        self.pictures, self.curriculum, self.mixture, self.kinds = Materials(materials, validation=False), curriculum, mixture, kinds
        self.stored = None if mixture is None else StoredClips(mixture.folder)

    def clip(self, rng: Rng, phase: int) -> tuple[np.ndarray, np.ndarray]:
        p = self.curriculum[phase]
        if self.stored is not None and phase >= self.mixture.phase and rng.random() < self.mixture.share:
            return self.stored.clip(rng, p.height, p.width, p.frames)
        if self.kinds and rng.random() < self.kinds:
            return KindClips(self.pictures, p.height, p.width, p.frames, p.zoom).clip(rng)
        return ClipGenerator(self.pictures, p.height, p.width, p.frames, p.zoom).clip(rng)


def generate(worker: int, seed: int, start: int, materials: Path, curriculum: Sequence[ClipShape], phase: "mp.Value", file: str, size: tuple[int, int], free: "mp.Queue", ready: "mp.Queue", mixture: Mixture | None = None, kinds: float = 0.0) -> None:
    """Worker process: clips of the current phase, each from its own seed, for ever."""
    cv2.setNumThreads(1)
    source = Source(materials, curriculum, mixture, kinds)
    memory = np.memmap(file, np.uint8, "r+", shape=size)
    number = start
    while True:
        slot = free.get()
        current = phase.value
        clip = source.clip(np.random.default_rng((seed, worker, number)), current)
        for target, values in zip(views(memory, slot, curriculum[current]), clip):
            target[...] = values
        ready.put((current, slot))
        number += 1


def memory_folder(size: int) -> str | None:
    """A folder held in memory with ample room, where the system has one; None is the usual temporary one."""
    shared = Path("/dev/shm")
    return str(shared) if shared.is_dir() and shutil.disk_usage(shared).free > 2 * size else None


class Pool:
    """Which slots may be drawn, and how often each has been. A slot leaves after `uses` draws, or earlier, the most
    used first, when `room` slots would not be free otherwise: then the workers keep up and repetition is not needed."""

    def __init__(self, slots: int, uses: int, room: int) -> None:
        self.slots, self.uses, self.room = slots, uses, room
        self.drawn: dict[int, int] = {}

    def add(self, slot: int) -> None:
        self.drawn[slot] = 0

    def clear(self) -> list[int]:
        released, self.drawn = list(self.drawn), {}
        return released

    def draw(self, count: int, rng: np.random.Generator) -> list[int]:
        """Distinct slots, each equally likely."""
        chosen = [int(s) for s in rng.permutation(list(self.drawn))[:count]]
        for slot in chosen:
            self.drawn[slot] += 1
        return chosen

    def release(self) -> list[int]:
        """Slots that are done with."""
        done = [s for s, n in self.drawn.items() if n >= self.uses]
        spare = self.slots - len(self.drawn) + len(done)
        if spare < self.room:
            used = sorted((s for s, n in self.drawn.items() if 0 < n < self.uses), key=lambda s: -self.drawn[s])
            done += used[: self.room - spare]
        for slot in done:
            del self.drawn[slot]
        return done


class Loader:
    """`batch(phase)` gives the next batch; the one after it is put together meanwhile.

    uses: the most batches a clip may serve. A clip is mirrored in half of them.
    """

    def __init__(self, curriculum: Sequence[ClipShape], materials: Path, seed: int, start: int, workers: int, uses: int = 1, pin: bool = False, mixture: Mixture | None = None, kinds: float = 0.0) -> None:
        context = mp.get_context("spawn")
        self.curriculum, self.pin = curriculum, pin
        largest = max(p.batch for p in curriculum)
        slots = max(8, 2 * largest) if uses == 1 else max(12 * largest, 8 * workers)
        self.rng = np.random.default_rng((seed, start, 77))
        self.pool = Pool(slots, uses, min(slots // 4, 2 * workers))
        self.least = 1 if uses == 1 else 2
        self.phase = context.Value("i", 0)
        self.free, self.ready = context.Queue(), context.Queue()
        size = (slots, max(4 * p.frames * p.height * p.width for p in curriculum))
        self.folder = tempfile.TemporaryDirectory(prefix="clips-", dir=memory_folder(size[0] * size[1]))
        file = f"{self.folder.name}/slots"
        self.memory = np.memmap(file, np.uint8, "w+", shape=size)
        for slot in range(slots):
            self.free.put(slot)
        self.workers = [
            context.Process(target=generate, args=(w, seed, start, materials, curriculum, self.phase, file, size, self.free, self.ready, mixture, kinds), daemon=True)
            for w in range(workers)
        ]
        for worker in self.workers:
            worker.start()
        self.thread = ThreadPoolExecutor(1)
        self.next: Future[Batch] | None = None
        self.made = self.served = 0

    def batch(self, phase: int) -> Batch:
        """A batch of `phase`; right after a change of phase, one last batch of the phase before may come."""
        if self.next is None:
            self.next = self.thread.submit(self._assemble, phase)
        batch = self.next.result()
        self.next = self.thread.submit(self._assemble, phase)
        return batch

    def _receive(self, phase: int, block: bool) -> bool:
        try:
            made_for, slot = self.ready.get(timeout=5) if block else self.ready.get_nowait()
        except queue.Empty:
            if block and any(not w.is_alive() for w in self.workers):
                raise RuntimeError("a process that draws clips ended") from None
            return block
        if made_for == phase:
            self.pool.add(slot)
            self.made += 1
        else:
            self.free.put(slot)
        return True

    def _assemble(self, phase: int) -> Batch:
        if self.phase.value != phase:
            self.phase.value = phase
            for slot in self.pool.clear():
                self.free.put(slot)
        shape = self.curriculum[phase]
        while self._receive(phase, block=len(self.pool.drawn) < self.least * shape.batch):
            pass
        chosen = self.pool.draw(shape.batch, self.rng)
        clips = [views(self.memory, slot, shape) for slot in chosen]
        mirrored = self.rng.random(len(clips)) < 0.5 if self.pool.uses > 1 else np.zeros(len(clips), bool)
        frames = np.stack([f[:, :, ::-1] if m else f for (f, _), m in zip(clips, mirrored)])
        labels = np.stack([l[:, :, ::-1] if m else l for (_, l), m in zip(clips, mirrored)])
        for slot in self.pool.release():
            self.free.put(slot)
        self.served += len(clips)
        tensors = [torch.from_numpy(x) for x in (frames, labels)]
        if self.pin:
            tensors = [x.pin_memory() for x in tensors]
        return Batch(phase, *tensors, torch.from_numpy(labels[:, 0].reshape(len(clips), -1).max(1).astype(np.int64)))

    def close(self) -> None:
        for worker in self.workers:
            worker.terminate()
        for worker in self.workers:
            worker.join()
        self.thread.shutdown(wait=False, cancel_futures=True)
        self.folder.cleanup()

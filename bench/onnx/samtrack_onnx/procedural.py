"""Procedural weights: every value is a pure function of a seed, the tensor's name and the element's index.

For a flat C-order index i, in uint32 arithmetic:
    h = fnv1a32(utf8(name)) XOR seed
    x = murmur3_finaliser(h + i * 0x9E3779B9)
and in float64:
    value = float32(offset + 2 * scale * ((x + 0.5) / 2^32 - 0.5))

The same as `packages/models/src/checkpoint/procedural.ts`; both are tested against tests/recipes.json.
"""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

#: Elements at a time: float64 intermediates of a large tensor would not fit.
_BLOCK = 1 << 22


@dataclass(frozen=True)
class Spec:
    """One tensor: uniform in [offset - scale, offset + scale]."""

    name: str
    shape: tuple[int, ...]
    scale: float
    offset: float = 0.0


def fnv1a32(text: str) -> int:
    h = 0x811C9DC5
    for byte in text.encode():
        h = ((h ^ byte) * 0x01000193) & 0xFFFFFFFF
    return h


def values(spec: Spec, seed: int) -> np.ndarray:
    """The tensor's values, float32, in C order."""
    count = math.prod(spec.shape)
    out = np.empty(count, np.float32)
    h = np.uint32(fnv1a32(spec.name) ^ seed)
    for start in range(0, count, _BLOCK):
        end = min(count, start + _BLOCK)
        with np.errstate(over="ignore"):
            x = h + np.arange(start, end, dtype=np.uint32) * np.uint32(0x9E3779B9)
            x ^= x >> np.uint32(16)
            x *= np.uint32(0x85EBCA6B)
            x ^= x >> np.uint32(13)
            x *= np.uint32(0xC2B2AE35)
            x ^= x >> np.uint32(16)
        v = (x.astype(np.float64) + 0.5) * 2.0**-32 - 0.5
        out[start:end] = spec.offset + (2 * spec.scale) * v
    return out.reshape(spec.shape)


def digest(specs: Iterable[Spec], seed: int) -> str:
    """SHA-256 of a recipe, whatever the order of its tensors."""
    lines = sorted(
        f"{s.name} {','.join(map(str, s.shape))} {struct.pack('>d', s.scale).hex()} {struct.pack('>d', s.offset).hex()}"
        for s in specs
    )
    return hashlib.sha256("\n".join([f"seed {seed}", *lines]).encode()).hexdigest()

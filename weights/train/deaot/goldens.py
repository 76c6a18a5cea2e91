"""Procedural weights and the comparison against recorded taps of the published implementation.

A golden is NAME.manifest.json, which says how to rebuild every weight from a seed, and NAME.taps.safetensors, with
frames, labels and intermediate tensors. The generator is FNV-1a of the tensor's name followed by MurmurHash3's
finaliser per element, all in 32-bit arithmetic.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from .engine import Engine
from .model import DeAOT, IMAGE_MEAN, IMAGE_STD

GOLDEN_NAMES = ("deaot-t", "deaot-t-14obj", "deaot-s", "deaot-l")
FEATURE_TOLERANCE = 1e-7
LOGIT_TOLERANCE = 1e-6
LABEL_AGREEMENT = 0.999


def procedural_tensor(name: str, shape: list[int], seed: int, scale: float, offset: float) -> np.ndarray:
    """The tensor's values, float32, in C order."""
    h = 0x811C9DC5
    for byte in name.encode():
        h = ((h ^ byte) * 0x01000193) & 0xFFFFFFFF
    with np.errstate(over="ignore"):
        x = np.uint32(h ^ seed) + np.arange(int(np.prod(shape)), dtype=np.uint32) * np.uint32(0x9E3779B9)
        x ^= x >> np.uint32(16)
        x *= np.uint32(0x85EBCA6B)
        x ^= x >> np.uint32(13)
        x *= np.uint32(0xC2B2AE35)
        x ^= x >> np.uint32(16)
    v = (x.astype(np.float64) + 0.5) / 2.0**32 - 0.5
    return (offset + 2.0 * scale * v).astype(np.float32).reshape(shape)


def procedural_state_dict(manifest: dict) -> dict[str, Tensor]:
    """Every tensor of a manifest; an entry with `alias` shares the storage of another."""
    state: dict[str, Tensor] = {}
    for entry in manifest["tensors"]:
        if "alias" in entry:
            state[entry["name"]] = state[entry["alias"]]
        else:
            values = procedural_tensor(entry["name"], entry["shape"], manifest["seed"], entry["scale"], entry["offset"])
            state[entry["name"]] = torch.from_numpy(values)
    return state


def normalised_error(a: Tensor, b: Tensor) -> float:
    """sum((a - b)^2) / sum(b^2) in float64."""
    a, b = a.double().flatten(), b.double().flatten()
    return float(((a - b) ** 2).sum() / (b**2).sum())


def prepare(rgb: Tensor) -> Tensor:
    """uint8 [H, W, 3] -> normalised [1, 3, H, W]."""
    mean, std = torch.tensor(IMAGE_MEAN), torch.tensor(IMAGE_STD)
    return ((rgb.float() / 255.0 - mean) / std).permute(2, 0, 1)[None]


@dataclass
class Check:
    """One compared tap. `error` is a normalised squared error, or the share of wrong pixels for labels."""

    tap: str
    error: float
    tolerance: float

    @property
    def passed(self) -> bool:
        return self.error <= self.tolerance


def check_golden(folder: Path, name: str) -> list[Check]:
    """Rebuild the model, run the recorded frames, feed predictions back as memory, compare every tap."""
    manifest = json.loads((folder / f"{name}.manifest.json").read_text())
    taps = load_file(folder / f"{name}.taps.safetensors")
    model = DeAOT.named(manifest["model"]).eval()
    model.load_state_dict(procedural_state_dict(manifest), strict=True)
    engine = Engine(model, long_term_gap=2)
    checks: list[Check] = []

    def compare(tap: str, value: Tensor, tolerance: float) -> None:
        if value.numel() != taps[tap].numel():
            raise ValueError(f"{name}: {tap} has shape {list(taps[tap].shape)}, ours {list(value.shape)}")
        checks.append(Check(tap, normalised_error(value, taps[tap]), tolerance))

    labels = taps["mask0_u8"].long()[None]
    engine.add_reference(prepare(taps["frame0.rgb_u8"]), labels, int(labels.max()))
    f = engine.features
    projected = f.tokens.transpose(1, 2).unflatten(2, f.size)
    for i, value in enumerate((f.f4, f.f8, f.f16, projected)):
        compare(f"frame0.enc{i}", value, FEATURE_TOLERANCE)
    with torch.no_grad():
        compare("frame0.id_emb", engine._embed(labels, 0), FEATURE_TOLERANCE)
    for i, memory in enumerate(engine.groups[0].references[0]):
        for key, value in zip(("K", "V", "ID_V"), memory.astuple()):
            compare(f"frame0.long{i}.{key}", value, FEATURE_TOLERANCE)

    last_layer = model.config.layers - 1
    t = 1
    while f"frame{t}.rgb_u8" in taps:
        engine.propagate(prepare(taps[f"frame{t}.rgb_u8"]))
        compare(f"frame{t}.lstt{last_layer}", engine.groups[0].output, FEATURE_TOLERANCE)
        used = taps[f"frame{t}.logits4x"].shape[1]
        compare(f"frame{t}.logits4x", engine.logits4x(0)[:, :used], LOGIT_TOLERANCE)
        predicted = engine.decode(tuple(labels.shape[-2:])).argmax(1)
        wrong = (predicted[0] != taps[f"frame{t}.label_u8"].long()).double().mean()
        checks.append(Check(f"frame{t}.label_u8", float(wrong), 1 - LABEL_AGREEMENT))
        engine.update_memory(predicted)
        t += 1
    return checks

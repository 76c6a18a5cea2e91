"""The weights are those of the benchmarks: tests/recipes.json is tested in TypeScript, too (bench/test/external.test.ts)."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import pytest
import torch

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from samtrack_onnx.__main__ import MODELS, skeleton_of  # noqa: E402
from samtrack_onnx.procedural import Spec, values  # noqa: E402

FIXTURE = json.loads((HERE / "recipes.json").read_text())


@pytest.mark.parametrize("model", MODELS)
def test_recipe(model: str) -> None:
    with torch.device("meta"):
        assert skeleton_of(model).plan().sha256 == FIXTURE["recipes"][model]


@pytest.mark.parametrize("tensor", FIXTURE["tensors"], ids=lambda tensor: tensor["name"])
def test_values(tensor: dict) -> None:
    spec = Spec(tensor["name"], tuple(tensor["shape"]), tensor["scale"], tensor["offset"])
    made = values(spec, tensor["seed"])
    assert made.shape == spec.shape
    assert hashlib.sha256(made.astype("<f4").tobytes()).hexdigest() == tensor["sha256"]


def test_documented_values() -> None:
    made = values(Spec("a.weight", (3,), 1.0), 7)
    assert made.tolist() == [-0.20315958559513092, -0.024228237569332123, -0.5059523582458496]

"""Exporting, on a network of a few hundred weights."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from toy import Toy, toy_graph

from samtrack_onnx import graph as module
from samtrack_onnx.graph import WrongGraphError, export


def test_writes_a_graph_and_what_is_in_it(tmp_path: Path) -> None:
    path = export(toy_graph(), tmp_path)
    described = json.loads(path.with_suffix(".json").read_text())
    assert sorted(file.name for file in tmp_path.iterdir()) == ["toy@6x8.json", "toy@6x8.onnx"]
    assert list(described["files"]) == ["toy@6x8.onnx"]
    assert [(port["name"], port["type"], port["layout"]) for port in described["inputs"]] == [
        ("image", "float32", "NCHW"),
        ("rows", "float32", "rows"),
        ("selected", "int64", "rows"),
    ]
    assert [port["shape"] for port in described["outputs"]] == [[5, 4], [1, 8, 6, 8]]


def test_large_weights_stand_beside_the_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EMBEDDED_BYTES", 100)
    described = json.loads(export(toy_graph(), tmp_path).with_suffix(".json").read_text())
    assert set(described["files"]) == {"toy@6x8.onnx", "toy@6x8.onnx.data"}


def test_keeps_no_graph_that_computes_something_else(tmp_path: Path) -> None:
    class Forgetful(Toy):
        """Differs from run to run, and so from its graph."""

        runs = 0

        def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            Forgetful.runs += 1
            out, features = super().forward(*inputs)
            return out * float(Forgetful.runs), features

    with pytest.raises(WrongGraphError, match="toy@6x8: ONNX Runtime is off by"):
        export(replace(toy_graph(), module=Forgetful()), tmp_path)
    assert list(tmp_path.iterdir()) == []

"""A network that is ready to be exported, and its export."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from .recipes import Recipe

OPSET = 20
#: A protocol buffer of 2 GiB cannot be read back: above this, weights go to a file beside the graph.
EMBEDDED_BYTES = 1_800_000_000
#: Normalised squared error of the exported graph in ONNX Runtime against PyTorch; many layers of float32 follow each other.
LIMIT = 1e-7


@dataclass(frozen=True)
class Graph:
    """A module with its weights. Inputs and outputs of rank 4 are images [1, C, H, W]; all others are rows."""

    #: What it is in the benchmarks, NAME@SIZE.
    benchmark: str
    module: nn.Module
    #: By name, in the order of the module's parameters.
    inputs: Mapping[str, Tensor]
    #: Names of what the module returns.
    outputs: tuple[str, ...]
    recipe: Recipe
    #: Packages that the network comes from.
    packages: tuple[str, ...] = ()
    #: Beginnings of the keys that the benchmark's weights have and this graph does not need.
    omitted: tuple[str, ...] = field(default=())


class WrongGraphError(Exception):
    """The exported graph does not compute what PyTorch does."""


def export(graph: Graph, folder: Path, legacy: bool = False) -> Path:
    """Writes BENCHMARK.onnx, for large models BENCHMARK.onnx.data, and, once ONNX Runtime has run the graph and agrees,
    BENCHMARK.json, without which a graph is not used. Nothing is kept of a graph that is wrong."""
    folder.mkdir(parents=True, exist_ok=True)
    module = graph.module.eval()
    arguments = tuple(graph.inputs.values())
    with torch.no_grad():
        results = module(*arguments)
    expected = (results,) if isinstance(results, Tensor) else tuple(results)
    if len(expected) != len(graph.outputs):
        raise ValueError(f"{graph.benchmark} returns {len(expected)} tensors, {len(graph.outputs)} are named")

    target = folder / f"{graph.benchmark}.onnx"
    external = sum(p.numel() * p.element_size() for p in module.state_dict().values()) > EMBEDDED_BYTES
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        _write(module, arguments, graph, target, external, legacy)
    data = target.with_name(f"{target.name}.data")
    written = [path for path in (target, data) if path.exists()]
    try:
        error = _worst_error(target, graph, expected)
        if not error <= LIMIT:
            raise WrongGraphError(f"{graph.benchmark}: ONNX Runtime is off by {error:.1e} (normalised squared error)")
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        raise
    sidecar = {
        "schema": 1,
        "benchmark": graph.benchmark,
        "torch": torch.__version__.split("+")[0],
        "exporter": "torchscript" if legacy else "dynamo",
        "opset": OPSET,
        "packages": {name: version(name) for name in graph.packages},
        "error": error,
        "weights": {"seed": graph.recipe.seed, "sha256": graph.recipe.sha256, "omitted": list(graph.omitted)},
        "inputs": [_port(name, value) for name, value in graph.inputs.items()],
        "outputs": [_port(name, value) for name, value in zip(graph.outputs, expected)],
        "files": {path.name: _sha256(path) for path in written},
    }
    target.with_suffix(".json").write_text(json.dumps(sidecar, indent=1) + "\n")
    return target


def _write(module: nn.Module, arguments: tuple[Tensor, ...], graph: Graph, target: Path, external: bool, legacy: bool) -> None:
    data = target.with_name(f"{target.name}.data")
    for stale in (target, data, target.with_suffix(".json")):
        stale.unlink(missing_ok=True)
    names = {"input_names": list(graph.inputs), "output_names": list(graph.outputs), "opset_version": OPSET}
    with torch.no_grad():
        if legacy:
            torch.onnx.export(module, arguments, str(target), dynamo=False, **names)
        else:
            torch.onnx.export(module, arguments, str(target), dynamo=True, external_data=external, verbose=False, **names)
    _strip(target)
    if external and not data.exists():
        raise RuntimeError(f"PyTorch did not write {data.name}")


def _strip(path: Path) -> None:
    """Takes out where in which source file each node comes from, so that the same network gives the same file everywhere."""
    model = onnx.load(str(path), load_external_data=False)
    parts = [model, model.graph, *model.graph.node, *model.graph.initializer, *model.graph.value_info]
    parts += [*model.graph.input, *model.graph.output, *model.functions]
    for part in parts:
        part.doc_string = ""
        del part.metadata_props[:]
    path.write_bytes(model.SerializeToString())


def _port(name: str, value: Tensor) -> dict[str, object]:
    kind = {torch.float32: "float32", torch.int64: "int64"}[value.dtype]
    return {"name": name, "type": kind, "shape": list(value.shape), "layout": "NCHW" if value.dim() == 4 else "rows"}


def _worst_error(path: Path, graph: Graph, expected: tuple[Tensor, ...]) -> float:
    """Largest normalised squared error of the outputs in ONNX Runtime, sum((a - b)^2) / sum(b^2)."""
    import onnxruntime

    onnx.checker.check_model(str(path))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = os.cpu_count() or 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    feeds = {port.name: graph.inputs[port.name].numpy() for port in session.get_inputs()}
    if len(feeds) != len(graph.inputs):
        raise WrongGraphError(f"{graph.benchmark}: the exporter dropped {set(graph.inputs) - set(feeds)}")
    worst = 0.0
    for value, reference in zip(session.run(list(graph.outputs), feeds), expected):
        a, b = torch.from_numpy(value).double(), reference.double()
        if a.shape != b.shape:
            raise WrongGraphError(f"{graph.benchmark}: ONNX Runtime gives {list(a.shape)} instead of {list(b.shape)}")
        error = float(((a - b) ** 2).sum() / (b**2).sum())
        worst = error if not error <= worst else worst
    return worst


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

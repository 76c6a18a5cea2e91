"""A network of a few hundred weights, to test how graphs are exported and loaded.

    python tests/toy.py ../test/fixtures/onnx

writes the graph that the benchmarks' own tests load.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from samtrack_onnx import graph  # noqa: E402
from samtrack_onnx.graph import Graph, export  # noqa: E402
from samtrack_onnx.recipes import Skeleton, fill  # noqa: E402


class Toy(nn.Module):
    """Image [1, 3, H, W], rows [N, 4] and N positions -> features of these positions times the rows, and all features."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.linear = nn.Linear(8, 4)

    def forward(self, image: Tensor, rows: Tensor, selected: Tensor) -> tuple[Tensor, Tensor]:
        features = torch.relu(self.conv(image))
        tokens = features.flatten(2).transpose(1, 2)[0, selected]
        return self.linear(tokens) * rows, features


def toy_graph(name: str = "toy@6x8") -> Graph:
    skeleton = Skeleton(Toy(), "plain")
    recipe = fill(skeleton)
    generator = torch.Generator().manual_seed(1)
    inputs = {
        "image": torch.rand(1, 3, 6, 8, generator=generator),
        "rows": torch.rand(5, 4, generator=generator),
        "selected": torch.tensor([47, 0, 3, 17, 3]),
    }
    return Graph(name, skeleton.module, inputs, ("out", "map"), recipe)


if __name__ == "__main__":
    print(export(toy_graph(), Path(sys.argv[1])))
    # As if it were large: with its weights in a file of their own.
    graph.EMBEDDED_BYTES = 0
    print(export(toy_graph("toy-apart@6x8"), Path(sys.argv[1])))

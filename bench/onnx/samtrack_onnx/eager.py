"""python -m samtrack_onnx.eager --model NAME --size HxW

Runs a network of the benchmarks in PyTorch as often as each line of the standard input says, and answers a line when that is
done; the first answer comes after a first run. The benchmark's clock is the caller's."""

from __future__ import annotations

import argparse
import sys

import torch

from .__main__ import MODELS, graph_of, size_of


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m samtrack_onnx.eager")
    parser.add_argument("--model", required=True, choices=MODELS)
    parser.add_argument("--size", type=size_of)
    args = parser.parse_args()
    graph = graph_of(args.model, args.size)
    module = graph.module.eval()
    inputs = tuple(graph.inputs.values())
    with torch.inference_mode():
        module(*inputs)
        print("ready", flush=True)
        for line in sys.stdin:
            for _ in range(int(line)):
                module(*inputs)
            print("done", flush=True)


if __name__ == "__main__":
    main()

"""python -m samtrack_onnx --model NAME --size HxW --out FOLDER"""

from __future__ import annotations

import argparse
import re
import sys
import time
from pathlib import Path

#: Our own DeAOT in PyTorch.
TRAINING = Path(__file__).resolve().parents[3] / "weights" / "train"
sys.path.insert(0, str(TRAINING))

TRACKERS = ("deaot-t", "deaot-s", "deaot-b", "deaot-l", "r50-deaot-l", "swinb-deaot-l")
SAM_ENCODERS = ("sam-vit-b", "sam-vit-l", "sam-vit-h")
MODELS = (*TRACKERS, *SAM_ENCODERS, "sam-decoder", "grounding-dino-t")


def size_of(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if not match or min(int(side) for side in match.groups()) < 32:
        raise argparse.ArgumentTypeError(f"a size is HEIGHTxWIDTH of at least 32, not {text!r}")
    return int(match[1]), int(match[2])


def skeleton_of(model: str):
    """A model without its weights; imports only what that model needs."""
    if model in TRACKERS:
        from .tracker import skeleton

        return skeleton(model)
    if model in SAM_ENCODERS:
        from .sam import encoder_skeleton

        return encoder_skeleton(model)
    if model == "sam-decoder":
        from .sam import decoder_skeleton

        return decoder_skeleton()
    from .grounding_dino import skeleton as detector_skeleton

    return detector_skeleton()


def graph_of(model: str, size: tuple[int, int] | None):
    """A model with its weights, ready to be exported."""
    if model in TRACKERS:
        from .tracker import frame_graph

        return frame_graph(model, *(size or (480, 854)))
    if model in SAM_ENCODERS:
        from .sam import encoder_graph

        return encoder_graph(model)
    if model == "sam-decoder":
        from .sam import decoder_graph

        return decoder_graph(model)
    from .grounding_dino import image_graph

    return image_graph(model, *(size or (480, 640)))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m samtrack_onnx", description="Exports a network of the benchmarks to ONNX.")
    parser.add_argument("--model", required=True, choices=MODELS, action="append", help="may be repeated")
    parser.add_argument("--size", type=size_of, help="HxW of frames and images, as the benchmark has it; Segment Anything has its own")
    parser.add_argument("--out", required=True, type=Path, help="the folder for NAME@SIZE.onnx and NAME@SIZE.json")
    parser.add_argument("--legacy", action="store_true", help="the exporter by tracing (TorchScript) instead of torch.export")
    args = parser.parse_args()
    from .graph import WrongGraphError, export

    for model in args.model:
        start = time.perf_counter()
        graph = graph_of(model, args.size)
        try:
            path = export(graph, args.out, args.legacy)
        except WrongGraphError as error:
            print(error, file=sys.stderr)
            return 1
        print(f"{path} in {time.perf_counter() - start:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())

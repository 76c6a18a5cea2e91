"""DeAOT's frame: encoder, propagation over a memory of one frame, and decoder, with the memory as inputs. The network is the
one of `weights/train`; ResNet-50 and Swin-B, which that folder does not train, are here."""

from __future__ import annotations

from dataclasses import replace

import torch
from deaot import CONFIGS, DeAOT
from deaot.gpm import Memory
from torch import Tensor, nn

from .graph import Graph
from .recipes import Skeleton, Source, fill
from .resnet import ResNet50

#: Longest side that a frame is scaled to.
LONG_EDGE = 1040

#: Names of the inputs of a layer: long-term memory, then the frame before.
MEMORY = ("long_key", "long_value", "long_id_value", "short_key", "short_value", "short_id_value")


def network_size(height: int, width: int, align_corners: bool) -> tuple[int, int]:
    """What a frame is resized to: sides 16 n + 1 with aligned corners and 16 n without, halves to the even n."""
    scale = min(1.0, LONG_EDGE / max(height, width))

    def snap(side: int) -> int:
        scaled = int(side * scale)
        return max(1, round((scaled - 1) / 16)) * 16 + 1 if align_corners else max(1, round(scaled / 16)) * 16

    return snap(height), snap(width)


class Frame(nn.Module):
    """Image [1, 3, H, W] and, for each layer, `MEMORY` [1, T, 128 or 512] -> logits [1, 11, H / 4, W / 4]."""

    def __init__(self, model: DeAOT) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor, *memory: Tensor) -> Tensor:
        model = self.model
        features = model.encode(image)
        layers = [memory[i : i + len(MEMORY)] for i in range(0, len(memory), len(MEMORY))]
        output, _, _ = model.LSTT(
            features.tokens,
            features.size,
            long=[Memory(*layer[:3]) for layer in layers],
            short=[Memory(*layer[3:]) for layer in layers],
        )
        return model.decode(output, features)


def skeleton(name: str) -> Skeleton:
    """A published model."""
    if name == "swinb-deaot-l":
        from .swin import SwinEncoder, swin_source

        config = replace(CONFIGS["deaotl"], name="swinb_deaotl", id_kernel=16, id_padding=0, align_corners=False)
        def source(key: str) -> Source | None:
            if not key.startswith("encoder.swin."):
                return Source(key)
            origin = swin_source(key.removeprefix("encoder.swin."))
            return origin and Source(f"encoder.{origin.name}", origin.third)

        return Skeleton(DeAOT(config, SwinEncoder()), "deaot-swin-b", source)
    if name == "r50-deaot-l":
        return Skeleton(DeAOT(CONFIGS["deaotl"], ResNet50()), "deaot-resnet-50")
    return Skeleton(DeAOT(CONFIGS[name.replace("-", "")]), "deaot-mobilenet-v2")


def frame_graph(name: str, height: int, width: int) -> Graph:
    """The graph of a frame of this size."""
    parts = skeleton(name)
    recipe = fill(parts)
    model = parts.module
    config = model.config
    size = network_size(height, width, config.align_corners)
    tokens = (size[0] // 16 + config.align_corners) * (size[1] // 16 + config.align_corners)
    generator = torch.Generator().manual_seed(1)
    inputs = {"image": torch.rand(1, 3, *size, generator=generator) * 2 - 1}
    for layer in range(config.layers):
        for part in MEMORY:
            channels = config.key_width if part.endswith("key") else config.value_width
            inputs[f"{part}_{layer}"] = torch.rand(1, tokens, channels, generator=generator) * 2 - 1
    packages = ("transformers",) if name == "swinb-deaot-l" else ()
    return Graph(f"{name}@{height}x{width}", Frame(model), inputs, ("logits",), recipe, packages)

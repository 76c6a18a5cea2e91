"""The part of the encoder that never trains, with every frozen normalisation folded into its convolution."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from .mobilenetv2 import FrozenBatchNorm2d, MobileNetV2

#: Blocks of the encoder that never train: they keep ImageNet's correspondence, and the segmenter shares them.
FROZEN_BLOCKS = 14


def folded(conv: nn.Conv2d, norm: FrozenBatchNorm2d) -> nn.Conv2d:
    scale, shift = norm.scale_and_shift()
    out = nn.Conv2d(conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.padding, conv.dilation, conv.groups)
    out.weight.data = (conv.weight * scale[:, None, None, None]).detach().to(memory_format=torch.channels_last)
    out.bias.data = shift.detach().clone()
    return out


def fold(module: nn.Module) -> nn.Module:
    """A copy with every (convolution, frozen batch norm) pair of a sequence as one convolution."""
    module = copy.deepcopy(module)

    def visit(parent: nn.Module) -> None:
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Sequential):
                layers, merged = list(child), []
                for layer in layers:
                    if isinstance(layer, FrozenBatchNorm2d) and merged and isinstance(merged[-1], nn.Conv2d):
                        merged[-1] = folded(merged[-1], layer)
                    else:
                        merged.append(layer)
                setattr(parent, name, nn.Sequential(*merged))
            visit(getattr(parent, name))

    holder = nn.ModuleDict({"m": module})
    visit(holder)
    return holder["m"]


class FrozenTrunk:
    """Blocks 0 .. 13 of the encoder with batch norm folded, never trained: images -> (f4, f8, f16)."""

    def __init__(self, encoder: MobileNetV2) -> None:
        self.blocks = [fold(nn.Sequential(block))[0] for block in encoder.features[:FROZEN_BLOCKS]]
        self.taps = encoder.taps[:3]

    @torch.no_grad()
    def __call__(self, x: Tensor) -> list[Tensor]:
        maps = []
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i in self.taps:
                maps.append(x)
        return maps

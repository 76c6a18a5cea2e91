"""The FPN head: propagated tokens at 16x, refined with encoder features at 16x, 8x and 4x, to one logit per identity."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ConvGN(nn.Module):
    """Convolution with 'same' padding and GroupNorm(8)."""

    def __init__(self, c_in: int, c_out: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, kernel, padding=kernel // 2)
        self.gn = nn.GroupNorm(8, c_out)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        with torch.autocast(x.device.type, enabled=False):
            return self.gn(x.float()).to(x.dtype)


class FPNDecoder(nn.Module):
    """x: [B, 512, h, w] and features at 4x, 8x, 16x -> logits [B, classes, h4, w4]."""

    def __init__(self, in_channels: int, classes: int, encoder_channels: tuple[int, int, int], align_corners: bool, hidden: int = 256) -> None:
        super().__init__()
        c4, c8, c16 = encoder_channels
        self.align_corners = align_corners
        self.conv_in = ConvGN(in_channels, hidden, 1)
        self.conv_16x = ConvGN(hidden, hidden, 3)
        self.conv_8x = ConvGN(hidden, hidden // 2, 3)
        self.conv_4x = ConvGN(hidden // 2, hidden // 2, 3)
        self.adapter_16x = nn.Conv2d(c16, hidden, 1)
        self.adapter_8x = nn.Conv2d(c8, hidden, 1)
        self.adapter_4x = nn.Conv2d(c4, hidden // 2, 1)
        self.conv_out = nn.Conv2d(hidden // 2, classes, 1)

    def resize(self, x: Tensor, like: Tensor) -> Tensor:
        return F.interpolate(x, like.shape[-2:], mode="bilinear", align_corners=self.align_corners)

    def forward(self, x: Tensor, f4: Tensor, f8: Tensor, f16: Tensor) -> Tensor:
        x = F.relu(self.conv_in(x))
        x = F.relu(self.conv_16x(self.adapter_16x(f16) + x))
        x = self.resize(x, f8)
        x = F.relu(self.conv_8x(self.adapter_8x(f8) + x))
        x = self.resize(x, f4)
        x = F.relu(self.conv_4x(self.adapter_4x(f4) + x))
        return self.conv_out(x)

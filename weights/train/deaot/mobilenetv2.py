"""MobileNetV2 at output stride 16 (Sandler et al., CVPR 2018), exporting the 4x, 8x, 16x and last feature maps.

Modules are nested as in torchvision, so that state-dict keys are `features.{i}...`. Batch norm is frozen: its four
vectors are buffers, and it is an affine map per channel.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class FrozenBatchNorm2d(nn.Module):
    """y = (x - mean) / sqrt(var + eps) * weight + bias, with all four vectors as buffers. x: [B, C, h, w]."""

    eps = 1e-5

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.ones(channels))
        self.register_buffer("bias", torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def scale_and_shift(self) -> tuple[Tensor, Tensor]:
        """The affine map as (scale, shift), each [C]."""
        scale = self.weight * torch.rsqrt(self.running_var + self.eps)
        return scale, self.bias - self.running_mean * scale

    def set_identity(self, bias: Tensor | None = None) -> None:
        """Make this layer y = x + bias exactly, up to float rounding (the eps goes into the variance)."""
        self.weight.fill_(1.0)
        self.running_mean.zero_()
        self.running_var.fill_(1.0 - self.eps)
        self.bias.zero_() if bias is None else self.bias.copy_(bias)

    def forward(self, x: Tensor) -> Tensor:
        scale, shift = self.scale_and_shift()
        return x * scale.to(x.dtype)[:, None, None] + shift.to(x.dtype)[:, None, None]


class DilatedDepthwise(nn.Conv2d):
    """A dilated depth-wise convolution. While it trains on a CPU, each residue class of the grid is convolved without
    dilation: the same sums, an order of magnitude faster in the backward pass."""

    def forward(self, x: Tensor) -> Tensor:
        d = self.dilation[0]
        if x.device.type != "cpu":
            return super().forward(x.contiguous())  # the kernels that know dilation are made for planes
        if not self.training:
            return super().forward(x)
        batch, channels, h, w = x.shape
        rows, columns = -(-h // d), -(-w // d)
        with torch.autocast("cpu", enabled=False):
            padded = F.pad(x.float(), (0, columns * d - w, 0, rows * d - h))
            parts = padded.view(batch, channels, rows, d, columns, d).permute(3, 5, 0, 1, 2, 4).reshape(-1, channels, rows, columns)
            out = F.conv2d(parts, self.weight, None, 1, self.padding[0] // d, 1, self.groups)
            out = out.view(d, d, batch, channels, rows, columns).permute(2, 3, 4, 0, 5, 1)
            return out.reshape(batch, channels, rows * d, columns * d)[..., :h, :w].to(x.dtype)


def conv_bn_relu6(c_in: int, c_out: int, kernel: int, stride: int = 1, dilation: int = 1, groups: int = 1) -> nn.Sequential:
    """Bias-free convolution with 'same' padding, frozen batch norm, ReLU6."""
    padding = dilation * (kernel - 1) // 2
    kind = DilatedDepthwise if dilation > 1 else nn.Conv2d
    conv = kind(c_in, c_out, kernel, stride, padding, dilation, groups, bias=False)
    return nn.Sequential(conv, FrozenBatchNorm2d(c_out), nn.ReLU6())


class InvertedResidual(nn.Module):
    """Expand 1x1, depth-wise 3x3, project 1x1 without activation; residual where shapes allow."""

    def __init__(self, c_in: int, c_out: int, stride: int, dilation: int, expand: int) -> None:
        super().__init__()
        hidden = c_in * expand
        self.residual = stride == 1 and c_in == c_out
        layers: list[nn.Module] = [] if expand == 1 else [conv_bn_relu6(c_in, hidden, 1)]
        layers += [
            conv_bn_relu6(hidden, hidden, 3, stride, dilation, groups=hidden),
            nn.Conv2d(hidden, c_out, 1, bias=False),
            FrozenBatchNorm2d(c_out),
        ]
        self.conv = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.residual else self.conv(x)


#: (expand, output channels, repeats, stride of the first, dilation): the paper's table 2, with the last
#: down-sampling removed and the blocks after it dilated instead.
STAGES = (
    (1, 16, 1, 1, 1),
    (6, 24, 2, 2, 1),
    (6, 32, 3, 2, 1),
    (6, 64, 4, 2, 1),
    (6, 96, 3, 1, 1),
    (6, 160, 3, 1, 2),
    (6, 320, 1, 1, 2),
)


class MobileNetV2(nn.Module):
    """Image [B, 3, H, W] -> features of [24 at 4x, 32 at 8x, 96 at 16x, 1280 at 16x] channels."""

    channels = (24, 32, 96, 1280)
    #: index of the block whose output is exported, per feature
    taps = (3, 6, 13, 18)

    def __init__(self) -> None:
        super().__init__()
        blocks: list[nn.Module] = [conv_bn_relu6(3, 32, 3, stride=2)]
        c_in = 32
        for stage, (expand, c_out, repeats, stride, dilation) in enumerate(STAGES):
            for i in range(repeats):
                # The block that used to halve the resolution (the first of the 160 stage) keeps dilation 1.
                first_of_dilated = stage == 5 and i == 0
                blocks.append(InvertedResidual(c_in, c_out, stride if i == 0 else 1, 1 if first_of_dilated else dilation, expand))
                c_in = c_out
        blocks.append(conv_bn_relu6(c_in, 1280, 1))
        self.features = nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> list[Tensor]:
        exported = []
        for i, block in enumerate(self.features):
            x = block(x)
            if i in self.taps:
                exported.append(x)
        return exported

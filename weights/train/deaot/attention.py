"""Gated propagation (DeAOT, section 4.2): attention whose output is gated, filtered by a depth-wise convolution and
projected. Token tensors are [B, T, C] with T = h * w, row-major. The number of heads is one.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class DepthWiseConv(nn.Module):
    """5x5 depth-wise convolution over a token map, no bias. [B, T, C] -> [B, T, C]."""

    def __init__(self, channels: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 5, padding=2, groups=channels, bias=False)
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        batch, tokens, channels = x.shape
        grid = x.transpose(1, 2).reshape(batch, channels, *size)
        # Depth-wise convolutions are bound by memory, and float32 is their fastest type on a CPU.
        with torch.autocast(x.device.type, enabled=False):
            grid = self.conv(grid.float()) if x.device.type == "cpu" else self.conv(grid.to(self.conv.weight.dtype))
        return self.dropout(grid).flatten(2).transpose(1, 2)


def attend(logits: Tensor, value: Tensor) -> Tensor:
    """softmax(logits) @ value, the softmax in float32. logits: [B, T, N], value: [B, N, C] -> [B, T, C]."""
    return torch.matmul(torch.softmax(logits.float(), dim=-1).to(value.dtype), value)


class GatedPropagation(nn.Module):
    """Attention over all memory tokens: O = softmax(Q K^T / sqrt(d)) V, gated, filtered, projected.

    With `projections=True` it makes its own query, key, value and gate from a [B, T, 512] input, as DeAOT's
    self-attention does: one joint query/key (q = k), and a value and a gate per stream.
    """

    def __init__(self, width: int, key_width: int, value_width: int, projections: bool, dropout: float) -> None:
        super().__init__()
        self.scale = 1.0 / math.sqrt(key_width)
        self.width = width
        if projections:
            self.linear_QK = nn.Linear(2 * width, key_width)
            self.linear_V1 = nn.Linear(width, value_width)
            self.linear_V2 = nn.Linear(width, value_width)
            self.linear_U1 = nn.Linear(width, value_width)
            self.linear_U2 = nn.Linear(width, value_width)
        self.dw_conv = DepthWiseConv(2 * value_width, dropout)
        self.projection = nn.Linear(2 * value_width, 2 * width)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, gate: Tensor, size: tuple[int, int]) -> Tensor:
        """query: [B, T, 128], key: [B, N, 128], value: [B, N, 1024], gate: [B, T, 1024] -> [B, T, 512]."""
        logits = torch.matmul(query * self.scale, key.transpose(1, 2))
        return self.projection(self.dw_conv(attend(logits, value) * gate, size))

    def self_attention(self, z: Tensor, size: tuple[int, int]) -> Tensor:
        """z: [B, T, 512], visual stream first, then the ID stream -> [B, T, 512]."""
        visual, identity = z[..., : self.width], z[..., self.width :]
        key = self.linear_QK(z)
        value = F.silu(torch.cat([self.linear_V1(visual), self.linear_V2(identity)], dim=-1))
        gate = F.silu(torch.cat([self.linear_U1(visual), self.linear_U2(identity)], dim=-1))
        return self.forward(key, key, value, gate, size)


class WindowIndex:
    """For a token grid, the offset index of every (query, key) pair and which pairs lie inside the window.

    `offset`: [T, T] int64, (dy + r) * (2r + 1) + (dx + r), clamped where outside; `outside`: [T, T] bool.
    """

    _cache: dict[tuple[int, int, int, str], "WindowIndex"] = {}

    def __init__(self, size: tuple[int, int], radius: int, device: torch.device) -> None:
        y, x = torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij")
        y, x = y.flatten(), x.flatten()
        dy, dx = y[None, :] - y[:, None], x[None, :] - x[:, None]
        self.outside = ((dy.abs() > radius) | (dx.abs() > radius)).to(device)
        self.offset = ((dy.clamp(-radius, radius) + radius) * (2 * radius + 1) + dx.clamp(-radius, radius) + radius).to(device)

    @classmethod
    def of(cls, size: tuple[int, int], radius: int, device: torch.device) -> "WindowIndex":
        key = (*size, radius, str(device))
        if key not in cls._cache:
            if len(cls._cache) >= 8:
                cls._cache.clear()
            cls._cache[key] = cls(size, radius, device)
        return cls._cache[key]


class LocalGatedPropagation(nn.Module):
    """Attention over the 15 x 15 neighbourhood in the previous frame, with a learned relative position term.

    logit(p, p + delta) = Q_p . K_{p+delta} / sqrt(d) + R_p[delta], R = relative_emb_k(Q) on the unscaled query;
    positions outside the map take no part. Written densely: [T, T] logits with everything outside the window masked.
    """

    def __init__(self, width: int, key_width: int, value_width: int, window: int, dropout: float) -> None:
        super().__init__()
        self.scale = 1.0 / math.sqrt(key_width)
        self.window = window
        self.relative_emb_k = nn.Conv2d(key_width, (2 * window + 1) ** 2, 1)
        self.dw_conv = DepthWiseConv(2 * value_width, dropout)
        self.projection = nn.Linear(2 * value_width, 2 * width)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, gate: Tensor, size: tuple[int, int]) -> Tensor:
        """query, key: [B, T, 128], value, gate: [B, T, 1024] -> [B, T, 512]."""
        logits = self.logits(query, key, size)
        return self.projection(self.dw_conv(attend(logits, value) * gate, size))

    def logits(self, query: Tensor, key: Tensor, size: tuple[int, int]) -> Tensor:
        """Window logits as a dense [B, T, T] tensor, -1e8 outside the window."""
        index = WindowIndex.of(size, self.window, query.device)
        relative = F.linear(query, self.relative_emb_k.weight.flatten(1), self.relative_emb_k.bias)
        # In float32: the backward pass adds many entries up in one place.
        relative = relative.float().gather(2, index.offset.expand(query.shape[0], -1, -1))
        logits = torch.matmul(query * self.scale, key.transpose(1, 2)) + relative
        return logits.float().masked_fill(index.outside, -1e8)

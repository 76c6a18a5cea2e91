"""The gated propagation module and the stack of them (DeAOT, section 4.3): a visual and an ID stream of tokens that
share one attention map per memory."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .attention import GatedPropagation, LocalGatedPropagation
from .config import DeAOTConfig


@dataclass
class Memory:
    """What one layer remembers of one or more frames. key: [B, N, 128], value: [B, N, 512], id_value: [B, N, 512]."""

    key: Tensor
    value: Tensor
    id_value: Tensor

    @property
    def values(self) -> Tensor:
        """Visual and ID values side by side: [B, N, 1024]."""
        return torch.cat([self.value, self.id_value], dim=-1)

    def then(self, other: "Memory") -> "Memory":
        """This memory followed by another, along the tokens (softmax attention does not see the order)."""
        return Memory(*(torch.cat([a, b], dim=1) for a, b in zip(self.astuple(), other.astuple())))

    def astuple(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.key, self.value, self.id_value


@dataclass
class Seed:
    """What one layer keeps of the current frame until its labels are known. identity: normed ID stream or None."""

    key: Tensor
    value: Tensor
    identity: Tensor | None


class DropPath(nn.Module):
    """Stochastic depth (Huang et al., 2016) per clip, active in training only."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0.0:
            return x
        keep = 1.0 - self.rate
        return x * x.new_empty(x.shape[0], 1, 1).bernoulli_(keep).div_(keep)


class GatedPropagationModule(nn.Module):
    """One layer. The first one has no ID stream to read, so its ID half is gated by ones."""

    def __init__(self, config: DeAOTConfig, first: bool, drop_path: float = 0.0, dropout: float = 0.0) -> None:
        super().__init__()
        width, key_width, value_width = config.width, config.key_width, config.value_width
        self.first = first
        self.key_width = key_width
        self.norm1 = nn.LayerNorm(width)
        self.linear_QV = nn.Linear(width, key_width + value_width)
        self.linear_U = nn.Linear(width, value_width)
        self.linear_ID_V = nn.Linear(width if first else 2 * width, value_width)
        if not first:
            self.id_norm1 = nn.LayerNorm(width)
            self.linear_ID_U = nn.Linear(width, value_width)
        self.long_term_attn = GatedPropagation(width, key_width, value_width, projections=False, dropout=dropout)
        self.short_term_attn = LocalGatedPropagation(width, key_width, value_width, config.window, dropout)
        self.norm2 = nn.LayerNorm(width)
        self.id_norm2 = nn.LayerNorm(width)
        self.self_attn = GatedPropagation(width, key_width, value_width, projections=True, dropout=dropout)
        self.drop_path = DropPath(drop_path)

    def project(self, visual: Tensor, identity: Tensor) -> tuple[Seed, Tensor]:
        """Seed (key, value, normed ID stream) and gate [B, T, 1024] of the current frame."""
        x = self.norm1(visual)
        key, value = self.linear_QV(x).split([self.key_width, self.linear_QV.out_features - self.key_width], dim=-1)
        gate = self.linear_U(x)
        if self.first:
            gated = torch.cat([F.silu(gate), torch.ones_like(gate)], dim=-1)
            return Seed(key, F.silu(value), None), gated
        e = self.id_norm1(identity)
        return Seed(key, F.silu(value), e), F.silu(torch.cat([gate, self.linear_ID_U(e)], dim=-1))

    def memorise(self, seed: Seed, id_embedding: Tensor) -> Memory:
        """Memory of a frame from its seed and the embedding of its labels, [B, T, 256]."""
        x = id_embedding if seed.identity is None else torch.cat([seed.identity, id_embedding], dim=-1)
        return Memory(seed.key, seed.value, F.silu(self.linear_ID_V(x)))

    def propagate(
        self, visual: Tensor, identity: Tensor, seed: Seed, gate: Tensor, long: Memory, short: Memory, size: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """Both streams, [B, T, 256] each, after the long-term, short-term and self attention."""
        width = visual.shape[-1]
        y = self.long_term_attn(seed.key, long.key, long.values, gate, size)
        y = self.drop_path(y + self.short_term_attn(seed.key, short.key, short.values, gate, size))
        visual, identity = visual + y[..., :width], identity + y[..., width:]
        z = torch.cat([self.norm2(visual), self.id_norm2(identity)], dim=-1)
        s = self.drop_path(self.self_attn.self_attention(z, size))
        return visual + s[..., :width], identity + s[..., width:]


class TokenGroupNorm(nn.Module):
    """GroupNorm(2) over tokens: one group is the visual stream, the other the ID stream. [B, T, 512] -> same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gn = nn.GroupNorm(2, channels)

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return self.gn(x.float().transpose(1, 2)).transpose(1, 2)


class PropagationStack(nn.Module):
    """All layers and the final norm. Named after the state dict's `LSTT` (long short-term transformer)."""

    def __init__(self, config: DeAOTConfig, drop_path: float = 0.0, dropout: float = 0.0) -> None:
        super().__init__()
        rates = [drop_path * i / max(1, config.layers - 1) for i in range(config.layers)] if config.layers > 1 else [0.0]
        self.layers = nn.ModuleList(GatedPropagationModule(config, i == 0, rates[i], dropout) for i in range(config.layers))
        self.decoder_norms = nn.ModuleList([TokenGroupNorm(2 * config.width)])

    def forward(
        self,
        tokens: Tensor,
        size: tuple[int, int],
        id_embedding: Tensor | None = None,
        long: list[Memory] | None = None,
        short: list[Memory] | None = None,
    ) -> tuple[Tensor, list[Seed], list[Memory]]:
        """Propagate one frame.

        tokens: [B, T, 256]. With `id_embedding` [B, T, 256] the frame matches itself (a reference frame), otherwise
        `long` and `short` hold a memory per layer. Returns the normed output [B, T, 512], the seeds, and the
        memories of this frame (empty unless it is a reference).
        """
        visual, identity = tokens, torch.zeros_like(tokens)
        seeds, memories = [], []
        for i, layer in enumerate(self.layers):
            seed, gate = layer.project(visual, identity)
            if id_embedding is not None:
                memories.append(layer.memorise(seed, id_embedding))
                long_memory = short_memory = memories[-1]
            else:
                assert long is not None and short is not None
                long_memory, short_memory = long[i], short[i]
            visual, identity = layer.propagate(visual, identity, seed, gate, long_memory, short_memory, size)
            seeds.append(seed)
        return self.decoder_norms[0](torch.cat([visual, identity], dim=-1)), seeds, memories

    def memorise(self, seeds: list[Seed], id_embedding: Tensor) -> list[Memory]:
        """Memories of a propagated frame, once its labels are known."""
        return [layer.memorise(seed, id_embedding) for layer, seed in zip(self.layers, seeds)]

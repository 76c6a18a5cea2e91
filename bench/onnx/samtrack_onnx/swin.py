"""Swin transformers of Hugging Face transformers (Apache-2.0) under the keys of the original repositories."""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from transformers import SwinBackbone, SwinConfig

from .recipes import Source

_THIRDS = {"q": 0, "k": 1, "v": 2}

_RENAMES = (
    (".attention.o_proj.", ".attn.proj."),
    (".attention.relative_position_bias.", ".attn."),
    (".layernorm_before.", ".norm1."),
    (".layernorm_after.", ".norm2."),
    ("embeddings.patch_embeddings.projection.", "patch_embed.proj."),
    ("embeddings.norm.", "patch_embed.norm."),
)


def swin_config(embed: int, depths: Sequence[int], heads: Sequence[int], exported: Sequence[int]) -> SwinConfig:
    """A Swin with windows of 7 x 7 tokens that gives the normalised outputs of the stages `exported`, counted from 0."""
    return SwinConfig(
        embed_dim=embed,
        depths=list(depths),
        num_heads=list(heads),
        window_size=7,
        out_features=[f"stage{i + 1}" for i in exported],
        attn_implementation="eager",
    )


def swin_source(key: str) -> Source | None:
    """Where a tensor of `SwinBackbone` (transformers 5) stands in the original state dict."""
    if key.startswith("swin.layernorm."):
        return None  # of the classifier
    if match := re.match(r"hidden_states_norms\.stage(\d)\.(.*)", key):
        return Source(f"norm{int(match[1]) - 1}.{match[2]}")
    key = key.removeprefix("swin.").removeprefix("encoder.")
    if match := re.match(r"(.*)\.attention\.([qkv])_proj\.(.*)", key):
        return Source(f"{match[1]}.attn.qkv.{match[3]}", _THIRDS[match[2]])
    for theirs, official in _RENAMES:
        key = key.replace(theirs, official)
    return Source(key)


class SwinEncoder(nn.Module):
    """Swin-B without its last stage, as in SwinB-DeAOT: image [B, 3, H, W] -> maps at 4x, 8x, 16x, and the last again."""

    channels = (128, 256, 512, 512)

    def __init__(self) -> None:
        super().__init__()
        self.swin = SwinBackbone(swin_config(128, (2, 2, 18), (4, 8, 16), (0, 1, 2)))

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = self.swin(x).feature_maps
        return [*maps, maps[-1]]

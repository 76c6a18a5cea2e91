"""DeAOT: encoder, projector, identity bank, propagation stack and decoder, with the official state-dict keys."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .config import CONFIGS, DeAOTConfig
from .decoder import FPNDecoder
from .gpm import PropagationStack
from .mobilenetv2 import MobileNetV2

IMAGE_MEAN = (0.485, 0.456, 0.406)
IMAGE_STD = (0.229, 0.224, 0.225)


@dataclass
class Features:
    """Encoder maps of one batch of frames. tokens: [B, T, 256] after the projector."""

    f4: Tensor
    f8: Tensor
    f16: Tensor
    tokens: Tensor

    @property
    def size(self) -> tuple[int, int]:
        """Token grid (h, w)."""
        return self.f16.shape[-2], self.f16.shape[-1]

    def __getitem__(self, index: slice | Tensor) -> "Features":
        return Features(self.f4[index], self.f8[index], self.f16[index], self.tokens[index])


class DeAOT(nn.Module):
    """The network without its memory policy, which is in `engine.py`.

    `encoder` is any module that maps [B, 3, H, W] to four maps (4x, 8x, 16x, 16x) and has their `channels`.
    """

    def __init__(self, config: DeAOTConfig, encoder: nn.Module | None = None, drop_path: float = 0.0, dropout: float = 0.0) -> None:
        super().__init__()
        self.config = config
        self.encoder = MobileNetV2() if encoder is None else encoder
        c4, c8, c16, c_last = self.encoder.channels
        classes = config.max_objects + 1
        self.encoder_projector = nn.Conv2d(c_last, config.width, 1)
        self.LSTT = PropagationStack(config, drop_path, dropout)
        self.decoder = FPNDecoder(2 * config.width, classes, (c4, c8, c16), config.align_corners)
        self.patch_wise_id_bank = nn.Conv2d(classes, config.width, config.id_kernel, config.id_stride, config.id_padding)
        self.id_norm = nn.LayerNorm(config.width)

    @classmethod
    def named(cls, name: str, **options) -> "DeAOT":
        """A variant by its name: deaott, deaots, deaotb or deaotl."""
        return cls(CONFIGS[name], **options)

    def encode(self, image: Tensor) -> Features:
        """Normalised RGB [B, 3, H, W], sides 16 k + 1 -> features."""
        f4, f8, f16, last = self.encoder(image)
        return Features(f4, f8, f16, self.encoder_projector(last).flatten(2).transpose(1, 2))

    def id_embedding(self, masks: Tensor) -> Tensor:
        """Identity masks, one-hot or soft, [B, 11, H, W], background first -> [B, T, 256]."""
        x = self.patch_wise_id_bank(masks)
        return self.id_norm(x.flatten(2).transpose(1, 2))

    def decode(self, output: Tensor, features: Features) -> Tensor:
        """Propagated tokens [B, T, 512] -> logits [B, 11, h4, w4]."""
        grid = output.transpose(1, 2).unflatten(2, features.size)
        return self.decoder(grid, features.f4, features.f8, features.f16)


def one_hot(labels: Tensor, classes: int) -> Tensor:
    """Labels [B, H, W] of any integer type -> float [B, classes, H, W]; labels >= classes give all-zero columns."""
    ids = torch.arange(classes, device=labels.device, dtype=labels.dtype)
    return (labels[:, None] == ids[None, :, None, None]).float()


def resize_labels(labels: Tensor, size: tuple[int, int]) -> Tensor:
    """Nearest, source = floor(target * in / out). labels: [B, H, W]."""
    if tuple(labels.shape[-2:]) == tuple(size):
        return labels
    return F.interpolate(labels[:, None].float(), size, mode="nearest")[:, 0].to(labels.dtype)

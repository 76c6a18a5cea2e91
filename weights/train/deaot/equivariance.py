"""Keeps a network equivariant to a permutation of its ten object channels while it trains.

A permutation of the objects permutes the identity channels (`ClassLayout`), and a tracker should give the permuted
answer. The equivariant weights are a linear subspace; projecting every gradient onto it, from an equivariant start,
keeps AdamW inside (its update is element-wise, and equal on equal entries). Every clip then trains all ten object
channels at once, whatever ids it uses.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .model import DeAOT


@dataclass(frozen=True)
class ClassLayout:
    """How one axis of a weight is divided among the 11 classes.

    `index[c, s]` is the channel of class c's s-th number; `rest` lists channels that belong to no class.
    """

    size: int
    index: Tensor
    rest: Tensor

    @classmethod
    def plain(cls, size: int, classes: int) -> "ClassLayout":
        """Equal runs of channels, class by class."""
        each = size // classes
        return cls(size, torch.arange(each * classes).view(classes, each), torch.arange(each * classes, size))

    @classmethod
    def grouped(cls, size: int, groups: int, classes: int) -> "ClassLayout":
        """Every normalisation group holds the same share of every class, and the rest."""
        width = size // groups
        each = width // classes
        start = torch.arange(groups)[None, :, None] * width
        offset = torch.arange(classes)[:, None, None] * each + torch.arange(each)[None, None, :]
        index = (start + offset).reshape(classes, groups * each)
        used = torch.zeros(size, dtype=torch.bool)
        used[index.flatten()] = True
        return cls(size, index, torch.nonzero(~used).flatten())

    @classmethod
    def none(cls, size: int) -> "ClassLayout":
        return cls(size, torch.empty(0, 0, dtype=torch.long), torch.arange(size))

    def to(self, device: torch.device) -> "ClassLayout":
        return ClassLayout(self.size, self.index.to(device), self.rest.to(device))

    def after(self, first: int) -> "ClassLayout":
        """This layout on an axis that has `first` unclassed channels in front."""
        rest = torch.cat([torch.arange(first), self.rest + first])
        return ClassLayout(first + self.size, self.index + first, rest)


@dataclass(frozen=True)
class Layouts:
    """The axes of the identity path."""

    stream: ClassLayout
    """ID stream, 256: 11 x 23, the first 16 numbers of a class are its sub-cells."""
    value: ClassLayout
    """ID values and gates, 512: 11 x 46, number s of the stream as the pair 2 s, 2 s + 1."""
    wide: ClassLayout
    """Decoder maps of 256 channels in 8 groups: 11 x 16."""
    narrow: ClassLayout
    """Decoder maps of 128 channels in 8 groups: 11 x 8."""
    out: ClassLayout
    """Logits, or the input of the identity bank: 11 x 1."""

    @classmethod
    def of(cls, model: DeAOT) -> "Layouts":
        config, classes = model.config, model.config.max_objects + 1
        return cls(
            ClassLayout.plain(config.width, classes),
            ClassLayout.plain(config.value_width, classes),
            ClassLayout.grouped(256, 8, classes),
            ClassLayout.grouped(128, 8, classes),
            ClassLayout.plain(classes, classes),
        )


def symmetrise_vector(x: Tensor, layout: ClassLayout, keep_variance: bool = False) -> Tensor:
    """Average over object permutations along axis 0; class 0, the background, stands alone.

    `keep_variance` scales every average so that independent noise keeps its variance.
    """
    if layout.index.numel() == 0:
        return x
    objects = layout.index[1:]
    out = x.clone()
    gain = len(objects) ** 0.5 if keep_variance else 1.0
    out[objects] = (gain * x[objects].mean(dim=0, keepdim=True)).expand_as(x[objects])
    return out


def symmetrise_matrix(x: Tensor, rows: ClassLayout, columns: ClassLayout, keep_variance: bool = False) -> Tensor:
    """The same for two axes that the permutation acts on together: [rows, columns, ...].

    Object-to-object blocks fall into two orbits, the same object and two different ones.
    """
    if rows.index.numel() == 0:
        return symmetrise_vector(x.transpose(0, 1), columns, keep_variance).transpose(0, 1)
    if columns.index.numel() == 0:
        return symmetrise_vector(x, rows, keep_variance)
    r, c = rows.index[1:], columns.index[1:]
    n = len(r)
    gain = n**0.5 if keep_variance else 1.0
    gain_different = (n * (n - 1)) ** 0.5 if keep_variance else 1.0
    fixed_rows = torch.cat([rows.index[0], rows.rest])
    fixed_columns = torch.cat([columns.index[0], columns.rest])
    out = x.clone()
    block = x[r[:, :, None, None], c[None, None, :, :]]  # [n, s, n, t, ...]
    block = block.movedim(2, 1)  # [n, n, s, t, ...]
    total = block.sum(dim=(0, 1))
    same = block.diagonal(dim1=0, dim2=1).sum(-1)
    different = gain_different * (total - same) / (n * (n - 1))
    result = different.expand_as(block).clone()
    result[torch.arange(n), torch.arange(n)] = gain * same / n
    out[r[:, :, None, None], c[None, None, :, :]] = result.movedim(1, 2)
    part = x[r[:, :, None], fixed_columns[None, None, :]]
    out[r[:, :, None], fixed_columns[None, None, :]] = (gain * part.mean(0, keepdim=True)).expand_as(part)
    part = x[fixed_rows[:, None, None], c[None, :, :]]
    out[fixed_rows[:, None, None], c[None, :, :]] = (gain * part.mean(1, keepdim=True)).expand_as(part)
    return out


class Equivariance:
    """Knows the layout of both axes of every parameter on the identity path of a one-layer network."""

    def __init__(self, model: DeAOT) -> None:
        if model.config.layers != 1:
            raise ValueError("only the one-layer variant has been laid out")
        layouts, config, device = Layouts.of(model), model.config, model.id_norm.weight.device
        none = ClassLayout.none
        both_stream = layouts.stream.after(config.width)
        both_value = layouts.value.after(config.value_width)
        self.matrices: list[tuple[nn.Parameter, ClassLayout, ClassLayout]] = []
        self.vectors: list[tuple[nn.Parameter, ClassLayout]] = []
        layer, decoder = model.LSTT.layers[0], model.decoder

        def affine(module: nn.Module, rows: ClassLayout, columns: ClassLayout | None) -> None:
            if columns is None:
                self.vectors.append((module.weight, rows.to(device)))
            else:
                self.matrices.append((module.weight, rows.to(device), columns.to(device)))
            if getattr(module, "bias", None) is not None:
                self.vectors.append((module.bias, rows.to(device)))

        affine(model.patch_wise_id_bank, layouts.stream, layouts.out)
        affine(model.id_norm, layouts.stream, None)
        affine(layer.linear_ID_V, layouts.value, layouts.stream)
        for attention in (layer.long_term_attn, layer.short_term_attn, layer.self_attn):
            affine(attention.dw_conv.conv, both_value, None)
            affine(attention.projection, both_stream, both_value)
        affine(layer.id_norm2, layouts.stream, None)
        affine(layer.self_attn.linear_QK, none(config.key_width), both_stream)
        affine(layer.self_attn.linear_V2, layouts.value, layouts.stream)
        affine(layer.self_attn.linear_U2, layouts.value, layouts.stream)
        affine(model.LSTT.decoder_norms[0].gn, both_stream, None)
        affine(decoder.conv_in.conv, layouts.wide, both_stream)
        affine(decoder.conv_in.gn, layouts.wide, None)
        affine(decoder.conv_16x.conv, layouts.wide, layouts.wide)
        affine(decoder.conv_16x.gn, layouts.wide, None)
        affine(decoder.conv_8x.conv, layouts.narrow, layouts.wide)
        affine(decoder.conv_8x.gn, layouts.narrow, None)
        affine(decoder.conv_4x.conv, layouts.narrow, layouts.narrow)
        affine(decoder.conv_4x.gn, layouts.narrow, None)
        affine(decoder.adapter_16x, layouts.wide, none(decoder.adapter_16x.in_channels))
        affine(decoder.adapter_8x, layouts.wide, none(decoder.adapter_8x.in_channels))
        affine(decoder.adapter_4x, layouts.narrow, none(decoder.adapter_4x.in_channels))
        affine(decoder.conv_out, layouts.out, layouts.narrow)

    @torch.no_grad()
    def project_weights(self, keep_variance: bool = False) -> None:
        for parameter, rows, columns in self.matrices:
            parameter.copy_(symmetrise_matrix(parameter, rows, columns, keep_variance))
        for parameter, rows in self.vectors:
            parameter.copy_(symmetrise_vector(parameter, rows, keep_variance and parameter.dim() > 1))

    @torch.no_grad()
    def project_gradients(self) -> None:
        for parameter, rows, columns in self.matrices:
            if parameter.grad is not None:
                parameter.grad.copy_(symmetrise_matrix(parameter.grad, rows, columns))
        for parameter, rows in self.vectors:
            if parameter.grad is not None:
                parameter.grad.copy_(symmetrise_vector(parameter.grad, rows))

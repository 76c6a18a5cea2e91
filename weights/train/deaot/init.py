"""A start from which tracking already works, in the unchanged architecture.

1. `load_imagenet_encoder`: ImageNet weights, batch norm folded, into the encoder.
2. `pass_through`: stage 4 is rewritten so that the last feature map carries the 96-d map of block 13 exactly. That map
   matches far better across frames than the 1280-d one, which is all that the projector can see.
3. `matching_start`: queries become the 96-d vectors at a softmax temperature of 0.03 on the cosine, and the short-term
   window starts with a Gaussian position term.
4. `transport_start`: the identity bank writes the share of each class in each of 4 x 4 sub-cells of a token; values,
   gates and projections carry these 176 numbers unchanged to the decoder, which starts as a smoothing filter. What
   remains to be learned is how to sharpen.

The identity channels are laid out per class (`ClassLayout`), so that the network is equivariant to a permutation of
the ten objects; `equivariance.py` can keep it so during training.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from .equivariance import Equivariance, Layouts
from .mobilenetv2 import FrozenBatchNorm2d, MobileNetV2
from .model import DeAOT

MATCHING_CHANNELS = 96
SUB_CELLS = 16


@torch.no_grad()
def load_imagenet_encoder(encoder: MobileNetV2, path: str | Path) -> None:
    """Folded weights `conv_{n}_{weight,bias}` in network order; each batch norm becomes y = x + bias exactly."""
    tensors = load_file(path)
    names = sorted((k.removesuffix("_weight") for k in tensors if k.startswith("conv_") and k.endswith("_weight")), key=lambda k: int(k.split("_")[1]))
    convolutions = [m for m in encoder.modules() if isinstance(m, nn.Conv2d)]
    norms = [m for m in encoder.modules() if isinstance(m, FrozenBatchNorm2d)]
    if not len(names) == len(convolutions) == len(norms):
        raise ValueError(f"{path} has {len(names)} convolutions, the encoder {len(convolutions)}")
    for name, conv, norm in zip(names, convolutions, norms):
        conv.weight.copy_(tensors[f"{name}_weight"])
        norm.set_identity(tensors[f"{name}_bias"])


def _weakest(weight: Tensor, count: int) -> Tensor:
    """Indices of the input channels of a 1x1 convolution that matter least."""
    return weight.flatten(1).norm(dim=0).argsort()[:count]


@torch.no_grad()
def _carry(block: nn.Module, scale: float) -> None:
    """Rewrite an inverted residual without skip so that its first 96 outputs equal its first 96 inputs.

    192 hidden channels hold +s x and -s x; ReLU6 keeps one of each pair, the projection takes the difference. Exact
    while |s x| <= 6.
    """
    n = MATCHING_CHANNELS
    expand, expand_norm = block.conv[0][0], block.conv[0][1]
    depthwise, depthwise_norm = block.conv[1][0], block.conv[1][1]
    project, project_norm = block.conv[2], block.conv[3]
    hidden = _weakest(project.weight, 2 * n)
    eye = torch.eye(n)
    expand.weight[hidden] = 0
    expand.weight[hidden, :n, 0, 0] = torch.cat([eye, -eye]) * scale
    depthwise.weight[hidden] = 0
    depthwise.weight[hidden, 0, 1, 1] = 1
    for norm in (expand_norm, depthwise_norm):
        norm.weight[hidden], norm.bias[hidden], norm.running_mean[hidden] = 1, 0, 0
        norm.running_var[hidden] = 1 - norm.eps
    project.weight[:, hidden] = 0
    project.weight[:n] = 0
    project.weight[:n, hidden, 0, 0] = torch.cat([eye, -eye], dim=1) / scale
    project_norm.weight[:n], project_norm.bias[:n], project_norm.running_mean[:n] = 1, 0, 0
    project_norm.running_var[:n] = 1 - project_norm.eps


@torch.no_grad()
def pass_through(model: DeAOT, scale: float = 1.0) -> None:
    """Stage 4 carries the 96-d map; the projector emits (x, -x, small rest)."""
    n = MATCHING_CHANNELS
    features = model.encoder.features
    _carry(features[14], scale)
    for i in (15, 16):
        project, norm = features[i].conv[2], features[i].conv[3]
        project.weight[:n] = 0
        norm.weight[:n], norm.bias[:n], norm.running_mean[:n], norm.running_var[:n] = 1, 0, 0, 1 - norm.eps
    _carry(features[17], scale)
    last, last_norm = features[18][0], features[18][1]
    channels = last.weight.flatten(1).norm(dim=1).argsort()[: 2 * n]
    eye = torch.eye(n)
    last.weight[channels] = 0
    last.weight[channels, :n, 0, 0] = torch.cat([eye, -eye]) * scale
    last_norm.weight[channels], last_norm.bias[channels], last_norm.running_mean[channels] = 1, 0, 0
    last_norm.running_var[channels] = 1 - last_norm.eps
    projector = model.encoder_projector
    projector.weight.normal_(0, 0.1 / math.sqrt(projector.in_channels))
    projector.bias.zero_()
    difference = torch.cat([eye, -eye], dim=1) / scale
    projector.weight[: 2 * n] = 0
    projector.weight[:n, channels, 0, 0] = difference
    projector.weight[n : 2 * n, channels, 0, 0] = -difference


@torch.no_grad()
def matching_start(model: DeAOT, temperature: float = 0.03, sigma: float = 3.0) -> None:
    """Queries = scaled 96-d vectors, so that Q . K / sqrt(128) = cosine / temperature; Gaussian window term.

    After LayerNorm the token (x, -x) has squared norm 256, so its first half has 128.
    """
    config, n = model.config, MATCHING_CHANNELS
    gain = math.sqrt(math.sqrt(config.key_width) / (temperature * config.width / 2))
    radius = config.window
    axis = torch.arange(-radius, radius + 1, dtype=torch.float32)
    distance = (axis[:, None] ** 2 + axis[None, :] ** 2).flatten()
    for layer in model.LSTT.layers:
        rows = layer.linear_QV.weight[: config.key_width]
        rows.normal_(0, 0.02)
        rows[:n] = 0
        rows[:n, :n] = torch.eye(n) * gain / 2
        rows[:n, n : 2 * n] = -torch.eye(n) * gain / 2
        rows[n:, : 2 * n] = 0
        layer.linear_QV.bias[: config.key_width] = 0
        layer.short_term_attn.relative_emb_k.weight.normal_(0, 0.001)
        layer.short_term_attn.relative_emb_k.bias.copy_(-distance / (2 * sigma**2))


def _cell_weights(kernel: int, cells: int) -> Tensor:
    """[cells^2, kernel, kernel]: averaging windows of equal size that tile the kernel, with fractional borders."""
    edges = torch.linspace(0, kernel, cells + 1)
    pixel = torch.arange(kernel, dtype=torch.float32)
    overlap = (torch.minimum(pixel + 1, edges[1:, None]) - torch.maximum(pixel, edges[:-1, None])).clamp(min=0)
    overlap = overlap / overlap.sum(1, keepdim=True)
    return (overlap[:, None, :, None] * overlap[None, :, None, :]).reshape(cells * cells, kernel, kernel)


def _noise_(weight: Tensor, gain: float) -> None:
    """Gaussian with the given gain relative to a unit-variance-preserving layer."""
    fan_in = weight[0].numel()
    weight.normal_(0, gain / math.sqrt(fan_in))


@torch.no_grad()
def _identity_noise(model: DeAOT, gain: float) -> None:
    """Small random weights on the whole identity path, and full-strength ones where only the picture is read."""
    layouts, decoder = Layouts.of(model), model.decoder
    _noise_(model.patch_wise_id_bank.weight, 0.02)
    model.patch_wise_id_bank.bias.zero_()
    for layer in model.LSTT.layers:
        _noise_(layer.linear_ID_V.weight, 0.05)
        layer.linear_ID_V.bias.zero_()
        for attention in (layer.long_term_attn, layer.short_term_attn, layer.self_attn):
            _noise_(attention.dw_conv.conv.weight, 0.1)
            _noise_(attention.projection.weight, gain)
            attention.projection.bias.zero_()
        for linear in (layer.self_attn.linear_V1, layer.self_attn.linear_V2, layer.self_attn.linear_U1, layer.self_attn.linear_U2):
            _noise_(linear.weight, 1.0)
            linear.bias.zero_()
        _noise_(layer.self_attn.linear_QK.weight, 1.0)
        layer.self_attn.linear_QK.bias.zero_()
    for conv, rest_out, rest_in in (
        (decoder.conv_in.conv, layouts.wide.rest, torch.arange(model.config.width)),
        (decoder.conv_16x.conv, layouts.wide.rest, layouts.wide.rest),
        (decoder.conv_8x.conv, layouts.narrow.rest, layouts.wide.rest),
        (decoder.conv_4x.conv, layouts.narrow.rest, layouts.narrow.rest),
    ):
        _noise_(conv.weight, gain)
        conv.bias.zero_()
        block = torch.empty(len(rest_out), len(rest_in), *conv.weight.shape[2:])
        _noise_(block, 1.4)
        conv.weight[rest_out[:, None], rest_in[None, :]] = block
    for adapter in (decoder.adapter_16x, decoder.adapter_8x, decoder.adapter_4x):
        layout = layouts.wide if adapter.out_channels == 256 else layouts.narrow
        _noise_(adapter.weight, 1.0)
        adapter.weight[layout.index.flatten()] *= gain
        adapter.bias.zero_()
    _noise_(decoder.conv_out.weight, 0.02)
    decoder.conv_out.bias.zero_()


@torch.no_grad()
def transport_start(model: DeAOT, noise: float = 0.2) -> None:
    """Identity masks travel from the memory to the decoder unchanged. See the module's head."""
    _identity_noise(model, noise)
    if model.config.layers == 1:
        Equivariance(model).project_weights(keep_variance=True)
    config, classes = model.config, model.config.max_objects + 1
    layouts = Layouts.of(model)
    cells = _cell_weights(config.id_kernel, 4)
    for c in range(classes):
        model.patch_wise_id_bank.weight[layouts.stream.index[c, :SUB_CELLS]] = 0
        model.patch_wise_id_bank.weight[layouts.stream.index[c, :SUB_CELLS], c] = cells

    pairs = layouts.value.index.view(classes, -1, 2)  # [11, 23, (plus, minus)]
    stream = layouts.stream.index  # [11, 23]
    width, value_width = config.width, config.value_width
    for i, layer in enumerate(model.LSTT.layers):
        for attention in (layer.long_term_attn, layer.short_term_attn, layer.self_attn):
            attention.dw_conv.conv.weight[:, 0, 2, 2] += 1
        if i > 0:
            continue  # deeper layers refine: they start as small residuals
        layer.linear_ID_V.weight[pairs[..., 0], stream] += 1
        layer.linear_ID_V.weight[pairs[..., 1], stream] -= 1
        for attention in (layer.long_term_attn, layer.short_term_attn):  # silu(x) - silu(-x) = x
            attention.projection.weight[width:, value_width:] *= 0.1
            attention.projection.weight[width + stream, value_width + pairs[..., 0]] += 0.5
            attention.projection.weight[width + stream, value_width + pairs[..., 1]] -= 0.5

    decoder = model.decoder
    wide, narrow = layouts.wide.index, layouts.narrow.index
    decoder.conv_in.conv.weight[wide, width + stream[:, :SUB_CELLS], 0, 0] += 1
    decoder.conv_16x.conv.weight[wide, wide, 1, 1] += 1
    # 4 x 4 sub-cells -> 8 numbers: four centre cells, then the four quadrants.
    grid = torch.arange(SUB_CELLS).view(4, 4)
    centre = [grid[1, 1], grid[1, 2], grid[2, 1], grid[2, 2]]
    quadrants = [grid[:2, :2], grid[:2, 2:], grid[2:, :2], grid[2:, 2:]]
    for j, cell in enumerate(centre):
        decoder.conv_8x.conv.weight[narrow[:, j], wide[:, cell], 1, 1] += 1
    for j, quadrant in enumerate(quadrants):
        for cell in quadrant.flatten():
            decoder.conv_8x.conv.weight[narrow[:, 4 + j], wide[:, cell], 1, 1] += 0.25
    decoder.conv_4x.conv.weight[narrow, narrow, 1, 1] += 1
    decoder.conv_out.weight[torch.arange(classes)[:, None], narrow] += 0.5


def initialise(model: DeAOT, encoder: str | Path | None, seed: int = 0) -> None:
    """The whole start, reproducible from a seed. Without an encoder file the encoder stays random (tests only)."""
    torch.manual_seed(seed)
    if encoder is not None:
        load_imagenet_encoder(model.encoder, encoder)
    pass_through(model)
    matching_start(model)
    transport_start(model)

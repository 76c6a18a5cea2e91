"""The network of ARCHITECTURE.md. State-dict keys are SAM's where the parts are SAM's (Kirillov et al., ICCV 2023).

B images, M prompts (each of one of the images), T tokens a prompt, n x n positions of the embedding.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from deaot.mobilenetv2 import MobileNetV2
from deaot.trunk import FrozenTrunk

CHANNELS = 128
HEADS = 8
STRIDE = 16
#: Side of the frame by which positions are divided, in pixels.
FRAME = 512
#: Spread of a click in the dense prompt, in pixels.
CLICK_SIGMA = 8.0
MASKS = 4


@dataclass
class Prompts:
    """What is asked of M masks, in pixels of the frame.

    points: [M, K, 2]; labels: [M, K], 1 object, 0 background, -1 no point (padding); boxes: [M, 4], x0 y0 x1 y1, NaN where
    there is none; logits: [M, 4 n, 4 n], zeros where there is no mask prompt.
    """

    points: Tensor
    labels: Tensor
    boxes: Tensor
    logits: Tensor

    def __len__(self) -> int:
        return len(self.points)


class Trunk(FrozenTrunk):
    """The tracker's, read from its file. Image [B, 3, H, W] -> maps at strides 4, 8, 16."""

    def __init__(self, weights: str | Path, prefix: str = "encoder.") -> None:
        """weights: the tracker's safetensors."""
        encoder = MobileNetV2()
        encoder.load_state_dict({k.removeprefix(prefix): v.float() for k, v in load_file(str(weights)).items() if k.startswith(prefix)}, strict=True)
        super().__init__(encoder)


class LayerNorm2d(nn.Module):
    """Over the channels of each pixel. x: [B, C, h, w]."""

    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x.permute(0, 2, 3, 1), self.weight.shape, self.weight, self.bias, self.eps).permute(0, 3, 1, 2)


class MixingBlock(nn.Module):
    """x + lin2(gelu(lin1(norm(dwconv(x))))): what lies beside each other is mixed (after ConvNeXt, Liu et al., CVPR 2022)."""

    def __init__(self, channels: int, kernel: int, hidden: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.lin1 = nn.Linear(channels, hidden)
        self.lin2 = nn.Linear(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.dwconv(x).permute(0, 2, 3, 1))
        return x + self.lin2(F.gelu(self.lin1(y))).permute(0, 3, 1, 2)


class ImageNeck(nn.Module):
    """f16 [B, 96, n, n] -> embedding [B, 128, n, n]."""

    def __init__(self) -> None:
        super().__init__()
        c = CHANNELS
        self.neck = nn.Sequential(nn.Conv2d(96, c, 1, bias=False), LayerNorm2d(c), nn.Conv2d(c, c, 3, padding=1, bias=False), LayerNorm2d(c))
        self.blocks = nn.ModuleList(MixingBlock(c, 5, 2 * c) for _ in range(2))

    def forward(self, f16: Tensor) -> Tensor:
        x = self.neck(f16)
        for block in self.blocks:
            x = block(x)
        return x


class PositionEncoding(nn.Module):
    """Random Fourier features of positions in [0, 1]^2 (Tancik et al., 2020)."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("positional_encoding_gaussian_matrix", torch.randn(2, CHANNELS // 2))

    def forward(self, position: Tensor) -> Tensor:
        """[..., 2] -> [..., C]."""
        angle = 2 * math.pi * ((2 * position - 1) @ self.positional_encoding_gaussian_matrix)
        return torch.cat([angle.sin(), angle.cos()], dim=-1)


class PromptEncoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        c = CHANNELS
        self.pe_layer = PositionEncoding()
        self.point_embeddings = nn.ModuleList(nn.Embedding(1, c) for _ in range(4))
        self.not_a_point_embed = nn.Embedding(1, c)
        self.mask_downscaling = nn.Sequential(
            nn.Conv2d(4, 16, 2, stride=2), LayerNorm2d(16), nn.GELU(), nn.Conv2d(16, 32, 2, stride=2), LayerNorm2d(32), nn.GELU(), nn.Conv2d(32, c, 1)
        )

    def dense_pe(self, rows: int, columns: int, origin: Tensor) -> Tensor:
        """origin: [B, 2] pixels of the frame at which each image begins -> [B, C, rows, columns]."""
        x = (torch.arange(columns) + 0.5) * STRIDE
        y = (torch.arange(rows) + 0.5) * STRIDE
        grid = torch.stack([x[None, :].expand(rows, columns), y[:, None].expand(rows, columns)], dim=-1)
        return self.pe_layer((grid + origin[:, None, None, :]) / FRAME).permute(0, 3, 1, 2)

    def sparse(self, prompts: Prompts, embedding: Tensor, origin: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens [M, K + 3, C] of points, the padding point and two corners, and which of them exist [M, K + 3].

        embedding: [M, C, rows, columns]; origin: [M, 2].
        """
        kinds = torch.cat([e.weight for e in self.point_embeddings])
        given = prompts.labels >= 0
        position = (prompts.points + 0.5 + origin[:, None]) / FRAME
        points = self.pe_layer(position) + kinds[prompts.labels.clamp(min=0).long()]
        points = points + torch.einsum("mkhw,mchw->mkc", point_weights(prompts.points, *embedding.shape[2:]), embedding)
        box = prompts.boxes.isfinite().all(1)
        boxes = prompts.boxes.nan_to_num(0.0)
        corners = self.pe_layer((boxes.view(-1, 2, 2) + 0.5 + origin[:, None]) / FRAME) + kinds[2:4]
        seen = torch.einsum("mhw,mchw->mc", box_weights(boxes, *embedding.shape[2:]), embedding)
        corners = corners + seen[:, None]
        none = self.not_a_point_embed.weight.expand(len(prompts), 1, -1)
        tokens = torch.cat([points, none.to(points.dtype), corners], dim=1)
        return tokens, torch.cat([given, ~box[:, None], box[:, None], box[:, None]], dim=1)

    def dense(self, prompts: Prompts) -> tuple[Tensor, Tensor, Tensor]:
        """The dense prompt [M, 4, 4 n, 4 n], and what becomes of it at strides 8 [M, 16, ..] and 16 [M, C, ..]."""
        d = dense_prompt(prompts)
        p8 = self.mask_downscaling[:3](d)
        return d, p8, self.mask_downscaling[3:](p8)


def point_weights(points: Tensor, rows: int, columns: int) -> Tensor:
    """Bilinear weights [M, K, rows, columns] of the embedding's cells at points [M, K, 2]."""
    u = ((points[..., 0] + 0.5) / STRIDE - 0.5).clamp(0, columns - 1)
    v = ((points[..., 1] + 0.5) / STRIDE - 0.5).clamp(0, rows - 1)
    wx = (1 - (u[..., None] - torch.arange(columns)).abs()).clamp(min=0)
    wy = (1 - (v[..., None] - torch.arange(rows)).abs()).clamp(min=0)
    return wy[..., :, None] * wx[..., None, :]


def overlap(low: Tensor, high: Tensor, cells: int, size: int) -> Tensor:
    """How much of [low, high] lies in each of `cells` intervals of `size` pixels, [M, cells]."""
    start = torch.arange(cells) * float(size)
    return (torch.minimum(high[:, None], start + size) - torch.maximum(low[:, None], start)).clamp(min=0)


def box_weights(boxes: Tensor, rows: int, columns: int) -> Tensor:
    """Weights [M, rows, columns], of sum 1, of the embedding's cells in boxes [M, 4]."""
    w = overlap(boxes[:, 1], boxes[:, 3], rows, STRIDE)[:, :, None] * overlap(boxes[:, 0], boxes[:, 2], columns, STRIDE)[:, None, :]
    return w / w.sum((1, 2), keepdim=True).clamp(min=1e-6)


def dense_prompt(prompts: Prompts) -> Tensor:
    """Mask prompt, positive clicks, negative clicks and box as maps, [M, 4, 4 n, 4 n]."""
    rows, columns = prompts.logits.shape[1:]
    cell = STRIDE // 4
    x, y = torch.arange(columns) * cell + cell / 2, torch.arange(rows) * cell + cell / 2
    at = prompts.points + 0.5
    gx = torch.exp(-((at[..., 0:1] - x) ** 2) / (2 * CLICK_SIGMA**2))
    gy = torch.exp(-((at[..., 1:2] - y) ** 2) / (2 * CLICK_SIGMA**2))

    def clicks(label: int) -> Tensor:
        chosen = (prompts.labels == label).to(gx.dtype)
        if chosen.shape[1] == 0:
            return torch.zeros_like(prompts.logits)
        return ((gy * chosen[..., None])[..., :, None] * gx[..., None, :]).amax(1)

    boxes = prompts.boxes.nan_to_num(0.0)
    box = overlap(boxes[:, 1], boxes[:, 3], rows, cell)[:, :, None] * overlap(boxes[:, 0], boxes[:, 2], columns, cell)[:, None, :] / cell**2
    return torch.stack([torch.tanh(prompts.logits / 2), clicks(1), clicks(0), box], dim=1)


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(CHANNELS, CHANNELS) for _ in range(4))

    def forward(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
        """q: [M, Tq, C]; k, v: [M, Tk, C]; mask: [M, Tk], true where there is a key."""
        split = lambda x: x.unflatten(-1, (HEADS, -1)).transpose(1, 2)  # noqa: E731
        scores = split(self.q_proj(q)) @ split(self.k_proj(k)).transpose(2, 3) * (CHANNELS // HEADS) ** -0.5
        if mask is not None:
            scores = scores.masked_fill(~mask[:, None, None, :], -1e4)
        x = scores.softmax(-1).to(v.dtype) @ split(self.v_proj(v))
        return self.out_proj(x.transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    """Three layers with ReLU between them."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(CHANNELS, CHANNELS), nn.Linear(CHANNELS, CHANNELS), nn.Linear(CHANNELS, outputs)])

    def forward(self, x: Tensor) -> Tensor:
        return self.layers[2](F.relu(self.layers[1](F.relu(self.layers[0](x)))))


class FeedForward(nn.Module):
    def __init__(self, hidden: int = 512) -> None:
        super().__init__()
        self.lin1, self.lin2 = nn.Linear(CHANNELS, hidden), nn.Linear(hidden, CHANNELS)

    def forward(self, x: Tensor) -> Tensor:
        return self.lin2(F.relu(self.lin1(x)))


class TwoWayLayer(nn.Module):
    """SAM's layer, and a mixing block on the image's side."""

    def __init__(self, first: bool) -> None:
        super().__init__()
        self.first = first
        self.self_attn, self.cross_attn_token_to_image, self.cross_attn_image_to_token = Attention(), Attention(), Attention()
        self.norm1, self.norm2, self.norm3, self.norm4 = (nn.LayerNorm(CHANNELS) for _ in range(4))
        self.mlp = FeedForward()
        self.mixer = MixingBlock(CHANNELS, 5, 2 * CHANNELS)

    def forward(self, q: Tensor, q0: Tensor, k: Tensor, pe: Tensor, exists: Tensor, grid: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """q: [M, T, C]; k: [M, N, C]; pe: [M, N, C] -> the same."""
        q = self.norm1(self.self_attn(q, q, q, exists) if self.first else q + self.self_attn(q + q0, q + q0, q, exists))
        q = self.norm2(q + self.cross_attn_token_to_image(q + q0, k + pe, k))
        q = self.norm3(q + self.mlp(q))
        k = self.norm4(k + self.cross_attn_image_to_token(k + pe, q + q0, q, exists))
        k = self.mixer(k.transpose(1, 2).unflatten(2, grid)).flatten(2).transpose(1, 2)
        return q, k


class TwoWayTransformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([TwoWayLayer(True), TwoWayLayer(False)])
        self.final_attn_token_to_image = Attention()
        self.norm_final_attn = nn.LayerNorm(CHANNELS)

    def forward(self, tokens: Tensor, image: Tensor, pe: Tensor, exists: Tensor) -> tuple[Tensor, Tensor]:
        """tokens: [M, T, C]; image, pe: [M, C, n, n] -> tokens and image."""
        grid = tuple(image.shape[2:])
        q, k, p = tokens, image.flatten(2).transpose(1, 2), pe.flatten(2).transpose(1, 2)
        for layer in self.layers:
            q, k = layer(q, tokens, k, p, exists, grid)
        q = self.norm_final_attn(q + self.final_attn_token_to_image(q + tokens, k + p, k))
        return q, k.transpose(1, 2).unflatten(2, grid)


class MaskDecoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        c = CHANNELS
        self.iou_token, self.mask_tokens = nn.Embedding(1, c), nn.Embedding(MASKS, c)
        self.transformer = TwoWayTransformer()
        self.output_upscaling = nn.Sequential(nn.ConvTranspose2d(c, 64, 2, stride=2), LayerNorm2d(64), nn.GELU(), nn.ConvTranspose2d(64, 32, 2, stride=2), nn.GELU())
        self.conv_s1, self.conv_s0 = nn.Conv2d(32, 64, 1), nn.Conv2d(24, 32, 1)
        self.conv_p1, self.conv_p0 = nn.Conv2d(16, 64, 1), nn.Conv2d(4, 32, 1)
        self.mixer8, self.mixer4 = MixingBlock(64, 3, 64), MixingBlock(32, 3, 32)
        self.output_hypernetworks_mlps = nn.ModuleList(Mlp(32) for _ in range(MASKS))
        self.iou_prediction_head = Mlp(MASKS)

    def forward(self, image: Tensor, pe: Tensor, sparse: Tensor, exists: Tensor, s1: Tensor, s0: Tensor) -> tuple[Tensor, Tensor]:
        """s1: [M, 64, 2 n, 2 n] and s0: [M, 32, 4 n, 4 n], what is added to the up-convolutions -> logits [M, 4, 4 n, 4 n], IoU [M, 4]."""
        own = torch.cat([self.iou_token.weight, self.mask_tokens.weight])[None].expand(len(sparse), -1, -1)
        tokens = torch.cat([own.to(sparse.dtype), sparse], dim=1)
        exists = torch.cat([exists.new_ones(len(sparse), 1 + MASKS), exists], dim=1)
        q, x = self.transformer(tokens, image, pe, exists)
        up0, norm, gelu, up1, _ = self.output_upscaling
        x = self.mixer8(gelu(norm(up0(x) + s1)))
        x = self.mixer4(gelu(up1(x) + s0))
        vectors = torch.stack([mlp(q[:, 1 + i]) for i, mlp in enumerate(self.output_hypernetworks_mlps)], dim=1)
        return torch.einsum("mkc,mchw->mkhw", vectors, x), self.iou_prediction_head(q[:, 0])


@dataclass
class Encoded:
    """What prompts of an image share. embedding: [B, C, n, n]; s1, s0: skips; origin: [B, 2], where the image lies in the frame."""

    embedding: Tensor
    s1: Tensor
    s0: Tensor
    origin: Tensor


class Segmenter(nn.Module):
    """Everything but the encoder."""

    def __init__(self) -> None:
        super().__init__()
        self.image_encoder = ImageNeck()
        self.prompt_encoder = PromptEncoder()
        self.mask_decoder = MaskDecoder()

    def encode(self, maps: list[Tensor], origin: Tensor | None = None) -> Encoded:
        """maps: of `Trunk`."""
        f4, f8, f16 = maps
        origin = torch.zeros(len(f16), 2) if origin is None else origin
        return Encoded(self.image_encoder(f16), self.mask_decoder.conv_s1(f8), self.mask_decoder.conv_s0(f4), origin)

    def decode(self, encoded: Encoded, image_of: Tensor, prompts: Prompts) -> tuple[Tensor, Tensor]:
        """image_of: [M], which image each prompt is about -> logits [M, 4, 4 n, 4 n], predicted IoU [M, 4]."""
        embedding, origin = encoded.embedding[image_of], encoded.origin[image_of]
        d, p8, p16 = self.prompt_encoder.dense(prompts)
        sparse, exists = self.prompt_encoder.sparse(prompts, embedding, origin)
        pe = self.prompt_encoder.dense_pe(*embedding.shape[2:], encoded.origin)[image_of]
        s1 = encoded.s1[image_of] + self.mask_decoder.conv_p1(p8)
        s0 = encoded.s0[image_of] + self.mask_decoder.conv_p0(d)
        return self.mask_decoder(embedding + p16, pe, sparse, exists, s1, s0)

"""Segment Anything from the published package, `segment-anything` (Apache-2.0): image encoder and mask decoder."""

from __future__ import annotations

from functools import partial

import torch
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, TwoWayTransformer
from torch import Tensor, nn

from .graph import Graph
from .recipes import Skeleton, fill

ENCODERS = {
    "sam-vit-b": {"embed_dim": 768, "depth": 12, "num_heads": 12, "global_attn_indexes": (2, 5, 8, 11)},
    "sam-vit-l": {"embed_dim": 1024, "depth": 24, "num_heads": 16, "global_attn_indexes": (5, 11, 17, 23)},
    "sam-vit-h": {"embed_dim": 1280, "depth": 32, "num_heads": 16, "global_attn_indexes": (7, 15, 23, 31)},
}
SIDE = 1024
GRID = SIDE // 16
CHANNELS = 256
PACKAGES = ("segment-anything",)
#: An image encoder that the benchmark of the decoder has beside it.
OMITTED = ("patch_embed.", "pos_embed", "blocks.", "neck.")


def encoder_skeleton(name: str) -> Skeleton:
    """A published image encoder."""
    encoder = ImageEncoderViT(
        img_size=SIDE,
        patch_size=16,
        mlp_ratio=4,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
        qkv_bias=True,
        use_rel_pos=True,
        window_size=14,
        out_chans=CHANNELS,
        **ENCODERS[name],
    )
    return Skeleton(encoder, "sam")


def encoder_graph(name: str) -> Graph:
    """Image [1, 3, 1024, 1024] -> embedding [1, 256, 64, 64]."""
    parts = encoder_skeleton(name)
    recipe = fill(parts)
    image = torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return Graph(f"{name}@{SIDE}x{SIDE}", parts.module, {"image": image}, ("out",), recipe, PACKAGES)


class Decoder(nn.Module):
    """Embedding of an image [4096, 256], its positions in rows, and embedded points of a prompt [1, N, 256] -> logits of all
    four masks [4, 256, 256]. The prompt has no mask, and the predicted IoU is left out."""

    def __init__(self) -> None:
        super().__init__()
        self.prompt_encoder = PromptEncoder(CHANNELS, (GRID, GRID), (SIDE, SIDE), mask_in_chans=16)
        self.mask_decoder = MaskDecoder(
            num_multimask_outputs=3,
            transformer=TwoWayTransformer(depth=2, embedding_dim=CHANNELS, mlp_dim=2048, num_heads=8),
            transformer_dim=CHANNELS,
            iou_head_depth=3,
            iou_head_hidden_dim=CHANNELS,
        )

    def forward(self, embedding: Tensor, sparse: Tensor) -> Tensor:
        image = embedding.T.reshape(1, CHANNELS, GRID, GRID)
        dense = self.prompt_encoder.no_mask_embed.weight.reshape(1, -1, 1, 1).expand(1, -1, GRID, GRID)
        masks, _ = self.mask_decoder.predict_masks(image, self.positions, sparse, dense)
        return masks[0]

    def remember_positions(self) -> None:
        """The positional encoding of the image is the same for all images."""
        with torch.no_grad():
            self.register_buffer("positions", self.prompt_encoder.get_dense_pe(), persistent=False)


def decoder_skeleton() -> Skeleton:
    """The published mask decoder and prompt encoder, which all sizes of the model share."""
    return Skeleton(Decoder(), "sam-decoder")


def decoder_graph(name: str, tokens: int = 2) -> Graph:
    """A prompt of one point, and the padding point that follows it."""
    parts = decoder_skeleton()
    recipe = fill(parts)
    decoder = parts.module
    decoder.remember_positions()
    generator = torch.Generator().manual_seed(1)
    inputs = {
        "embedding": torch.rand(GRID * GRID, CHANNELS, generator=generator) * 2 - 1,
        "sparse": torch.rand(1, tokens, CHANNELS, generator=generator) * 2 - 1,
    }
    return Graph(f"{name}@{SIDE}x{SIDE}", decoder, inputs, ("out",), recipe, PACKAGES, OMITTED)

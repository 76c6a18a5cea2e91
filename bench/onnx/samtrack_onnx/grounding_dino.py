"""Grounding DINO from Hugging Face transformers (Apache-2.0), from an image and the features of a caption to the features of
its boxes."""

from __future__ import annotations

import re

import torch
from torch import Tensor, nn
from transformers import BertConfig, GroundingDinoConfig, GroundingDinoForObjectDetection
from transformers.models.grounding_dino import modeling_grounding_dino as modeling

from .graph import Graph
from .recipes import Skeleton, Source, fill
from .swin import swin_config, swin_source

#: "[CLS] a cat . a remote control . [SEP]": stops and ends have BERT's numbers, the others do not matter here.
CAPTION = (101, 1, 2, 1012, 1, 3, 4, 1012, 102)
#: Boxes near the edges of the image are kept this far from them when they are refined, as the original does; transformers
#: has 1e-5.
EDGE = 1e-3

#: What the caption's features come from.
OMITTED = ("bert.", "feat_map.")

_RENAMES = (
    (r"^backbone\.conv_encoder\.model\.", "backbone.0."),
    (r"^input_proj_vision\.", "input_proj."),
    (r"^level_embed$", "transformer.level_embed"),
    (r"^query_position_embeddings\.", "transformer.tgt_embed."),
    (r"^encoder_output_bbox_embed\.", "transformer.enc_out_bbox_embed."),
    (r"^enc_output", "transformer.enc_output"),
    (r"^encoder\.layers\.(\d+)\.deformable_layer\.", r"transformer.encoder.layers.\1."),
    (r"^encoder\.layers\.(\d+)\.text_enhancer_layer\.", r"transformer.encoder.text_layers.\1."),
    (r"^encoder\.layers\.(\d+)\.fusion_layer\.", r"transformer.encoder.fusion_layers.\1."),
    (r"^(.*\.encoder\.layers\.\d+)\.self_attn_layer_norm\.", r"\1.norm1."),
    (r"^(.*\.encoder\.layers\.\d+)\.final_layer_norm\.", r"\1.norm2."),
    (r"\.layer_norm_before\.", ".norm1."),
    (r"\.layer_norm_after\.", ".norm2."),
    (r"\.vision_param$", ".gamma_v"),
    (r"\.text_param$", ".gamma_l"),
    (r"\.layer_norm_vision\.", ".layer_norm_v."),
    (r"\.layer_norm_text\.", ".layer_norm_l."),
    (r"(attn\.(?:values_|out_)?)vision_proj\.", r"\1v_proj."),
    (r"(attn\.(?:values_|out_)?)text_proj\.", r"\1l_proj."),
    (r"^decoder\.reference_points_head\.", "transformer.decoder.ref_point_head."),
    (r"^decoder\.layer_norm\.", "transformer.decoder.norm."),
    (r"^decoder\.", "transformer.decoder."),
    (r"\.encoder_attn_text_layer_norm\.", ".catext_norm."),
    (r"\.encoder_attn_text\.", ".ca_text."),
    (r"\.encoder_attn_layer_norm\.", ".norm1."),
    (r"\.encoder_attn\.", ".cross_attn."),
    (r"\.self_attn_layer_norm\.", ".norm2."),
    (r"\.final_layer_norm\.", ".norm3."),
    (r"\.fc([12])\.", r".linear\1."),
)
_THIRDS = {"query": 0, "key": 1, "value": 2}


def source(key: str) -> Source | None:
    """Where a tensor of `GroundingDinoForObjectDetection`, without its text branch, stands in the original state dict."""
    key = key.removeprefix("model.")
    if key.startswith("backbone."):
        origin = swin_source(key.removeprefix("backbone.conv_encoder.model."))
        return origin and Source(f"backbone.0.{origin.name}", origin.third)
    # One box head under the name of every decoder layer.
    if match := re.match(r"(?:decoder\.)?bbox_embed\.\d+\.(.*)", key):
        return Source(f"transformer.decoder.bbox_embed.0.{match[1]}")
    for pattern, replacement in _RENAMES:
        key = re.sub(pattern, replacement, key)
    if match := re.match(r"(.*)\.(query|key|value)\.(weight|bias)$", key):
        return Source(f"{match[1]}.in_proj_{match[3]}", _THIRDS[match[2]])
    return Source(key)


class ImageToQueries(nn.Module):
    """Image [1, 3, H, W], features of the caption [9, 256], and the image tokens that the queries start from, int64 [900] ->
    the queries after the last decoder layer [1, 900, 256].

    Which tokens those are is an input: near ties would be ordered differently by every implementation, and each rank has
    an embedding of its own. Positions, masks and reference points depend on sizes alone and are constants.
    """

    def __init__(self, whole: GroundingDinoForObjectDetection, height: int, width: int) -> None:
        super().__init__()
        self.model = whole.model
        self.box_head = whole.bbox_embed[0]
        attention, positions = modeling.generate_masks_with_special_tokens_and_transfer_map(
            torch.tensor([CAPTION]), special_tokens=self.model.special_tokens
        )
        self.register_buffer("text_mask", ~attention, persistent=False)
        self.register_buffer("text_positions", positions, persistent=False)
        with torch.no_grad():
            self._measure(torch.zeros(1, 3, height, width))

    def _measure(self, image: Tensor) -> None:
        """Remembers what follows from the size of the image."""
        maps = self._maps(image)
        self.sizes = [(map.shape[-2], map.shape[-1]) for map in maps]
        rows = []
        for level, (map, size) in enumerate(zip(maps, self.sizes)):
            position = self.model.backbone.position_embedding(map, torch.ones(1, *size, dtype=torch.bool))
            rows.append(position.flatten(2).transpose(1, 2) + self.model.level_embed[level])
        self.register_buffer("positions", torch.cat(rows, 1), persistent=False)
        tokens = self.positions.shape[1]
        _, proposals = self.model.generate_encoder_output_proposals(
            torch.zeros_like(self.positions), torch.zeros(1, tokens, dtype=torch.bool), self.sizes
        )
        # Beyond 1e4 a sigmoid is 1 already; an infinity would only be a trap for GPUs.
        self.register_buffer("proposals", proposals.clamp(max=1e4), persistent=False)
        self.register_buffer("usable", (proposals < 1e4).all(-1, keepdim=True), persistent=False)
        self.register_buffer("shapes", torch.tensor(self.sizes), persistent=False)
        self.register_buffer("starts", torch.cat([torch.zeros(1).long(), self.shapes.prod(1).cumsum(0)[:-1]]), persistent=False)
        self.register_buffer("ratios", torch.ones(1, len(self.sizes), 2), persistent=False)
        self.register_buffer("padding", torch.zeros(1, tokens, dtype=torch.bool), persistent=False)

    def _maps(self, image: Tensor) -> list[Tensor]:
        """The feature pyramid: projections of three stages, and of the last one at half its resolution."""
        stages = self.model.backbone.conv_encoder.model(image).feature_maps
        projections = self.model.input_proj_vision
        maps = [projection(stage) for projection, stage in zip(projections, stages)]
        return [*maps, projections[len(stages)](stages[-1])]

    def forward(self, image: Tensor, text: Tensor, selected: Tensor) -> Tensor:
        model = self.model
        geometry = {
            "spatial_shapes": self.shapes,
            "spatial_shapes_list": self.sizes,
            "level_start_index": self.starts,
        }
        encoded = model.encoder(
            vision_features=torch.cat([map.flatten(2).transpose(1, 2) for map in self._maps(image)], 1),
            vision_attention_mask=self.padding,
            vision_position_embedding=self.positions,
            valid_ratios=self.ratios,
            text_features=text[None],
            text_attention_mask=torch.zeros(1, text.shape[0], dtype=torch.bool),
            text_self_attention_masks=self.text_mask,
            text_position_ids=self.text_positions,
            return_dict=True,
            **geometry,
        )
        memory, caption = encoded.last_hidden_state_vision, encoded.last_hidden_state_text
        candidates = model.enc_output_norm(model.enc_output(memory * self.usable))[:, selected]
        boxes = (model.encoder_output_bbox_embed(candidates) + self.proposals[:, selected]).sigmoid()
        queries = model.query_position_embeddings.weight[None]
        for i, layer in enumerate(model.decoder.layers):
            positions = model.decoder.reference_points_head(modeling.encode_sinusoidal_position_embedding(boxes, num_pos_feats=128))
            queries = layer(
                hidden_states=queries,
                position_embeddings=positions,
                reference_points=boxes[:, :, None].expand(-1, -1, len(self.sizes), -1),
                vision_encoder_hidden_states=memory,
                vision_encoder_attention_mask=~self.padding,
                text_encoder_hidden_states=caption,
                **geometry,
            )[0]
            if i + 1 < len(model.decoder.layers):
                inside = boxes.clamp(0, 1)
                logit = torch.log(inside.clamp(min=EDGE) / (1 - inside).clamp(min=EDGE))
                boxes = (self.box_head(queries) + logit).sigmoid()
        return queries


def skeleton() -> Skeleton:
    """Grounding DINO with a Swin-T backbone and without BERT: the caption's features are an input."""
    config = GroundingDinoConfig(
        backbone_config=swin_config(96, (2, 2, 6, 2), (3, 6, 12, 24), (1, 2, 3)),
        text_config=BertConfig(num_hidden_layers=0, vocab_size=8),
        disable_custom_kernels=True,
    )
    whole = GroundingDinoForObjectDetection(config).eval()
    del whole.model.text_backbone, whole.model.text_projection
    return Skeleton(whole, "grounding-dino", source)


def image_graph(name: str, height: int, width: int) -> Graph:
    """Grounding DINO for images of this size."""
    # A check of shapes within the graph, for which ONNX has no operator; the shapes are constants here.
    modeling.torch_compilable_check = lambda *_, **__: None
    parts = skeleton()
    recipe = fill(parts)
    whole = parts.module
    module = ImageToQueries(whole, height, width).eval()
    generator = torch.Generator().manual_seed(1)
    tokens = module.positions.shape[1]
    inputs = {
        "image": torch.rand(1, 3, height, width, generator=generator) * 2 - 1,
        "text": torch.rand(len(CAPTION), 256, generator=generator) * 2 - 1,
        "selected": torch.randperm(tokens, generator=generator)[: whole.config.num_queries],
    }
    if tokens < whole.config.num_queries:
        raise ValueError(f"an image of {height}x{width} has {tokens} tokens, fewer than the {whole.config.num_queries} queries")
    return Graph(f"{name}@{height}x{width}", module, inputs, ("out",), recipe, ("transformers",), OMITTED)

"""Which scale each tensor of a network has, by its official key: what `bench/src/weights` and the test weights of
`packages/models` say in TypeScript. Most have the variance 1 / inputs, a little more in front of activations.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .procedural import Spec, digest, values

#: Of all networks here.
SEED = 7


@dataclass(frozen=True)
class Uniform:
    """Uniform in [offset - scale, offset + scale]."""

    scale: float
    offset: float = 0.0


@dataclass(frozen=True)
class Gain:
    """Variance gain^2 / inputs."""

    gain: float


#: Pattern of the official key, searched; the first that is found decides.
Rules = tuple[tuple[str, Uniform | Gain], ...]

_GENERAL: Rules = (
    (r"running_mean$", Uniform(0.1)),
    (r"running_var$", Uniform(0.3, 1)),
    (r"bias$", Uniform(0.1)),
)
_NORM = Uniform(0.2, 1)

_SWIN: Rules = (
    (r"relative_position_bias_table$", Uniform(0.5)),
    (r"(attn\.proj|mlp\.fc2)\.weight$", Gain(0.5)),
)
_DEAOT: Rules = (
    (r"linear_Q[VK]\.weight$", Gain(1.4)),
    (r"^decoder\.conv_out\.weight$", Gain(7.8)),
    (r"^decoder\.(conv|adapter)_.*weight$", Gain(1.3)),
    (r"^patch_wise_id_bank\.weight$", Gain(2)),
)
RECIPES: Mapping[str, Rules] = {
    "plain": (),
    "deaot-mobilenet-v2": (*_DEAOT, (r"^encoder\..*weight$", Gain(1.35))),
    "deaot-resnet-50": (
        *_DEAOT,
        (r"^encoder\..*\.conv3\.weight$", Gain(0.4)),
        (r"^encoder\..*\.downsample\.0\.weight$", Gain(1)),
        (r"^encoder\..*weight$", Gain(1.35)),
    ),
    "deaot-swin-b": (*_DEAOT, *_SWIN),
    "sam": (
        (r"pos_embed$", Uniform(0.3)),
        (r"rel_pos_[hw]$", Uniform(0.1)),
        (r"(attn\.proj|mlp\.lin2)\.weight$", Gain(0.5)),
    ),
    "sam-decoder": (
        (r"positional_encoding_gaussian_matrix$", Uniform(1.7)),
        (r"(_embed|point_embeddings\.\d|iou_token)\.weight$", Uniform(1)),
    ),
    "grounding-dino": (
        (r"level_embed$|tgt_embed\.weight$", Uniform(0.8)),
        (r"gamma_[vl]$", Uniform(0.2, 0.4)),
        (r"relative_position_bias_table$", Uniform(0.5)),
        (r"sampling_offsets\.weight$", Gain(0.5)),
        (r"sampling_offsets\.bias$", Uniform(2)),
        (r"(in_proj_weight|out_proj\.weight|value_proj\.weight|output_proj\.weight)$", Gain(1.4)),
        (r"fusion_layers\.\d+\.attn\..*weight$", Gain(1.4)),
        (r"attn\.qkv\.weight$", Gain(1.4)),
    ),
}


def spec(rules: Rules, name: str, shape: tuple[int, ...]) -> Spec:
    for pattern, rule in (*rules, *_GENERAL):
        if re.search(pattern, name):
            break
    else:
        rule = _NORM if len(shape) == 1 and name.endswith("weight") else Gain(1)
    # A norm's scale is one whatever a pattern says of the layers around it.
    if isinstance(rule, Gain) and len(shape) == 1:
        rule = _NORM
    if isinstance(rule, Uniform):
        return Spec(name, shape, rule.scale, rule.offset)
    return Spec(name, shape, rule.gain * math.sqrt(3 / math.prod(shape[1:])))


@dataclass(frozen=True)
class Source:
    """Where a tensor of a module comes from: an official tensor, or one third of its rows (query, key, value)."""

    name: str
    third: int | None = None


@dataclass(frozen=True)
class Recipe:
    """The weights that a module was given."""

    specs: tuple[Spec, ...]
    seed: int

    @property
    def sha256(self) -> str:
        return digest(self.specs, self.seed)


def same_name(name: str) -> Source | None:
    return Source(name)


@dataclass(frozen=True)
class Skeleton:
    """A module without its weights."""

    module: nn.Module
    #: One of RECIPES.
    recipe: str
    #: Where each tensor of the state dict comes from; None for one that is no weight.
    source: Callable[[str], Source | None] = same_name

    def sources(self) -> dict[str, Source]:
        return {key: origin for key in self.module.state_dict() if (origin := self.source(key)) is not None}

    def plan(self) -> Recipe:
        """The weights that the module needs; it may be on the device `meta`."""
        state = self.module.state_dict()
        shapes: dict[str, tuple[int, ...]] = {}
        for key, origin in self.sources().items():
            shape = tuple(state[key].shape)
            if origin.third is not None:
                shape = (3 * shape[0], *shape[1:])
            if shapes.setdefault(origin.name, shape) != shape:
                raise ValueError(f"{key} has another shape than {origin.name}, {shape} and {shapes[origin.name]}")
        return Recipe(tuple(spec(RECIPES[self.recipe], name, shape) for name, shape in shapes.items()), SEED)


@torch.no_grad()
def fill(skeleton: Skeleton) -> Recipe:
    """Gives a module its procedural weights."""
    state = skeleton.module.state_dict()
    recipe = skeleton.plan()
    specs = {entry.name: entry for entry in recipe.specs}
    cache: dict[str, Tensor] = {}
    for key, origin in skeleton.sources().items():
        if origin.name not in cache:
            # Thirds of a tensor are near each other; two at a time are weight and bias.
            while len(cache) > 1:
                del cache[next(iter(cache))]
            cache[origin.name] = torch.from_numpy(values(specs[origin.name], SEED))
        whole = cache[origin.name]
        state[key].copy_(whole if origin.third is None else whole.chunk(3)[origin.third])
    return recipe

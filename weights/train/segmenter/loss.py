"""What a mask costs: normalised focal loss (Sofiiuk et al., RITM, 2021) and soft Dice, and the error of the predicted IoU."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

FOCUS = 2.0
#: A single point may mean any of three masks: only the best of them is taught. The first mask learns what is most likely.
FIRST_OF_POINT, BEST_OF_OTHERS = 0.3, 0.3
IOU_WEIGHT = 0.5


def mask_cost(logits: Tensor, target: Tensor) -> Tensor:
    """logits: float32 [M, K, h, w]; target: [M, h, w], share of each cell that is object -> [M, K]."""
    t = target[:, None].expand_as(logits)
    entropy = F.binary_cross_entropy_with_logits(logits, t, reduction="none")
    with torch.no_grad():
        weight = (logits.sigmoid() - t).abs() ** FOCUS + 1e-3
    focal = (weight * entropy).sum((2, 3)) / weight.sum((2, 3))
    # The focal part is normalised by its weights, so it stays large where little is wrong: scaled by how much that is.
    amount = (weight.sum((2, 3)) / t.sum((2, 3)).clamp(min=1.0)).clamp(max=1.0).sqrt()
    p = logits.sigmoid()
    dice = 1 - (2 * (p * t).sum((2, 3)) + 1) / (p.sum((2, 3)) + t.sum((2, 3)) + 1)
    return focal * amount + dice + F.binary_cross_entropy_with_logits(logits, t, reduction="none").mean((2, 3))


def intersection_over_union(logits: Tensor, target: Tensor) -> Tensor:
    """[M, K, h, w] and [M, h, w] -> [M, K]."""
    a, b = logits > 0, target[:, None] > 0.5
    return (a & b).sum((2, 3)) / (a | b).sum((2, 3)).clamp(min=1)


def total_cost(logits: Tensor, iou: Tensor, target: Tensor, single: Tensor) -> tuple[Tensor, Tensor]:
    """logits: [M, 4, h, w]; iou: [M, 4]; single: [M], prompts of one point and nothing else.
    Returns the cost and the true IoU of each mask [M, 4]."""
    logits = logits.float()
    costs = mask_cost(logits, target)
    best = costs[:, 1:].min(1).values
    each = torch.where(single, FIRST_OF_POINT * costs[:, 0] + best, costs[:, 0] + BEST_OF_OTHERS * best)
    with torch.no_grad():
        truth = intersection_over_union(logits, target)
    return each.mean() + IOU_WEIGHT * ((iou.float() - truth) ** 2).mean(), truth

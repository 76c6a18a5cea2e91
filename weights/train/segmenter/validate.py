"""Mean IoU on fixed scenes of held-out pictures, as a user would get it without the zoom: the number that chooses a checkpoint."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from clips.generator import Materials
from deaot.model import IMAGE_MEAN, IMAGE_STD

from .clicks import box_of, first_click, next_click
from .model import FRAME, Prompts, Segmenter, Trunk
from .scenes import Scene, SceneGenerator

MASKS_OF_SCENE = 2
CLICKS = 5


def network_input(scenes: list[Scene]) -> Tensor:
    """[B, 3, S, S], zeros where there is no picture."""
    x = torch.from_numpy(np.stack([s.image for s in scenes])).float() / 255
    x = ((x - torch.tensor(IMAGE_MEAN)) / torch.tensor(IMAGE_STD)).permute(0, 3, 1, 2)
    for i, s in enumerate(scenes):
        x[i, :, s.valid[0] :], x[i, :, :, s.valid[1] :] = 0, 0
    return x.contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def feature_maps(trunk: Trunk, scenes: list[Scene]) -> list[list[Tensor]]:
    """The encoder's maps of each scene, bfloat16."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        maps = trunk(network_input(scenes))
    return [[m[i : i + 1].bfloat16() for m in maps] for i in range(len(scenes))]


def iou(a: np.ndarray, b: np.ndarray) -> float:
    union = np.logical_or(a, b).sum()
    return 1.0 if union == 0 else float(np.logical_and(a, b).sum() / union)


class Validation:
    """validation(model): mean IoU after 1, 3 and 5 clicks, of the best of three masks for the first, and for the exact box."""

    def __init__(self, materials: Materials, trunk: Trunk, scenes: int) -> None:
        generator = SceneGenerator(materials, FRAME)
        self.scenes, self.masks, self.image_of = [], [], []
        for i in range(scenes):
            rng = np.random.default_rng((7, i))
            scene = generator.scene(rng)
            for identity in rng.permutation(scene.objects)[:MASKS_OF_SCENE]:
                self.masks.append(scene.labels == identity)
                self.image_of.append(i)
            self.scenes.append(scene)
        self.maps = [maps for i in range(0, scenes, 8) for maps in feature_maps(trunk, self.scenes[i : i + 8])]

    @torch.no_grad()
    def __call__(self, model: Segmenter) -> dict[str, float]:
        model.eval()
        scores: dict[str, list[float]] = {"1": [], "3": [], "5": [], "best": [], "box": []}
        full = lambda low: cv2.resize(low.float().numpy(), (FRAME, FRAME), interpolation=cv2.INTER_LINEAR) > 0  # noqa: E731
        low = FRAME // 4
        nowhere = torch.full((1, 4), torch.nan)
        zero = torch.zeros(1, dtype=torch.long)
        for i, maps in enumerate(self.maps):
            masks = [m for m, owner in zip(self.masks, self.image_of) if owner == i]
            with torch.autocast("cpu", dtype=torch.bfloat16):
                encoded = model.encode([m.to(memory_format=torch.channels_last) for m in maps])
                for mask in masks:
                    box = torch.from_numpy(box_of(mask))[None]
                    logits, _ = model.decode(encoded, zero, Prompts(torch.zeros(1, 0, 2), torch.zeros(1, 0, dtype=torch.long), box, torch.zeros(1, low, low)))
                    scores["box"].append(iou(full(logits[0, 0]), mask))
                    points, labels, previous = [first_click(mask)], [1], torch.zeros(1, low, low)
                    for click in range(1, CLICKS + 1):
                        logits, predicted_iou = model.decode(encoded, zero, Prompts(torch.tensor([points]), torch.tensor([labels]), nowhere, previous))
                        k = 1 + int(predicted_iou[0, 1:].argmax()) if click == 1 else 0
                        predicted = full(logits[0, k])
                        if click == 1:
                            scores["best"].append(max(iou(full(logits[0, j]), mask) for j in (1, 2, 3)))
                        if str(click) in scores:
                            scores[str(click)].append(iou(predicted, mask))
                        further = next_click(predicted, mask)
                        if further is not None:
                            points.append(further[0])
                            labels.append(further[1])
                        previous = logits[:, k].float()
        model.train()
        return {key: float(np.mean(values)) for key, values in scores.items()}

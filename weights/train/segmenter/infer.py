"""Masks of one picture from clicks and boxes, as the product makes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

from deaot.goldens import prepare

from .model import FRAME, Prompts, Segmenter, Trunk

#: Side of the square that is looked at again, as a multiple of the longer side of the first prediction's box.
ZOOM_MARGIN = 2.0
#: The same at least, as a share of the picture's longer side; from this share on the picture is not cut.
ZOOM_LEAST, ZOOM_MOST = 0.2, 0.85
#: Pieces without a click stay from this share of the clicked pieces' area on, if they lie within this share of the picture's
#: longer side: a pole in front of a thing divides it.
PIECE_LEAST, PIECE_GAP = 0.3, 0.02


@dataclass
class Clicks:
    """In pixels of the picture. labels: 1 the object, 0 not."""

    points: list[tuple[float, float]] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    box: tuple[float, float, float, float] | None = None


@dataclass(frozen=True)
class Window:
    """The square [x, x + side) x [y, y + side) of the picture, or the whole of it, that fills the network's frame."""

    x: float
    y: float
    side: float

    @property
    def scale(self) -> float:
        return FRAME / self.side


def frame_input(image: np.ndarray) -> tuple[Tensor, float]:
    """uint8 [H, W, 3] -> [1, 3, 512, 512], zeros at the right and at the bottom, and the scale."""
    h, w = image.shape[:2]
    k = FRAME / max(h, w)
    size = (max(1, int(w * k + 0.5)), max(1, int(h * k + 0.5)))
    resized = cv2.resize(image, size, interpolation=cv2.INTER_AREA if k < 1 else cv2.INTER_LINEAR)
    x = prepare(torch.from_numpy(np.ascontiguousarray(resized)))
    return F.pad(x, (0, FRAME - size[0], 0, FRAME - size[1])), k


class Predictor:
    """set_image, then any number of predict."""

    clicks, boxes = True, True

    def __init__(self, trunk: Trunk, model: Segmenter, zoom: bool = True) -> None:
        self.trunk, self.model, self.zoom = trunk, model.eval(), zoom

    @classmethod
    def load(cls, weights: Path, tracker: Path, zoom: bool = True) -> "Predictor":
        model = Segmenter()
        model.load_state_dict({k: v.float() for k, v in load_file(str(weights)).items()}, strict=True)
        return cls(Trunk(tracker), model, zoom)

    @torch.no_grad()
    def set_image(self, image: np.ndarray) -> None:
        """uint8 RGB [H, W, 3]."""
        self.image = image
        x, _ = frame_input(image)
        self.whole = Window(0, 0, max(image.shape[:2]))
        self.encoded = {self.whole: self.model.encode(self.trunk(x))}

    @torch.no_grad()
    def _encode(self, window: Window):
        if window not in self.encoded:
            m = np.array([[window.scale, 0, -window.x * window.scale], [0, window.scale, -window.y * window.scale]])
            # Shrinking by more than a little needs an average; the crops of interest are enlarged.
            crop = cv2.warpAffine(self.image, m, (FRAME, FRAME), flags=cv2.INTER_AREA if window.scale < 1 else cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=(124, 116, 104))
            self.encoded[window] = self.model.encode(self.trunk(prepare(torch.from_numpy(crop))))
        return self.encoded[window]

    @torch.no_grad()
    def _pass(self, window: Window, clicks: Clicks, previous: Tensor | None) -> tuple[Tensor, float]:
        """previous: logits of the picture [H, W] -> logits of the picture and the predicted IoU."""
        k = window.scale
        at = lambda x, y: ((x + 0.5 - window.x) * k - 0.5, (y + 0.5 - window.y) * k - 0.5)  # noqa: E731
        kept = [(at(*p), label) for p, label in zip(clicks.points, clicks.labels) if self._inside(window, p)]
        box = [torch.nan] * 4
        if clicks.box is not None:
            x0, y0, x1, y1 = clicks.box
            box = [(x0 - window.x) * k, (y0 - window.y) * k, (x1 - window.x) * k, (y1 - window.y) * k]
        low = torch.zeros(1, FRAME // 4, FRAME // 4)
        if previous is not None:
            low = self._cut(previous, window)
        prompts = Prompts(
            torch.tensor([p for p, _ in kept], dtype=torch.float32).reshape(1, -1, 2),
            torch.tensor([label for _, label in kept], dtype=torch.long).reshape(1, -1),
            torch.tensor([box], dtype=torch.float32),
            low,
        )
        logits, iou = self.model.decode(self._encode(window), torch.zeros(1, dtype=torch.long), prompts)
        single = len(kept) == 1 and clicks.box is None and previous is None
        i = 1 + int(iou[0, 1:].argmax()) if single else 0
        return self._paste(logits[0, i].float(), window), float(iou[0, i])

    @staticmethod
    def _inside(window: Window, p: tuple[float, float]) -> bool:
        return window.x <= p[0] < window.x + window.side and window.y <= p[1] < window.y + window.side

    def _cut(self, logits: Tensor, window: Window) -> Tensor:
        """[H, W] -> [1, 128, 128] of the window; outside of the picture lies background."""
        n = FRAME // 4
        k = n / window.side
        m = np.array([[k, 0, (0.5 - window.x) * k - 0.5], [0, k, (0.5 - window.y) * k - 0.5]])
        out = cv2.warpAffine(logits.numpy(), m, (n, n), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=-8.0)
        return torch.from_numpy(out)[None]

    def _paste(self, low: Tensor, window: Window) -> Tensor:
        """[128, 128] of the window -> [H, W]; outside of the window lies background."""
        h, w = self.image.shape[:2]
        k = window.side / (FRAME // 4)
        m = np.array([[k, 0, window.x + 0.5 * k - 0.5], [0, k, window.y + 0.5 * k - 0.5]])
        out = cv2.warpAffine(low.numpy(), m, (w, h), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=-8.0)
        return torch.from_numpy(out)

    def window_of(self, mask: np.ndarray, clicks: Clicks) -> Window:
        """The square around a mask and the positive clicks."""
        ys, xs = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
        spans = [(x, y, x, y) for (x, y), label in zip(clicks.points, clicks.labels) if label == 1]
        if len(ys):
            spans.append((xs[0], ys[0], xs[-1] + 1, ys[-1] + 1))
        if clicks.box is not None:
            spans.append(clicks.box)
        x0, y0, x1, y1 = (f(s[i] for s in spans) for i, f in enumerate((min, min, max, max)))
        side = max(ZOOM_MARGIN * max(x1 - x0, y1 - y0), ZOOM_LEAST * self.whole.side)
        if side > ZOOM_MOST * self.whole.side:
            return self.whole
        h, w = self.image.shape[:2]
        place = lambda centre, size: (size - side) / 2 if side >= size else min(max(0, centre - side / 2), size - side)  # noqa: E731
        return Window(float(place((x0 + x1) / 2, w)), float(place((y0 + y1) / 2, h)), float(side))

    def predict(self, clicks: Clicks, previous: Tensor | None = None) -> tuple[Tensor, float]:
        """previous: logits of the picture from the last call with fewer clicks -> logits [H, W] (mask: > 0), predicted IoU."""
        logits, iou = (previous, 0.0) if previous is not None else self._pass(self.whole, clicks, None)
        window = self.window_of(logits.numpy() > 0, clicks) if self.zoom else self.whole
        if previous is not None or window != self.whole:
            logits, iou = self._pass(window, clicks, logits)
        return clicked_pieces(logits, clicks), iou


def gap(a: np.ndarray, b: np.ndarray) -> int:
    """Pixels between two boxes x, y, width, height: the larger one of both axes, negative where they overlap."""
    return max(max(a[i] - b[i] - b[i + 2], b[i] - a[i] - a[i + 2]) for i in (0, 1))


def clicked_pieces(logits: Tensor, clicks: Clicks) -> Tensor:
    """Pieces of the mask that no positive click asks for become background, unless they are large and near one that does."""
    count, pieces, stats, _ = cv2.connectedComponentsWithStats((logits.numpy() > 0).astype(np.uint8))
    asked = {int(pieces[int(round(y)), int(round(x))]) for (x, y), label in zip(clicks.points, clicks.labels) if label == 1} - {0}
    if not asked:
        return logits
    least = PIECE_LEAST * sum(stats[i, cv2.CC_STAT_AREA] for i in asked)
    reach = PIECE_GAP * max(logits.shape)
    keep = np.zeros(count, bool)
    keep[[0, *asked]] = True
    for i in set(range(1, count)) - asked:
        keep[i] = stats[i, cv2.CC_STAT_AREA] > least and any(gap(stats[i], stats[j]) <= reach for j in asked)
    return torch.where(torch.from_numpy(keep[pieces]), logits, torch.full_like(logits, -4.0))

"""Tracking as the product does it: frames in, masks out, strays dropped, small objects looked at through a window.

The rules of the product (packages/pipeline/src/tracking/zoom.ts, video-tracker.ts and packages/models/src/tracking/network-size.ts).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from deaot import Engine
from deaot.goldens import prepare
from strays import drop_strays

#: Sides of the window, as multiples of those of the box around the objects; sides at least, as shares of the frame's.
MARGIN, LEAST = 1.5, 0.5
#: A window that enlarges what it shows by less than this is not worth it.
LEAST_FACTOR = 1.1
#: Objects whose box, enlarged by this, no longer fits into the window are looked for in the whole frame.
ROOM = 1.25

#: Pixels within which a window's rim cuts off what is seen.
RIM = 2
#: Share of an object's pixels at either end of each axis that the window does not follow: a fragment would drag it along.
OUTERMOST = 0.05

Size = tuple[int, int]
Box = tuple[tuple[int, int], tuple[int, int]]
"""Rows and columns, first and behind the last."""


def network_size(height: int, width: int, long_edge: int) -> Size:
    """Sides 16 k + 1 nearest to the frame scaled to at most `long_edge`."""
    return snapped((height, width), min(1.0, long_edge / max(height, width)))


def snapped(size: Size, scale: float) -> Size:
    return tuple(16 * round((int(side * scale) - 1) / 16) + 1 for side in size)  # type: ignore[return-value]


def window_input_size(window: Size, whole: Size, long_edge: int) -> Size:
    """Input size of a window: never more pixels than the whole frame would have."""
    most = int(np.prod(network_size(*whole, long_edge)))
    scale = (np.prod(whole) / np.prod(window)) ** 0.5 * min(1.0, long_edge / max(whole))
    size = snapped(window, scale)
    while np.prod(size) > most:
        scale *= 0.99
        size = snapped(window, scale)
    return size


@dataclass
class Extent:
    """Where objects are in a frame: ids present, the box around all of them, and the box around all but their outermost parts."""

    ids: set[int]
    box: Box
    core: Box

    @classmethod
    def of(cls, labels: np.ndarray) -> "Extent | None":
        ids = {int(i) for i in np.unique(labels)} - {0}
        if not ids:
            return None
        ranges = []
        for identity in ids:
            mask = labels == identity
            ranges.append([[span(mask.sum(1 - axis), share) for axis in (0, 1)] for share in (0.0, OUTERMOST)])
        box, core = (tuple((min(r[k][axis][0] for r in ranges), max(r[k][axis][1] for r in ranges)) for axis in (0, 1)) for k in (0, 1))
        return cls(ids, box, core)  # type: ignore[arg-type]


def span(counts: np.ndarray, share: float) -> tuple[int, int]:
    """The first and the behind-the-last index of what is left without `share` of all at either end."""
    most = share * counts.sum()
    return int(np.argmax(counts.cumsum() > most)), len(counts) - int(np.argmax(counts[::-1].cumsum() > most))


def sides(box: Box) -> Size:
    (y0, y1), (x0, x1) = box
    return y1 - y0, x1 - x0


def window_size(frame: Size, reference: Extent) -> Size | None:
    """The window for the objects of a reference frame; none where it would gain nothing."""
    size: Size = tuple(min(f, int(np.ceil(max(MARGIN * s, LEAST * f)))) for s, f in zip(sides(reference.box), frame))  # type: ignore[assignment]
    return size if (np.prod(frame) / np.prod(size)) ** 0.5 >= LEAST_FACTOR else None


def place_window(window: Size, frame: Size, around: Extent | None) -> Box:
    """Around the objects, as far as the frame reaches; without any, in its middle."""
    core = around.core if around else ((0, frame[0]), (0, frame[1]))
    corner = [min(max(0, (low + high - w) // 2), f - w) for (low, high), w, f in zip(core, window, frame)]
    return tuple((c, c + w) for c, w in zip(corner, window))  # type: ignore[return-value]


def fits_into(window: Size, frame: Size, seen: Extent | None, before: Extent | None, ids: set[int]) -> bool:
    """Whether all of the objects are seen, have room in a window, and did not reach the rim of one around where they were a frame before."""
    if seen is None or not ids <= seen.ids:
        return False
    if any(w < f and ROOM * s > w for w, f, s in zip(window, frame, sides(seen.core))):
        return False
    rims = zip(place_window(window, frame, before), seen.box, frame)
    return all((low == 0 or box_low > low + RIM) and (high == f or box_high < high - RIM) for (low, high), (box_low, box_high), f in rims)


class View:
    """An engine that sees frames through windows of one size, and what it is to see."""

    def __init__(self, engine: Engine, window: Size, frame: Size, long_edge: int) -> None:
        self.engine, self.window, self.frame = engine, window, frame
        self.size = window_input_size(window, frame, long_edge)

    def place(self, around: Extent | None) -> tuple[slice, slice]:
        rows, columns = place_window(self.window, self.frame, around)
        return slice(*rows), slice(*columns)

    def image(self, picture: np.ndarray, at: tuple[slice, slice]) -> Tensor:
        resized = cv2.resize(np.ascontiguousarray(picture[at]), (self.size[1], self.size[0]), interpolation=cv2.INTER_CUBIC)
        return prepare(torch.from_numpy(resized))

    @staticmethod
    def labels(labels: np.ndarray, at: tuple[slice, slice]) -> Tensor:
        return torch.from_numpy(labels[at].astype(np.int64))[None]


class FrameTracker:
    """`engine` makes engines; `strays`: drop or keep; `zoom`: auto or off."""

    def __init__(self, engine, long_edge: int, strays: str = "drop", zoom: str = "auto") -> None:
        self.make, self.long_edge, self.strays, self.zoom = engine, long_edge, strays, zoom

    def add_reference(self, picture: np.ndarray, labels: np.ndarray, objects: int) -> None:
        """The first frame: uint8 RGB [H, W, 3] and its labels [H, W]."""
        frame: Size = labels.shape  # type: ignore[assignment]
        extent = Extent.of(labels)
        assert extent is not None, "nothing is labelled"
        self.ids = extent.ids
        window = window_size(frame, extent) if self.zoom == "auto" else None
        self.whole = View(self.make(), frame, frame, self.long_edge)
        self.near = View(self.make(), window, frame, self.long_edge) if window else None
        for view in (self.whole, self.near):
            if view is not None:
                at = view.place(extent)
                view.engine.add_reference(view.image(picture, at), view.labels(labels, at), objects)
        self.picture, self.found, self.before, self.extent = picture, labels, extent, extent
        self.view = self.near or self.whole
        self.zoomed = 0

    def step(self, picture: np.ndarray) -> np.ndarray:
        """Labels [H, W] of the next frame."""
        frame = self.whole.frame
        view = self.near if self.near and fits_into(self.near.window, frame, self.extent, self.before, self.ids) else self.whole
        if view is not self.view:
            # The frame before, seen as this one will be: a jump of the window would look like one of the objects.
            at = view.place(self.extent)
            view.engine.propagate(view.image(self.picture, at))
            view.engine.update_memory(view.labels(self.found, at))
            self.view = view
        self.zoomed += view is self.near
        at = view.place(self.extent)
        view.engine.propagate(view.image(picture, at))
        found = np.zeros(frame, np.int64)
        found[at] = view.engine.decode(view.window).argmax(1)[0].numpy()
        if self.strays == "drop":
            found = drop_strays(self.found, found)
        view.engine.update_memory(view.labels(found, at))
        self.picture, self.found, self.before, self.extent = picture, found, self.extent, Extent.of(found)
        return found

"""Clips of one difficulty each: what trackers lose. For measuring on held-out pictures, and for training, where they are mixed in.

| kind | what happens |
|---|---|
| `turn` | a thing turns about its vertical axis; up to half of what is seen then was not seen before |
| `unfold` | parts that were hidden behind a thing swing out of it; they belong to it |
| `lookalike` | a second picture of the same thing comes into the frame and passes near; it is background |
| `pass` | a thing moves behind or in front of something that stands, and on |
| `thin` | poles and strings of one to three pixels belong to a thing |
| `fast` | small things that move by about their own size from frame to frame |
| `blur` | things that move fast while the shutter is open |
"""

from __future__ import annotations

import cv2
import numpy as np

from .generator import ClipGenerator, Layer, choice, premultiply
from .motion import Camera, Deformation, ObjectMotion, Rng, Turn, log_uniform, similarity, translation
from .photometric import Look

KINDS = ("turn", "unfold", "lookalike", "pass", "thin", "fast", "blur")
#: Weights of the kinds in training: what loses most comes most often.
WEIGHTS = {"turn": 1.5, "unfold": 0.7, "lookalike": 3.5, "pass": 2.5, "thin": 1.5, "fast": 1.5, "blur": 0.8}


class Along:
    """Motion on a straight line through `centre` at time `meets`, with a little turning; `then` is the thing's own motion."""

    def __init__(self, velocity: np.ndarray, meets: float, then: ObjectMotion) -> None:
        self.velocity, self.meets, self.then = velocity, meets, then

    def at(self, t: float, centre: np.ndarray) -> np.ndarray:
        x, y = self.velocity * (t - self.meets)
        return translation(x, y) @ self.then.at(t, centre)


class ToAndFro:
    """Motion along a line within `reach` of the start, `velocity` at first; `then` is the thing's own motion."""

    def __init__(self, velocity: np.ndarray, reach: float, then: ObjectMotion) -> None:
        self.velocity, self.reach, self.then = velocity, reach, then

    def at(self, t: float, centre: np.ndarray) -> np.ndarray:
        speed = float(np.hypot(*self.velocity)) + 1e-6
        x, y = self.velocity / speed * self.reach * np.sin(speed * t / self.reach)
        return translation(x, y) @ self.then.at(t, centre)


class Swing:
    """The motion of a body, and a part's own rotation about a joint, from 0 at time 0."""

    def __init__(self, body: ObjectMotion | None, body_centre: np.ndarray, joint: np.ndarray, rate: float, most: float) -> None:
        self.body, self.body_centre, self.joint, self.rate, self.most = body, body_centre, joint, rate, most

    def at(self, t: float, centre: np.ndarray) -> np.ndarray:
        angle = self.most * np.tanh(self.rate * t / max(abs(self.most), 1e-3))
        m = translation(*self.joint) @ similarity(float(angle), 1.0) @ translation(*-self.joint)
        return m if self.body is None else self.body.at(t, self.body_centre) @ m


class KindClips(ClipGenerator):
    """As `ClipGenerator`; every clip is of one kind, `kind` or a random one by `WEIGHTS`. `start` is the time of the first frame: later than 0, things
    have moved already."""

    def __init__(self, *args, kind: str | None = None, start: float = 0.0, **options) -> None:
        super().__init__(*args, **options)
        self.start = start
        if kind is not None and kind not in KINDS:
            raise ValueError(f"kind is one of {', '.join(KINDS)}, not {kind}")
        self.kind = kind

    def _attempt(self, rng: Rng) -> tuple[np.ndarray, np.ndarray]:
        shares = np.array([WEIGHTS[kind] for kind in KINDS])
        kind = self.kind or str(rng.choice(KINDS, p=shares / shares.sum()))
        # Frame by frame, as a video: each kind is hard enough without jumps.
        self.times = self.start + np.arange(self.frames) * rng.uniform(0.8, 1.5)
        world, place, _, video = self._background(rng)
        while video is not None:
            world, place, _, video = self._background(rng)
        layers: list[Layer] = []
        for identity in range(1, 2 + int(rng.random() < 0.4)):
            layers += getattr(self, f"_{kind}")(rng, identity, world)
        look = Look(rng, self.height, self.width)
        return self._render(world, place, layers, Camera(rng, self.height, self.width), look)

    # --- things ---------------------------------------------------------------------------------------------------

    def _thing(self, rng: Rng, identity: int, ground: np.ndarray, low: float = 0.015, high: float = 0.12, centre: np.ndarray | None = None) -> Layer:
        """A cut-out with the usual motion, wholly in the frame at first."""
        if centre is None:
            centre = np.array([rng.uniform(0.25, 0.75) * self.width, rng.uniform(0.3, 0.7) * self.height])
        while True:
            rgb, alpha = self._pasted_patch(rng)
            layer = self._paste(rng, rgb, alpha, identity, log_uniform(rng, low, high) * self.zoom, ground, centre)
            if layer is not None:
                return layer

    def _texture(self, rng: Rng, height: int, width: int) -> np.ndarray:
        """A piece of a photograph, float32 [h, w, 3]."""
        photo = self.m.load(self.m.photos[choice(rng, self.m.photo_ids)]["file"])
        side = int(min(photo.shape[:2]) * rng.uniform(0.3, 0.8))
        y, x = (int(rng.integers(n - side + 1)) for n in photo.shape[:2])
        return cv2.resize(np.ascontiguousarray(photo[y : y + side, x : x + side]), (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)

    @staticmethod
    def _extent(layer: Layer) -> float:
        return float(np.sqrt(layer.rgba[..., 3].sum() + 1))

    # --- kinds: each gives the layers of one thing, back to front ------------------------------------------------------

    def _turn(self, rng: Rng, identity: int, ground: np.ndarray) -> list[Layer]:
        layer = self._thing(rng, identity, ground, 0.02, 0.15)
        h, w = layer.rgba.shape[:2]
        back = self._texture(rng, h, w)
        inside = layer.rgba[..., 3] > 0.5
        # The other side of a thing resembles it, more or less.
        colour = layer.rgba[..., :3][inside].mean(0) if inside.any() else back.mean((0, 1))
        back = np.clip(back + rng.uniform(0.3, 1.0) * (colour - back.mean((0, 1))), 0, 255)
        layer.turn = Turn(rng, layer.rgba, np.dstack([back, np.ones((h, w), np.float32)]).astype(np.float32))
        return [layer]

    def _unfold(self, rng: Rng, identity: int, ground: np.ndarray) -> list[Layer]:
        body = self._thing(rng, identity, ground, 0.02, 0.1)
        extent = self._extent(body)
        parts = []
        for _ in range(int(rng.integers(1, 4))):
            length, width = extent * rng.uniform(0.5, 1.0), max(3.0, extent * rng.uniform(0.06, 0.25))
            h, w = int(length) + 8, int(width) + 8
            mask = np.zeros((h, w), np.uint8)
            cv2.ellipse(mask, (w // 2, h // 2), (int(width / 2), int(length / 2)), 0, 0, 360, 1, -1)
            texture = self._texture(rng, h, w)
            inside = body.rgba[..., 3] > 0.5
            colour = body.rgba[..., :3][inside].mean(0) if inside.any() else texture.mean((0, 1))
            texture = np.clip(texture + rng.uniform(0, 0.9) * (colour - texture.mean((0, 1))), 0, 255)
            # Along the body at first, one end at the joint within it.
            joint = body.centre + rng.normal(0, 0.12, 2) * extent
            start = rng.uniform(-0.5, 0.5)
            place = translation(*joint) @ similarity(start, 1.0) @ translation(-w / 2, -h * rng.uniform(0.35, 0.55))
            most = float(rng.choice([-1.0, 1.0])) * rng.uniform(0.7, 2.0)
            part = Layer(premultiply(texture, cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.7)), place, identity,
                         Swing(body.motion, body.centre, joint, np.sign(most) * np.radians(log_uniform(rng, 6, 25)), most), None, body.follow_camera, centre=joint)
            parts.append(part)
        return [*parts, body]

    def _lookalike(self, rng: Rng, identity: int, ground: np.ndarray) -> list[Layer]:
        while True:
            rgb, alpha = self._pasted_patch(rng)
            area = log_uniform(rng, 0.015, 0.1) * self.zoom
            centre = np.array([rng.uniform(0.3, 0.7) * self.width, rng.uniform(0.35, 0.65) * self.height])
            layer = self._paste(rng, rgb, alpha, identity, area, ground, centre)
            twin = self._paste(rng, rgb, alpha, 0, area * log_uniform(rng, 0.7, 1.4), ground, centre + rng.normal(0, 0.3, 2) * np.sqrt(area * self.height * self.width))
            if layer is not None and twin is not None:
                break
        # Outside at time 0, beside the thing when most of the clip has passed.
        meets = float(self.times[-1] * rng.uniform(0.5, 1.1)) + 0.5
        side = float(rng.choice([-1.0, 1.0]))
        start = (self.width - twin.centre[0] if side > 0 else twin.centre[0]) + self._extent(twin)
        twin.motion = Along(np.array([-side * start / meets, rng.normal(0, 0.5)]), meets, ObjectMotion(rng, self._extent(twin)))
        return [twin, layer] if rng.random() < 0.6 else [layer, twin]

    def _pass(self, rng: Rng, identity: int, ground: np.ndarray) -> list[Layer]:
        mover = self._thing(rng, identity, ground, 0.01, 0.08)
        extent = self._extent(mover)
        meets = float(self.times[-1] * rng.uniform(0.4, 0.8)) + 0.5
        direction = rng.uniform(-0.3, 0.3) + (np.pi if rng.random() < 0.5 else 0.0)
        distance = extent * rng.uniform(1.5, 3.0)
        velocity = np.array([np.cos(direction), np.sin(direction)]) * distance / meets
        middle = np.clip(mover.centre + velocity * meets, [0.2 * self.width, 0.25 * self.height], [0.8 * self.width, 0.75 * self.height])
        standing = self._thing(rng, 0, ground, 0.01, 0.1, middle)
        standing.motion, standing.follow_camera, mover.follow_camera = None, True, True
        mover.motion = Along(velocity, 0.0, ObjectMotion(rng, extent * 0.3))
        return [standing, mover] if rng.random() < 0.5 else [mover, standing]

    def _thin(self, rng: Rng, identity: int, ground: np.ndarray) -> list[Layer]:
        layer = self._thing(rng, identity, ground, 0.01, 0.08)
        h, w = layer.rgba.shape[:2]
        reach = int(self._extent(layer) * rng.uniform(0.4, 1.2)) + 4
        rgba = cv2.copyMakeBorder(layer.rgba, reach, reach, reach, reach, cv2.BORDER_CONSTANT)
        layer.place = layer.place @ translation(-reach, -reach)
        lines = np.zeros(rgba.shape[:2], np.float32)
        for _ in range(int(rng.integers(1, 4))):
            ys, xs = np.nonzero(rgba[..., 3] > 0.5)
            if not len(ys):
                break
            i = int(rng.integers(len(ys)))
            angle = rng.uniform(0, 2 * np.pi)
            end = np.array([xs[i], ys[i]]) + np.array([np.cos(angle), np.sin(angle)]) * (reach + rng.uniform(0.2, 0.5) * max(h, w))
            bend = (np.array([xs[i], ys[i]]) + end) / 2 + rng.normal(0, 0.08, 2) * reach
            s = np.linspace(0, 1, 12)[:, None]
            path = (1 - s) ** 2 * np.array([xs[i], ys[i]]) + 2 * s * (1 - s) * bend + s**2 * end
            cv2.polylines(lines, [np.round(path * 16).astype(np.int32)], False, 1.0, int(rng.integers(1, 4)), cv2.LINE_AA, 4)
        colour = rng.uniform(0, 255, 3) if rng.random() < 0.6 else layer.rgba[..., :3][layer.rgba[..., 3] > 0.5].mean(0)
        lines = np.clip(lines, 0, 1)[..., None] * (1 - rgba[..., 3:])
        rgba[..., :3] += lines * colour.astype(np.float32)
        rgba[..., 3:] += lines
        layer.rgba, layer.deformation, layer.shadow = rgba, None, None
        return [layer]

    def _fast(self, rng: Rng, identity: int, ground: np.ndarray) -> list[Layer]:
        layer = self._thing(rng, identity, ground, 0.0015, 0.008)
        extent = self._extent(layer)
        direction = rng.uniform(0, 2 * np.pi)
        velocity = np.array([np.cos(direction), np.sin(direction)]) * extent * log_uniform(rng, 0.4, 1.6)
        layer.motion = ToAndFro(velocity, rng.uniform(0.15, 0.4) * self.height, ObjectMotion(rng, extent))
        layer.blur = rng.uniform(0.1, 0.6)
        return [layer]

    def _blur(self, rng: Rng, identity: int, ground: np.ndarray) -> list[Layer]:
        layer = self._thing(rng, identity, ground, 0.01, 0.1)
        extent = self._extent(layer)
        direction = rng.uniform(0, 2 * np.pi)
        velocity = np.array([np.cos(direction), np.sin(direction)]) * extent * log_uniform(rng, 0.15, 0.5)
        layer.motion = ToAndFro(velocity, rng.uniform(0.15, 0.4) * self.height, ObjectMotion(rng, extent))
        layer.deformation = Deformation(rng, *layer.rgba.shape[:2])
        layer.blur = rng.uniform(0.6, 1.0)
        return [layer]

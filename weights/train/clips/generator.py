"""Composes clips: a photograph under a moving camera, things that move in it, and exact identity masks.

Layers of a clip, from back to front: background (a photograph, or consecutive frames of a fixed real camera), labelled
segments of that same photograph (still, or cut out and moving), pasted cut-outs, and occluders without a label. Pasted
distractors are treated exactly like targets, so that "pasted" does not mean "target".
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from .motion import Camera, Deformation, ObjectMotion, Rng, Turn, frame_times, log_uniform, similarity, translation
from .photometric import Look

#: Weights of 1 to 10 objects.
OBJECT_COUNTS = np.array([0.34, 0.24, 0.15, 0.08, 0.06, 0.04, 0.03, 0.02, 0.02, 0.02])
#: Objects smaller than this share of the first frame are not labelled.
LEAST_AREA = 0.0008


@dataclass
class Layer:
    """Something that is drawn over the background. rgba: premultiplied float32 [h, w, 4], alpha 0..1, colour 0..255."""

    rgba: np.ndarray
    place: np.ndarray
    """Patch coordinates -> frame at time 0."""
    identity: int
    motion: ObjectMotion | None
    deformation: Deformation | None
    follow_camera: bool
    blur: float = 0.0
    """Exposure as a share of the frame interval."""
    shadow: np.ndarray | None = None
    """Patch coordinates -> patch coordinates of a cast shadow: it moves with the object and is background."""
    shadow_depth: float = 0.0
    shadow_blur: float = 0.0
    centre: np.ndarray = field(default_factory=lambda: np.zeros(2))
    turn: Turn | None = None
    """Turns about its own vertical axis: `rgba` is what it looks like at time 0."""

    def matrix(self, t: float, camera: np.ndarray) -> np.ndarray:
        m = self.place
        if self.motion is not None:
            m = self.motion.at(t, self.centre) @ m
        return camera @ m if self.follow_camera else m


class Materials:
    """The prepared pictures of one split, read through memory maps."""

    def __init__(self, folder: Path, validation: bool) -> None:
        self.folder = Path(folder)
        index = json.loads((self.folder / "index.json").read_text())
        self.photos = index["photos"]
        keep = lambda item: item["held_out"] == validation  # noqa: E731
        self.photo_ids = [i for i, p in enumerate(self.photos) if keep(p)]
        self.segments = [s for s in index["segments"] if keep(s)]
        self.things = [s for s in self.segments if s["kind"] == "thing"]
        self.segments_of: dict[int, list[dict]] = {}
        for s in self.segments:
            self.segments_of.setdefault(s["photo"], []).append(s)
        self.cutouts = {kind: [c for c in index["cutouts"] if keep(c) and c["kind"] == kind] for kind in ("stamp", "sprite")}
        self.videos = [v for v in index.get("videos", []) if keep(v)]

    @lru_cache(maxsize=4096)  # noqa: B019
    def load(self, file: str) -> np.ndarray:
        return np.load(self.folder / file, mmap_mode="r")


def choice(rng: Rng, items: list):
    return items[int(rng.integers(len(items)))]


def premultiply(rgb: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """rgb 0..255, alpha 0..1 -> float32 [h, w, 4]."""
    alpha = alpha.astype(np.float32)
    return np.dstack([rgb.astype(np.float32) * alpha[..., None], alpha])


class ClipGenerator:
    """clip(rng) -> frames uint8 [T, H, W, 3] RGB and labels uint8 [T, H, W]."""

    def __init__(self, materials: Materials, height: int, width: int, frames: int, zoom: float = 1.0, objects: int | None = None) -> None:
        """zoom scales the typical object: crops of a large frame hold larger objects than whole small frames.
        objects: exactly that many labelled objects in every clip, instead of one to ten."""
        self.m, self.height, self.width, self.frames, self.zoom = materials, height, width, frames, zoom
        self.objects = objects

    # --- pictures -------------------------------------------------------------------------------------------------

    def _photo_world(self, rng: Rng, photo_id: int) -> tuple[np.ndarray, float]:
        """A photograph, shrunk so that the frame covers 25 to 95 % of its short side, and the scale used."""
        photo = self.m.load(self.m.photos[photo_id]["file"])
        cover = max(self.height / photo.shape[0], self.width / photo.shape[1])
        k = cover * log_uniform(rng, 1.05, 2.2)
        size = (max(self.width, round(photo.shape[1] * k)), max(self.height, round(photo.shape[0] * k)))
        return cv2.resize(np.ascontiguousarray(photo), size, interpolation=cv2.INTER_AREA if k < 1 else cv2.INTER_LINEAR), k

    def _pasted_patch(self, rng: Rng) -> tuple[np.ndarray, np.ndarray]:
        """(rgb uint8, alpha float32) of a random cut-out: stamp, segment of another photograph, sprite or blob."""
        kind = rng.choice(["stamp", "segment", "sprite", "blob"], p=[0.42, 0.33, 0.18, 0.07])
        if kind in ("stamp", "sprite"):
            rgba = self.m.load(choice(rng, self.m.cutouts[kind])["file"])
            rgb, alpha = rgba[..., :3], rgba[..., 3].astype(np.float32) / 255
        elif kind == "segment":
            segment = choice(rng, self.m.things if rng.random() < 0.6 else self.m.segments)
            rgb, alpha, _ = self._segment_patch(segment, 1.0)
        else:
            photo = self.m.load(self.m.photos[choice(rng, self.m.photo_ids)]["file"])
            side = int(rng.integers(100, min(260, min(photo.shape[:2]))))
            y, x = rng.integers(photo.shape[0] - side + 1), rng.integers(photo.shape[1] - side + 1)
            rgb = photo[y : y + side, x : x + side]
            angles = np.sort(rng.uniform(0, 2 * np.pi, size=int(rng.integers(5, 12))))
            radius = side * rng.uniform(0.2, 0.48, size=len(angles))
            points = np.stack([side / 2 + radius * np.cos(angles), side / 2 + radius * np.sin(angles)], 1)
            mask = cv2.fillPoly(np.zeros((side, side), np.uint8), [points.astype(np.int32)], 1)
            alpha = (cv2.GaussianBlur(mask.astype(np.float32), (0, 0), side * 0.04) > 0.5).astype(np.float32)
        if rng.random() < 0.5:
            rgb, alpha = rgb[:, ::-1], alpha[:, ::-1]
        return np.ascontiguousarray(rgb), np.ascontiguousarray(alpha)

    def _segment_patch(self, segment: dict, k: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(rgb, alpha, offset in the photograph scaled by k) of a segment, with a margin of two pixels."""
        mask = self.m.load(segment["file"])
        photo = self.m.load(self.m.photos[segment["photo"]]["file"])
        ys, xs = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
        y0, y1 = max(0, ys[0] - 2), min(mask.shape[0], ys[-1] + 3)
        x0, x1 = max(0, xs[0] - 2), min(mask.shape[1], xs[-1] + 3)
        rgb, alpha = np.ascontiguousarray(photo[y0:y1, x0:x1]), mask[y0:y1, x0:x1].astype(np.float32)
        if k != 1.0:
            size = (max(2, round(rgb.shape[1] * k)), max(2, round(rgb.shape[0] * k)))
            mode = cv2.INTER_AREA if k < 1 else cv2.INTER_LINEAR
            rgb, alpha = cv2.resize(rgb, size, interpolation=mode), cv2.resize(alpha, size, interpolation=mode)
        return rgb, alpha, np.array([x0 * k, y0 * k])

    # --- layers ---------------------------------------------------------------------------------------------------

    def _recolour(self, rng: Rng, rgb: np.ndarray, alpha: np.ndarray, ground: np.ndarray) -> np.ndarray:
        """Half of the time pull mean and contrast towards the background's; always a little jitter."""
        x = rgb.astype(np.float32)
        inside = x[alpha > 0.5]
        if len(inside) and rng.random() < 0.5:
            mean, std = inside.mean(0), inside.std() + 1e-3
            pull = rng.uniform(0.2, 0.9)
            x = (x - mean) * (1 + pull * (np.clip(ground.std() / std, 0.5, 1.6) - 1)) + mean + pull * (ground.reshape(-1, 3).mean(0) - mean) * 0.8
        return np.clip(x * np.exp(rng.normal(0, 0.1, size=3)) + rng.normal(0, 8), 0, 255).astype(np.float32)

    def _soften(self, rng: Rng, alpha: np.ndarray) -> np.ndarray:
        """The blending lottery: hard, slight feather, wide feather, as it came."""
        style = rng.choice(["hard", "feather", "wide", "asis"], p=[0.25, 0.35, 0.15, 0.25])
        if style == "hard":
            return (alpha > 0.5).astype(np.float32)
        if style == "asis":
            return alpha
        sigma = rng.uniform(0.5, 1.2) if style == "feather" else rng.uniform(1.2, 2.5)
        return cv2.GaussianBlur(alpha, (0, 0), sigma)

    def _paste(self, rng: Rng, rgb: np.ndarray, alpha: np.ndarray, identity: int, area: float, ground: np.ndarray, centre: np.ndarray | None = None) -> Layer | None:
        """A cut-out at a random place (or `centre`), covering `area` of the frame."""
        share = float((alpha > 0.5).mean())
        if share < 0.05:
            return None
        extent = np.sqrt(area * self.height * self.width)
        k = extent / np.sqrt(share * rgb.shape[0] * rgb.shape[1])
        k = min(k, 2.5)
        size = (max(4, round(rgb.shape[1] * k)), max(4, round(rgb.shape[0] * k)))
        mode = cv2.INTER_AREA if k < 1 else cv2.INTER_LINEAR
        rgb, alpha = cv2.resize(rgb, size, interpolation=mode), cv2.resize(alpha, size, interpolation=mode)
        rgb, alpha = self._recolour(rng, rgb, alpha, ground), self._soften(rng, alpha)
        pad = 4
        patch = cv2.copyMakeBorder(premultiply(rgb, alpha), pad, pad, pad, pad, cv2.BORDER_CONSTANT)
        if centre is None:
            centre = np.array([rng.uniform(0.05, 0.95) * self.width, rng.uniform(0.08, 0.92) * self.height])
        h, w = patch.shape[:2]
        place = translation(*centre) @ similarity(rng.normal(0, 0.2), 1.0, rng.uniform(0.85, 1.15)) @ translation(-w / 2, -h / 2)
        deformation = Deformation(rng, h, w) if rng.random() < 0.75 else None
        blur = rng.uniform(0.2, 0.9) if rng.random() < 0.3 else 0.0
        layer = Layer(patch, place, identity, ObjectMotion(rng, extent), deformation, rng.random() < 0.6, blur, centre=centre)
        if rng.random() < 0.35:  # light from one side and above: flattened about the foot, leaning, soft
            foot = translation(w / 2, h * rng.uniform(0.85, 1.0))
            lean = np.eye(3)
            lean[0, 1] = rng.normal(0, 0.8)
            flatten = np.diag([rng.uniform(0.9, 1.2), rng.choice([1.0, -1.0], p=[0.6, 0.4]) * rng.uniform(0.1, 0.7), 1.0])
            layer.shadow = foot @ lean @ flatten @ np.linalg.inv(foot)
            layer.shadow_depth, layer.shadow_blur = rng.uniform(0.2, 0.75), log_uniform(rng, 0.8, 0.06 * extent + 1.0)
        return layer

    def _background(self, rng: Rng) -> tuple[np.ndarray | None, np.ndarray, list[Layer], list[np.ndarray] | None]:
        """World picture, its placement in the frame, in-place layers; or a stack of real frames instead of a world."""
        if self.m.videos and rng.random() < self.video_share:
            video = self.m.load(choice(rng, self.m.videos)["file"])
            start, step = int(rng.integers(0, len(video) - 40)), int(rng.integers(1, 4))
            return None, np.eye(3), [], [video[min(len(video) - 1, start + round(step * t))] for t in self.times]
        photo_id = choice(rng, self.m.photo_ids)
        if photo_id not in self.m.segments_of and rng.random() < 0.6:
            photo_id = choice(rng, list(self.m.segments_of))
        world, k = self._photo_world(rng, photo_id)
        oy, ox = rng.integers(world.shape[0] - self.height + 1), rng.integers(world.shape[1] - self.width + 1)
        segments = self.m.segments_of.get(photo_id, [])
        layers: list[Layer] = []
        if segments and rng.random() < 0.65:
            count = int(min(len(segments), rng.choice([1, 2, 3], p=[0.6, 0.3, 0.1])))
            chosen = [segments[i] for i in rng.permutation(len(segments))[:count]]
            if rng.random() < 0.8:  # look at one of them
                _, alpha, offset = self._segment_patch(chosen[0], k)
                ox = int(np.clip(offset[0] + alpha.shape[1] / 2 - self.width * rng.uniform(0.3, 0.7), 0, world.shape[1] - self.width))
                oy = int(np.clip(offset[1] + alpha.shape[0] / 2 - self.height * rng.uniform(0.3, 0.7), 0, world.shape[0] - self.height))
            hole = np.zeros(world.shape[:2], np.uint8)
            for segment in chosen:
                rgb, alpha, offset = self._segment_patch(segment, k)
                moving = rng.random() < 0.6
                edge = cv2.GaussianBlur(alpha, (0, 0), rng.uniform(0.5, 1.2))
                centre = offset + np.array([rgb.shape[1], rgb.shape[0]]) / 2 - np.array([ox, oy])
                extent = np.sqrt(max(16.0, float(alpha.sum())))
                layers.append(Layer(
                    premultiply(rgb.astype(np.float32), edge), translation(offset[0] - ox, offset[1] - oy), 0,
                    ObjectMotion(rng, extent) if moving else None,
                    Deformation(rng, *rgb.shape[:2]) if moving and rng.random() < 0.6 else None, True,
                    rng.uniform(0.2, 0.8) if moving and rng.random() < 0.25 else 0.0, centre=centre))
                if moving:
                    y, x = (int(round(v)) for v in (offset[1], offset[0]))
                    part = hole[y : y + alpha.shape[0], x : x + alpha.shape[1]]
                    part |= (alpha[: part.shape[0], : part.shape[1]] > 0.2).astype(np.uint8)
            if hole.any():
                world = self._fill(world, hole)
        return world, translation(-float(ox), -float(oy)), layers, None

    @staticmethod
    def _fill(world: np.ndarray, hole: np.ndarray) -> np.ndarray:
        """Inpaint at a sixth of the size: a moving segment leaves something plausible behind."""
        hole = cv2.dilate(hole, np.ones((7, 7), np.uint8))
        size = (max(8, world.shape[1] // 6), max(8, world.shape[0] // 6))
        small = cv2.resize(world, size, interpolation=cv2.INTER_AREA)
        mask = (cv2.resize(hole.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.02).astype(np.uint8)
        filled = cv2.resize(cv2.inpaint(small, mask, 3, cv2.INPAINT_TELEA), (world.shape[1], world.shape[0]), interpolation=cv2.INTER_CUBIC)
        soft = cv2.GaussianBlur(hole.astype(np.float32), (0, 0), 2)[..., None]
        return (world * (1 - soft) + filled * soft).astype(np.uint8)

    # --- drawing --------------------------------------------------------------------------------------------------

    def _cast(self, frame: np.ndarray, layer: Layer, t: float, camera: np.ndarray) -> None:
        """Darken the background where the layer's shadow falls. Labels do not change."""
        m = layer.matrix(t, camera) @ layer.shadow
        size = (self.width, self.height)
        shade = cv2.warpPerspective(np.ascontiguousarray(layer.rgba[..., 3]), m, size, flags=cv2.INTER_LINEAR)
        shade = cv2.GaussianBlur(shade, (0, 0), layer.shadow_blur) * np.float32(layer.shadow_depth)
        frame *= (1 - shade)[..., None]

    def _draw(self, frame: np.ndarray, labels: np.ndarray, layer: Layer, t: float, camera: np.ndarray, step: np.ndarray) -> None:
        """Blend one layer into frame (float32) and labels (uint8)."""
        m = layer.matrix(t, camera)
        h, w = layer.rgba.shape[:2]
        corners = m @ np.array([[0, w, w, 0], [0, 0, h, h], [1, 1, 1, 1]], np.float64)
        if (corners[2] < 0.2).any():
            return
        corners = corners[:2] / corners[2]
        margin = 0.2 * np.sqrt(h * w) if layer.deformation is not None else 1
        x0, y0 = np.floor(corners.min(1) - margin).astype(int)
        x1, y1 = np.ceil(corners.max(1) + margin).astype(int)
        x0, y0, x1, y1 = max(0, x0), max(0, y0), min(self.width, x1), min(self.height, y1)
        if x1 - x0 < 2 or y1 - y0 < 2:
            return
        inverse = np.linalg.inv(m).astype(np.float32)
        gx, gy = np.arange(x0, x1, dtype=np.float32)[None, :], np.arange(y0, y1, dtype=np.float32)[:, None]
        depth = inverse[2, 0] * gx + inverse[2, 1] * gy + inverse[2, 2]
        x = (inverse[0, 0] * gx + inverse[0, 1] * gy + inverse[0, 2]) / depth
        y = (inverse[1, 0] * gx + inverse[1, 1] * gy + inverse[1, 2]) / depth
        if layer.deformation is not None:
            x, y = layer.deformation.apply(x, y, t)
        rgba = layer.rgba if layer.turn is None else layer.turn.at(layer.rgba, t)
        drawn = cv2.remap(rgba, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        length = layer.blur * float(np.hypot(*step))
        if length > 1.5:
            drawn = cv2.filter2D(drawn, -1, line_kernel(step, min(length, 25)), borderType=cv2.BORDER_CONSTANT)
        alpha = drawn[..., 3:]
        roi = frame[y0:y1, x0:x1]
        roi *= 1 - alpha
        roi += drawn[..., :3]
        labels[y0:y1, x0:x1][alpha[..., 0] > 0.5] = layer.identity

    video_share = 0.05

    def clip(self, rng: Rng) -> tuple[np.ndarray, np.ndarray]:
        """One clip. The first frame shows every labelled object."""
        while True:
            frames, labels = self._attempt(rng)
            counts = np.bincount(labels[0].ravel(), minlength=256)
            ids = [i for i in range(1, 256) if counts[i] >= max(40, LEAST_AREA * labels[0].size)]
            if ids and (self.objects is None or len(ids) >= self.objects):
                break
        table = np.zeros(256, np.uint8)
        for new, old in enumerate(ids[: self.objects or 10], start=1):
            table[old] = new
        return frames, table[labels]

    def _attempt(self, rng: Rng) -> tuple[np.ndarray, np.ndarray]:
        self.times = frame_times(rng, self.frames)
        world, place, layers, video = self._background(rng)
        ground = video[0] if video is not None else world
        total = 1 + int(rng.choice(10, p=OBJECT_COUNTS)) if self.objects is None else self.objects + 2
        identity = 1
        for layer in layers:
            layer.identity = identity
            identity += 1
        crowd = max(total, len(layers)) ** 0.6
        while identity <= total:
            area = log_uniform(rng, 0.006, 0.28) * self.zoom / crowd
            rgb, alpha = self._pasted_patch(rng)
            layer = self._paste(rng, rgb, alpha, identity, min(area, 0.5), ground)
            if layer is None:
                continue
            layers.append(layer)
            identity += 1
            if rng.random() < 0.3:  # a lookalike: another object, or background
                label = 0
                if identity <= total and rng.random() < 0.5:
                    label, identity = identity, identity + 1
                twin = self._paste(rng, rgb, alpha, label, area * log_uniform(rng, 0.6, 1.6), ground)
                if twin is not None:
                    layers.append(twin)
        order = rng.permutation(len(layers))
        layers = [layers[i] for i in order]
        if rng.random() < 0.4:  # something unlabelled passes in front of an object
            rgb, alpha = self._pasted_patch(rng)
            target = layers[int(rng.integers(len(layers)))].centre
            away = target + rng.normal(0, 0.3, size=2) * min(self.height, self.width)
            occluder = self._paste(rng, rgb, alpha, 0, log_uniform(rng, 0.01, 0.12), ground, away)
            if occluder is not None:
                layers.append(occluder)
        camera = Camera(rng, self.height, self.width)
        if video is not None:
            camera.at = lambda t: np.eye(3)  # type: ignore[method-assign]
        return self._render(world if video is None else video, place, layers, camera, Look(rng, self.height, self.width))

    def _render(self, ground: np.ndarray | list[np.ndarray], place: np.ndarray, layers: list[Layer], camera: Camera, look: Look) -> tuple[np.ndarray, np.ndarray]:
        """Frames and labels of layers, back to front, over a picture that is placed in the frame, or over a frame each."""
        frames = np.empty((self.frames, self.height, self.width, 3), np.uint8)
        labels = np.zeros((self.frames, self.height, self.width), np.uint8)
        for i, t in enumerate(self.times):
            c = camera.at(t)
            if isinstance(ground, list):
                frame = cv2.resize(np.ascontiguousarray(ground[i]), (self.width, self.height), interpolation=cv2.INTER_AREA).astype(np.float32)
            else:
                frame = cv2.warpPerspective(ground, c @ place, (self.width, self.height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101).astype(np.float32)
            before = camera.at(t - 1)
            for layer in layers:
                if layer.shadow is not None:
                    self._cast(frame, layer, t, c)
                now, then = layer.matrix(t, c) @ self._middle(layer), layer.matrix(t - 1, before) @ self._middle(layer)
                self._draw(frame, labels[i], layer, t, c, now[:2] / now[2] - then[:2] / then[2])
            frames[i] = look.apply(np.clip(frame, 0, 255).astype(np.uint8), t)
        return frames, labels

    @staticmethod
    def _middle(layer: Layer) -> np.ndarray:
        return np.array([layer.rgba.shape[1] / 2, layer.rgba.shape[0] / 2, 1.0])


def line_kernel(direction: np.ndarray, length: float) -> np.ndarray:
    """A blurring line of the given length."""
    n = int(np.ceil(length)) | 1
    kernel = np.zeros((n, n), np.float32)
    d = direction / (np.hypot(*direction) + 1e-9) * (length / 2)
    c = n // 2
    cv2.line(kernel, (round(c - d[0]), round(c - d[1])), (round(c + d[0]), round(c + d[1])), 1.0)
    return kernel / kernel.sum()

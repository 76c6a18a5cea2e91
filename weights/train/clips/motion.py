"""Random motion: camera paths, object paths, and smooth deformations. Everything is a function of a time in frames.

Matrices are 3x3 and act on column vectors (x, y, 1) in pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

Rng = np.random.Generator


def log_uniform(rng: Rng, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def translation(x: float, y: float) -> np.ndarray:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], np.float64)


def similarity(angle: float, scale_x: float, scale_y: float | None = None, shear: float = 0.0) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    linear = np.array([[c, -s], [s, c]]) @ np.array([[1, shear], [0, 1]]) @ np.diag([scale_x, scale_x if scale_y is None else scale_y])
    out = np.eye(3)
    out[:2, :2] = linear
    return out


def frame_times(rng: Rng, frames: int) -> np.ndarray:
    """Time 0 is the reference; half of the clips then jump ahead, as a tracker does after a while. Steps 1 to 3."""
    times = [0.0]
    if frames > 1:
        times.append(rng.uniform(2, 10) if rng.random() < 0.5 else rng.uniform(0.7, 2.0))
    step = log_uniform(rng, 0.5, 2.5)
    while len(times) < frames:
        times.append(times[-1] + step * rng.uniform(0.7, 1.3))
    return np.array(times)


class Wander:
    """A smooth path that is 0 at time 0: a velocity that fades out plus two sines. `size` is the step per frame."""

    def __init__(self, rng: Rng, size: float, dims: int = 1) -> None:
        direction = rng.normal(size=dims)
        direction /= np.linalg.norm(direction) + 1e-9
        self.velocity = direction * size * rng.uniform(0.2, 1.0)
        self.reach = rng.uniform(4, 14)
        self.amplitude = rng.normal(size=(2, dims)) * size
        self.omega = rng.uniform(0.15, 1.2, size=(2, 1))
        self.phase = rng.uniform(0, 2 * np.pi, size=(2, dims))

    def at(self, t: float) -> np.ndarray:
        swing = self.amplitude * (np.sin(self.omega * t + self.phase) - np.sin(self.phase)) / self.omega * 0.5
        return self.velocity * self.reach * np.tanh(t / self.reach) + swing.sum(0)


class Camera:
    """Homography from the frame at time 0 to the frame at time t."""

    def __init__(self, rng: Rng, height: int, width: int) -> None:
        unit = height / 256
        calm = rng.random() < 0.25
        speed = log_uniform(rng, 0.05, 0.6) if calm else log_uniform(rng, 0.4, 9.0)
        self.shift = Wander(rng, speed * unit, 2)
        self.turn = Wander(rng, np.radians(log_uniform(rng, 0.02, 1.5)) * (0.2 if calm else 1))
        self.zoom = Wander(rng, log_uniform(rng, 0.001, 0.025) * (0.2 if calm else 1))
        self.tilt = Wander(rng, log_uniform(rng, 1e-6, 6e-5) / unit, 2)
        self.centre = translation(width / 2, height / 2)
        self.back = translation(-width / 2, -height / 2)

    def at(self, t: float) -> np.ndarray:
        x, y = self.shift.at(t)
        tilt = np.eye(3)
        tilt[2, :2] = np.clip(self.tilt.at(t), -6e-4, 6e-4)
        zoom = float(np.exp(np.clip(self.zoom.at(t)[0], -0.5, 0.6)))
        return translation(x, y) @ self.centre @ tilt @ similarity(float(self.turn.at(t)[0]), zoom) @ self.back


class ObjectMotion:
    """Own motion of an object about its centre, as a matrix; identity at time 0 unless it squeezes."""

    def __init__(self, rng: Rng, extent: float) -> None:
        """extent: square root of the object's area in pixels."""
        self.shift = Wander(rng, log_uniform(rng, 0.004, 0.22) * extent, 2)
        self.turn = Wander(rng, np.radians(log_uniform(rng, 0.1, 7.0)))
        self.scale = Wander(rng, log_uniform(rng, 0.002, 0.05))
        self.squeeze = Wander(rng, log_uniform(rng, 0.02, 0.25)) if rng.random() < 0.3 else None
        self.shear = Wander(rng, log_uniform(rng, 0.002, 0.04)) if rng.random() < 0.4 else None

    def at(self, t: float, centre: np.ndarray) -> np.ndarray:
        scale = float(np.exp(np.clip(self.scale.at(t)[0], -0.9, 0.9)))
        squeeze = 1.0 if self.squeeze is None else float(np.cos(np.clip(self.squeeze.at(t)[0], -1.2, 1.2)))
        shear = 0.0 if self.shear is None else float(np.clip(self.shear.at(t)[0], -0.5, 0.5))
        x, y = self.shift.at(t)
        m = similarity(float(self.turn.at(t)[0]), scale * squeeze, scale, shear)
        return translation(centre[0] + x, centre[1] + y) @ m @ translation(-centre[0], -centre[1])


@dataclass
class Bend:
    """A part that rotates about a joint: angle * sigmoid(distance past the joint)."""

    joint: np.ndarray
    normal: np.ndarray
    softness: float
    angle: Wander


class Deformation:
    """Displacement of patch coordinates: smooth elastic control points, and up to two bends (articulation)."""

    def __init__(self, rng: Rng, height: int, width: int) -> None:
        self.size = np.array([width, height], np.float32)
        extent = float(np.sqrt(width * height))
        self.grid = None
        if rng.random() < 0.5:
            cells = int(rng.integers(3, 6))
            amount = log_uniform(rng, 0.01, 0.07) * extent
            self.grid = rng.normal(size=(2, cells, cells, 2)).astype(np.float32) * amount
            self.rate = rng.uniform(0.1, 0.9, size=2)
        self.bends = []
        for _ in range(int(rng.choice([0, 1, 2], p=[0.55, 0.3, 0.15]))):
            direction = rng.uniform(0, 2 * np.pi)
            self.bends.append(Bend(
                joint=(self.size * rng.uniform(0.25, 0.75, size=2)).astype(np.float32),
                normal=np.array([np.cos(direction), np.sin(direction)], np.float32),
                softness=rng.uniform(0.03, 0.15) * extent,
                angle=Wander(rng, np.radians(log_uniform(rng, 1.0, 14.0))),
            ))

    def apply(self, x: np.ndarray, y: np.ndarray, t: float) -> tuple[np.ndarray, np.ndarray]:
        """x, y: float32 patch coordinates of every output pixel -> displaced coordinates."""
        if self.grid is not None:
            n = self.grid.shape[1] - 1
            field = self.grid[0] * np.float32(np.sin(self.rate[0] * t)) + self.grid[1] * np.float32(np.sin(self.rate[1] * t))
            d = cv2.remap(field, x * (n / self.size[0]), y * (n / self.size[1]), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            x, y = x + d[..., 0], y + d[..., 1]
        for bend in self.bends:
            angle = np.float32(np.clip(bend.angle.at(t)[0], -0.9, 0.9))
            dx, dy = x - bend.joint[0], y - bend.joint[1]
            weight = angle / (1 + np.exp(np.clip(-(dx * bend.normal[0] + dy * bend.normal[1]) / np.float32(bend.softness), -30, 30)))
            c, s = np.cos(weight), np.sin(weight)
            x, y = bend.joint[0] + c * dx - s * dy, bend.joint[1] + s * dx + c * dy
        return x.astype(np.float32), y.astype(np.float32)


class Turn:
    """A body that turns about its vertical axis. Each row of a silhouette is the outline of a disc, its texture lies on the front half;
    what the turn brings into view comes from another texture."""

    def __init__(self, rng: Rng, front: np.ndarray, back: np.ndarray) -> None:
        """front, back: premultiplied float32 [h, w, 4] of one size; of `back` only the colours count."""
        self.back = back[..., :3]
        self.angle = Wander(rng, np.radians(log_uniform(rng, 8.0, 40.0)))
        alpha = front[..., 3]
        inside = alpha > 0.05
        rows = inside.any(1)
        left = np.where(rows, inside.argmax(1), 0).astype(np.float32)
        right = np.where(rows, inside.shape[1] - 1 - inside[:, ::-1].argmax(1), 1).astype(np.float32)
        # Outlines that jump from row to row would tear the texture.
        smooth = lambda v: cv2.GaussianBlur(v[:, None], (1, 0), sigmaX=1, sigmaY=max(1.0, len(v) / 40))[:, 0] if len(v) > 3 else v  # noqa: E731
        self.middle, self.radius = smooth((left + right) / 2)[:, None], np.maximum(1.0, smooth((right - left) / 2))[:, None]

    def at(self, front: np.ndarray, t: float) -> np.ndarray:
        """What is seen at time t, [h, w, 4]: the silhouette stays."""
        angle = float(np.clip(self.angle.at(t)[0], -2.6, 2.6))
        if abs(angle) < 1e-3:
            return front
        h, w = front.shape[:2]
        x = np.arange(w, dtype=np.float32)[None, :].repeat(h, 0)
        y = np.arange(h, dtype=np.float32)[:, None].repeat(w, 1)
        theta = np.arcsin(np.clip((x - self.middle) / self.radius, -1, 1)) - np.float32(angle)
        # Outside of the front half lies the back, seen from behind.
        behind = np.abs(theta) > np.pi / 2
        place = (self.middle + self.radius * np.sin(theta)).astype(np.float32)
        opaque = front[..., :3] / np.maximum(front[..., 3:], 0.3)
        shown = cv2.remap(opaque, place, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        hidden = cv2.remap(self.back, place, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        colour = np.where(behind[..., None], hidden, shown)
        return np.dstack([colour * front[..., 3:], front[..., 3]]).astype(np.float32)

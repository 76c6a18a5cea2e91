"""Light, camera and compression: what makes the same thing look different in two frames."""

from __future__ import annotations

import cv2
import numpy as np

from .motion import Rng, Wander, log_uniform


class Look:
    """One camera for one clip: a tone curve, drifting exposure and white balance, shadow, defocus, noise, JPEG."""

    def __init__(self, rng: Rng, height: int, width: int) -> None:
        self.rng, self.height, self.width = rng, height, width
        self.gamma = np.exp(rng.normal(0, 0.2))
        self.gain = np.exp(rng.normal(0, 0.12, size=3))
        self.offset = rng.normal(0, 6)
        self.exposure = Wander(rng, log_uniform(rng, 0.002, 0.05))
        self.balance = Wander(rng, log_uniform(rng, 0.001, 0.012), 3)
        self.saturation = rng.uniform(0.0, 1.4) if rng.random() < 0.3 else 1.0
        self.gray = rng.random() < 0.04
        self.shadow = Wander(rng, 0.12, 2) if rng.random() < 0.3 else None
        self.shadow_angle, self.shadow_depth = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 0.7)
        self.defocus = log_uniform(rng, 0.3, 1.6) if rng.random() < 0.35 else 0.0
        self.defocus_path = Wander(rng, 0.1)
        self.noise = log_uniform(rng, 1.0, 9.0) if rng.random() < 0.5 else 0.0
        self.quality = int(rng.uniform(25, 95)) if rng.random() < 0.6 else 0
        self.half = rng.uniform(0.5, 0.95) if rng.random() < 0.2 else 1.0

    def apply(self, rgb: np.ndarray, t: float) -> np.ndarray:
        """uint8 [H, W, 3] -> the same."""
        exposure = np.exp(np.clip(self.exposure.at(t)[0], -0.5, 0.5))
        balance = np.exp(np.clip(self.balance.at(t), -0.15, 0.15))
        levels = np.linspace(0, 1, 256) ** self.gamma
        table = np.clip(255 * levels[:, None] * self.gain * exposure * balance + self.offset, 0, 255).astype(np.uint8)
        rgb = cv2.LUT(rgb, table.reshape(1, 256, 3))
        if self.saturation != 1.0 or self.gray:
            gray = cv2.cvtColor(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
            rgb = gray if self.gray else cv2.addWeighted(rgb, self.saturation, gray, 1 - self.saturation, 0)
        if self.shadow is not None:
            x, y = np.meshgrid(np.linspace(-1, 1, 17, dtype=np.float32), np.linspace(-1, 1, 17, dtype=np.float32))
            px, py = self.shadow.at(t)
            edge = np.cos(self.shadow_angle) * (x - px) + np.sin(self.shadow_angle) * (y - py)
            shade = (1 - self.shadow_depth / (1 + np.exp(-6 * edge))).astype(np.float32)
            shade = cv2.resize(shade, (self.width, self.height), interpolation=cv2.INTER_LINEAR)
            rgb = (rgb * shade[..., None]).astype(np.uint8)
        sigma = self.defocus * (1 + np.clip(self.defocus_path.at(t)[0], -1, 1)) if self.defocus else 0.0
        if sigma > 0.2:
            rgb = cv2.GaussianBlur(rgb, (0, 0), sigma)
        if self.half < 1:
            size = (max(8, int(self.width * self.half)), max(8, int(self.height * self.half)))
            rgb = cv2.resize(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), (self.width, self.height), interpolation=cv2.INTER_LINEAR)
        if self.noise:
            noise = self.rng.normal(0, self.noise, size=(self.height, self.width, 1 if self.gray else 3)).astype(np.float32)
            rgb = np.clip(rgb + noise, 0, 255).astype(np.uint8)
        if self.quality:
            _, data = cv2.imencode(".jpg", rgb, [cv2.IMWRITE_JPEG_QUALITY, self.quality])
            rgb = cv2.imdecode(data, cv2.IMREAD_COLOR)
        return rgb

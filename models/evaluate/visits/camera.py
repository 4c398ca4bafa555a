"""What a cheap camera makes of a scene: blur, steps of exposure, noise, JPEG."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

WIDTH, HEIGHT = 640, 480
EXPOSURE = 1 / 40
"""Time for which the shutter is open, seconds: indoor light."""
SOFTNESS = 0.6
"""Standard deviation of the lens's blur, pixels."""
FIELDS, SPARE = 8, 200
"""Noise is cut out of so many fields, which have so many rows to spare."""


@lru_cache(maxsize=1)
def _noise() -> list[np.ndarray]:
    """Fields of noise of variance 1, correlated between neighbours as colour filters make it."""
    rng = np.random.default_rng(20)
    fields = []
    for _ in range(FIELDS):
        field = rng.standard_normal((HEIGHT + SPARE, WIDTH, 3)).astype(np.float32)
        field = cv2.GaussianBlur(field, (0, 0), 0.7)
        fields.append(field / field.std())
    return fields


@dataclass
class Camera:
    """One camera in one light; `rng` makes all that is chance about it."""

    rng: np.random.Generator

    def __post_init__(self) -> None:
        self.quality = int(self.rng.integers(75, 93))
        self.read_noise = self.rng.uniform(1.0, 3.0)
        """Standard deviation in the dark, in levels of 255."""
        self.shot_noise = self.rng.uniform(0.12, 0.35)
        """Of a level of 1; it grows with the level's square root."""

    def frame(self, scene: np.ndarray, light: np.ndarray | float) -> bytes:
        """The JPEG of a scene (float BGR, not negative) in `light`: a factor, or one for each column and colour."""
        seen = scene * np.float32(light) if np.isscalar(light) else scene * light[None]
        field, row = _noise()[self.rng.integers(FIELDS)], int(self.rng.integers(SPARE))
        noise = cv2.sqrt(seen)
        noise *= self.shot_noise
        noise += self.read_noise
        noise *= field[row : row + HEIGHT]
        seen += noise
        pixels = np.clip(seen, 0, 255, out=seen).astype(np.uint8)
        done, jpeg = cv2.imencode(".jpg", pixels, (cv2.IMWRITE_JPEG_QUALITY, self.quality))
        assert done
        return jpeg.tobytes()


def soft(scene: np.ndarray) -> np.ndarray:
    """A scene, or a part of one, as a cheap lens shows it."""
    return cv2.GaussianBlur(scene, (0, 0), SOFTNESS).clip(0, 255)


def exposures(rng: np.random.Generator, times: Iterable[float]) -> Iterator[float]:
    """An automatic exposure that goes in steps: every 1.5 s or so another, from 0.75 to 1.3."""
    until, gain = 0.0, 1.0
    for time in times:
        while time >= until:
            until += rng.exponential(1.5)
            gain = float(np.exp(rng.uniform(np.log(0.75), np.log(1.3))))
        yield gain


def tint(colours: np.ndarray) -> np.ndarray:
    """A light of one colour (BGR), as `Camera.frame` takes it."""
    return np.tile(colours.astype(np.float32), (WIDTH, 1))


def moved(layer: np.ndarray, across: float, down: float) -> np.ndarray:
    """A layer that moves by so many pixels while the shutter is open."""
    length = float(np.hypot(across, down))
    if length < 1:
        return layer
    reach = int(np.ceil(length / 2))
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    for step in np.linspace(-0.5, 0.5, 4 * reach + 1):
        kernel[round(reach + step * down), round(reach + step * across)] += 1
    return cv2.filter2D(layer, -1, kernel / kernel.sum(), borderType=cv2.BORDER_CONSTANT)


def plain(rng: np.random.Generator) -> np.ndarray:
    """A wall: one soft colour field."""
    corners = rng.uniform(70, 200) + rng.uniform(-25, 25, (2, 2, 3))
    return cv2.resize(corners.astype(np.float32), (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)


def filling(path: Path) -> np.ndarray:
    """The middle of a picture, as large as a frame."""
    picture = cv2.imread(str(path))
    if picture is None:
        raise SystemExit(f"{path} cannot be read")
    rows, columns = picture.shape[:2]
    scale = max(WIDTH / columns, HEIGHT / rows)
    size = max(WIDTH, round(columns * scale)), max(HEIGHT, round(rows * scale))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    picture = cv2.resize(picture, size, interpolation=way)
    top, left = (size[1] - HEIGHT) // 2, (size[0] - WIDTH) // 2
    return picture[top : top + HEIGHT, left : left + WIDTH].astype(np.float32)


def busy(path: Path, rng: np.random.Generator) -> np.ndarray:
    """A face-free picture out of focus, as a background."""
    return cv2.GaussianBlur(filling(path), (0, 0), rng.uniform(2, 4))

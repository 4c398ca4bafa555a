"""What cameras and light do to a picture of a face."""

from __future__ import annotations

import cv2
import numpy as np

Random = np.random.Generator


def light(picture: np.ndarray, rng: Random) -> np.ndarray:
    """Brightness, contrast, gamma, colour cast, and light from one side."""
    table = np.arange(256, dtype=np.float32) / 255
    table = table ** np.exp(rng.normal(0, 0.3))
    table = (table - 0.5) * np.exp(rng.normal(0, 0.15)) + 0.5 + rng.normal(0, 0.06)
    cast = np.exp(rng.normal(0, 0.06, 3))
    tables = np.clip(table[:, None] * cast * 255, 0, 255).astype(np.uint8)
    picture = cv2.LUT(picture, tables[None])
    if rng.random() < 0.15:
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[..., None]
        mix = rng.uniform(0.4, 1)
        picture = (picture * (1 - mix) + grey * mix).astype(np.uint8)
    if rng.random() < 0.2:
        height, width = picture.shape[:2]
        corner = rng.uniform(0.35, 1.3, (2, 2)).astype(np.float32)
        field = cv2.resize(corner, (width, height), interpolation=cv2.INTER_LINEAR)
        picture = np.clip(picture * field[..., None], 0, 255).astype(np.uint8)
    return picture


def dark(picture: np.ndarray, rng: Random) -> np.ndarray:
    """Far too little light, as against a bright door, with the noise that comes of it."""
    shown = picture.astype(np.float32) * rng.uniform(0.18, 0.5) + rng.uniform(0, 12)
    shown += rng.normal(0, rng.uniform(0.5, 5), picture.shape)
    return np.clip(shown, 0, 255).astype(np.uint8)


def blur(picture: np.ndarray, rng: Random) -> np.ndarray:
    """Out of focus or moving, now and then."""
    kind = rng.random()
    if kind < 0.2:
        return cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 1.4))
    if kind < 0.28:
        length = int(rng.integers(2, 6))
        kernel = np.zeros((length, length), np.float32)
        angle = rng.uniform(0, np.pi)
        step = np.array([np.cos(angle), np.sin(angle)]) * length
        middle = np.array([length - 1, length - 1]) / 2
        ends = np.int32(np.round([middle - step, middle + step]))
        cv2.line(kernel, ends[0].tolist(), ends[1].tolist(), 1.0)
        return cv2.filter2D(picture, -1, kernel / max(kernel.sum(), 1))
    return picture


def sensor(picture: np.ndarray, rng: Random) -> np.ndarray:
    """Noise, halved colour resolution, JPEG; each now and then."""
    if rng.random() < 0.35:
        noise = rng.normal(0, rng.uniform(1, 14), picture.shape[:2] + (1,))
        if rng.random() < 0.5:
            noise = noise + rng.normal(0, rng.uniform(1, 8), picture.shape)
        picture = np.clip(picture + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.2:
        ycc = cv2.cvtColor(picture, cv2.COLOR_RGB2YCrCb)
        half = cv2.resize(ycc[..., 1:], (max(1, picture.shape[1] // 2), picture.shape[0]),
                          interpolation=cv2.INTER_AREA)
        ycc[..., 1:] = cv2.resize(half, picture.shape[1::-1], interpolation=cv2.INTER_NEAREST)
        picture = cv2.cvtColor(ycc, cv2.COLOR_YCrCb2RGB)
    if rng.random() < 0.4:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(30, 95))]
        picture = cv2.imdecode(cv2.imencode(".jpg", picture, quality)[1], cv2.IMREAD_COLOR)
    return picture

"""The pictures that scenes are made of, and which half of them each belongs to."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from evaluate.score import read_truth

HALVES = ("choose", "report")
"""Constants are chosen on the one and judged on the other."""
KINDS = ("masked", "bare", "nose_out", "mouth_out")
LEAST_HEIGHT = 100
"""Height of a face from which on it is clear enough, in pixels of its picture."""
LEAST_MARGIN = 0.08
"""Least distance from a face to the edges of its picture, in sides of the face: no cut faces."""
CONTEXT = (0.5, 0.55, 0.5, 0.7)
"""What is cut out around a face: left, above, right, below, in sides of it."""
SOLID = 0.12
"""How much of that is solid before it fades out, in sides of the face."""


@dataclass(frozen=True)
class Still:
    """One face in a picture."""

    path: Path
    box: tuple[float, float, float, float]
    kind: str
    """One of `KINDS`."""
    folder: str
    """`ilc` and `faces` are photographs, `synth` has drawn masks."""

    @property
    def name(self) -> str:
        """Names it among all."""
        return f"{self.folder}-{self.path.stem}-{self.box[0]:.0f}"


def fraction(text: str) -> float:
    """A number from 0 to 1 that depends on `text` alone."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6]) / 2**48


def seed(text: str) -> np.random.Generator:
    """A random generator that depends on `text` alone."""
    return np.random.default_rng(list(hashlib.sha256(text.encode()).digest()))


def half(path: Path, folder: str) -> str:
    """The half that a picture belongs to, by its name; all pictures of a synthetic person to one."""
    person = path.stem.split("_")[0] if folder == "synth" else path.stem
    return HALVES[fraction(f"half of {folder}/{person}") >= 0.5]


def _kind(face: dict) -> str | None:
    label = face["label"]
    if label in ("mask", "no_mask"):
        return "masked" if label == "mask" else "bare"
    if "mouth_visible" in face:
        return "mouth_out" if face["mouth_visible"] else "nose_out" if face["nose_visible"] else None
    return label if label in KINDS else None


def _is_clear(entry: dict, face: dict) -> bool:
    """Large, whole, and alone in what is cut out with it."""
    x1, y1, x2, y2 = face["box"]
    width, height = x2 - x1, y2 - y1
    margins = (x1 / width, y1 / height, (entry["w"] - x2) / width, (entry["h"] - y2) / height)
    if height < LEAST_HEIGHT or min(margins) < LEAST_MARGIN:
        return False
    left, top, right, bottom = _context(face["box"], 1)
    return not any(
        other is not face and other["box"][0] < right and other["box"][2] > left
        and other["box"][1] < bottom and other["box"][3] > top
        for other in entry["faces"]
    )


def _context(box: tuple[float, ...], share: float) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = box
    width, height = (x2 - x1) * share, (y2 - y1) * share
    left, above, right, below = CONTEXT
    return x1 - left * width, y1 - above * height, x2 + right * width, y2 + below * height


def faces(data: Path, which: str) -> list[Still]:
    """The clear faces of one half."""
    found = []
    for folder in ("ilc", "faces", "synth"):
        for name, entry in read_truth(data, folder).items():
            path = data / "val" / folder / name
            if half(path, folder) != which or entry["box_src"] == "full_image":
                continue
            for face in entry["faces"]:
                kind = _kind(face)
                if kind and not face["ignore"] and _is_clear(entry, face):
                    found.append(Still(path, tuple(face["box"]), kind, folder))
    return sorted(found, key=lambda still: fraction(still.name))


def empties(data: Path, which: str) -> list[Path]:
    """The face-free pictures of one half."""
    paths = [path for path in (data / "val" / "neg").iterdir() if half(path, "neg") == which]
    return sorted(paths, key=lambda path: fraction(path.name))


@dataclass(frozen=True)
class Cutout:
    """A face with some of what is around it, fading out; smaller copies of it behind it."""

    levels: tuple[np.ndarray, ...]
    """BGR and opacity, float, 0 to 255 and 0 to 1, opacity multiplied in; each half as large as the one before."""
    box: tuple[float, float, float, float]
    """The face in the first."""


@lru_cache(maxsize=16)
def cutout(still: Still) -> Cutout:
    """Cuts a face out of its picture."""
    picture = cv2.imread(str(still.path))
    if picture is None:
        raise SystemExit(f"{still.path} cannot be read")
    height, width = picture.shape[:2]
    left, top, right, bottom = (round(edge) for edge in _context(still.box, 1))
    left, top, right, bottom = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
    x1, y1, x2, y2 = still.box
    solid = SOLID * (x2 - x1), SOLID * (y2 - y1)
    opacity = np.outer(
        _fade(top, bottom, y1 - solid[1], y2 + solid[1]), _fade(left, right, x1 - solid[0], x2 + solid[0])
    ).astype(np.float32)[..., None]
    pixels = picture[top:bottom, left:right].astype(np.float32)
    levels = [np.concatenate([pixels * opacity, opacity], 2)]
    while min(levels[-1].shape[:2]) >= 32:
        rows, columns = levels[-1].shape[:2]
        levels.append(cv2.resize(levels[-1], (columns // 2, rows // 2), interpolation=cv2.INTER_AREA))
    return Cutout(tuple(levels), (x1 - left, y1 - top, x2 - left, y2 - top))


def _fade(start: int, end: int, low: float, high: float) -> np.ndarray:
    """1 from `low` to `high`, to 0 at `start` and `end`, smoothly."""
    place = np.arange(start, end) + 0.5
    low, high = max(low, start + 1), min(high, end - 1)
    ramp = np.minimum((place - start) / (low - start), (end - place) / (end - high)).clip(0, 1)
    return ramp * ramp * (3 - 2 * ramp)

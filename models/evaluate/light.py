"""How bright a face is and what colour its mask has, as far as pixels tell."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from evaluate.score import Case


@lru_cache(maxsize=8)
def _picture(path: Path) -> np.ndarray:
    return cv2.imread(str(path))


def _part(data: Path, case: Case, top: float, bottom: float, side: float) -> np.ndarray:
    """A part of a face's box (shares of its height and width), BGR."""
    picture = _picture(data / "val" / case.image)
    x1, y1, x2, y2 = case.box
    width, height = x2 - x1, y2 - y1
    left, right = int(max(0, x1 + side * width)), int(x2 - side * width)
    upper, lower = int(max(0, y1 + top * height)), int(y1 + bottom * height)
    return picture[upper : max(lower, upper + 1), left : max(right, left + 1)]


def light(data: Path, case: Case) -> str:
    """By the mean luma of the box: below 70, below 150, above."""
    luma = float(cv2.cvtColor(_part(data, case, 0, 1, 0.1), cv2.COLOR_BGR2GRAY).mean())
    return "dark" if luma < 70 else "bright" if luma >= 150 else "medium"


def cloth_colour(data: Path, case: Case) -> str:
    """By the median colour of the middle of the box's lower half."""
    pixels = _part(data, case, 0.62, 0.88, 0.3)
    median = np.uint8([[np.median(pixels.reshape(-1, 3), axis=0)]])
    hue, saturation, value = (int(v) for v in cv2.cvtColor(median, cv2.COLOR_BGR2HSV)[0, 0])
    if value < 70:
        return "black or dark"
    if saturation < 45:
        return "white or grey"
    if 85 <= hue <= 130:
        return "blue"
    return "skin-like" if hue <= 20 and saturation < 150 else "other"

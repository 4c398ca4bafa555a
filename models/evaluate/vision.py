"""What the firmware does around the two networks, in Python.

Pictures are uint8 RGB, H×W×3; boxes are (x1, y1, x2, y2) in pixels. Keep the
constants equal to those in `src/vision`.
"""

from __future__ import annotations

import cv2
import numpy as np

FACE_HEIGHT, FACE_WIDTH = 240, 320
FACE_STRIDES = (8, 16, 32)
FACE_THRESHOLD = 0.57
"""Least score of a face."""
NMS_IOU = 0.4
"""Of two boxes that overlap more, the one with the lower score goes."""
CROP_SIZE = 96
CROP_FACTOR = 1.4
"""Side of the crop for the mouth network, in longer sides of the face box."""
GREY = 128
"""What is outside of the picture; 0 when quantised."""


def sigmoid(logit: np.ndarray) -> np.ndarray:
    """Logit to probability."""
    return 1 / (1 + np.exp(-np.asarray(logit, np.float64)))


def letterbox(picture: np.ndarray) -> tuple[np.ndarray, float]:
    """The picture at the top left of the face network's input, and the scale.

    Shrunk by area, enlarged bilinearly; the rest is grey.
    """
    height, width = picture.shape[:2]
    scale = min(FACE_WIDTH / width, FACE_HEIGHT / height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    canvas = np.full((FACE_HEIGHT, FACE_WIDTH, 3), GREY, np.uint8)
    canvas[: size[1], : size[0]] = cv2.resize(picture, size, interpolation=how)
    return canvas, scale


def crop(picture: np.ndarray, box: np.ndarray, size: int = CROP_SIZE) -> np.ndarray:
    """The square around a face that the mouth network looks at."""
    height, width = picture.shape[:2]
    x1, y1, x2, y2 = (float(v) for v in box)
    side = CROP_FACTOR * max(x2 - x1, y2 - y1)
    left, top = (x1 + x2 - side) / 2, (y1 + y2 - side) / 2
    if side <= size:
        # Bilinear: pixel centres of the crop on pixel centres of the picture.
        step = side / size
        matrix = np.float32(
            [[step, 0, left + step / 2 - 0.5], [0, step, top + step / 2 - 0.5]]
        )
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(
            picture, matrix, (size, size), flags=flags, borderValue=(GREY,) * 3
        )
    # Area: cut whole pixels, grey outside, then average.
    l, t, n = int(round(left)), int(round(top)), max(1, int(round(side)))
    canvas = np.full((n, n, 3), GREY, np.uint8)
    a, b, c, d = max(0, l), max(0, t), min(width, l + n), min(height, t + n)
    if a < c and b < d:
        canvas[b - t : d - t, a - l : c - l] = picture[b:d, a:c]
    return cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA)


def decode_faces(
    outputs: dict[int, tuple[np.ndarray, np.ndarray]], threshold: float
) -> tuple[np.ndarray, np.ndarray]:
    """Boxes in pixels of the network's input and their scores, best first.

    `outputs` holds score logits (h×w) and box codes (h×w×4) by stride.
    """
    boxes, scores = [], []
    for stride, (logits, codes) in outputs.items():
        probability = sigmoid(logits)
        rows, columns = np.nonzero(probability >= threshold)
        code = codes[rows, columns].astype(np.float64)
        centre = (code[:, :2] + np.stack([columns, rows], 1)) * stride
        half = np.exp(np.clip(code[:, 2:], -10, 10)) * stride / 2
        boxes.append(np.concatenate([centre - half, centre + half], 1))
        scores.append(probability[rows, columns])
    return suppress(np.concatenate(boxes), np.concatenate(scores))


def suppress(boxes: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Greedy non-maximum suppression."""
    order = np.argsort(-scores, kind="stable")
    boxes, scores = boxes[order], scores[order]
    kept: list[int] = []
    for index, box in enumerate(boxes):
        if not kept or overlap(box[None], boxes[kept]).max() <= NMS_IOU:
            kept.append(index)
    return boxes[kept], scores[kept]


def overlap(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Intersection over union of every box with every other."""
    low = np.maximum(left[:, None, :2], right[None, :, :2])
    high = np.minimum(left[:, None, 2:], right[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=2)
    areas = [np.prod(b[:, 2:] - b[:, :2], axis=1) for b in (left, right)]
    return shared / np.maximum(areas[0][:, None] + areas[1][None] - shared, 1e-9)

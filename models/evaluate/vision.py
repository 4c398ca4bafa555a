"""What the firmware does around the two networks, in Python.

Pictures are uint8 RGB, H×W×3; boxes are (x1, y1, x2, y2) in pixels. Only for
what the firmware cannot do, the float networks and training: scores come from
the firmware's own JSON. Keep the constants equal to those in `src/vision`.
"""

from __future__ import annotations

import math

import numpy as np

FACE_HEIGHT, FACE_WIDTH = 240, 320
FACE_STRIDES = (8, 16, 32)
FACE_THRESHOLD = 0.5
"""Least score of a face."""
PRESENCE_THRESHOLD = 0.4
"""Least presence of a face that is reported."""
MOUTH_THRESHOLD = 0.5
"""A mouth is seen."""
NOSE_THRESHOLD = 0.7
"""A nose is seen."""
COVERED_THRESHOLD = 0.4
"""Below it for both: covered. Between: unsure."""
NMS_IOU = 0.4
"""Of two boxes that overlap more, the one with the lower score goes."""
CROP_SIZE = 96
CROP_FACTOR = 1.4
"""Side of the crop for the mouth network, in longer sides of the face box."""
LOWER = 0.09, 0.03
"""How much lower people draw top and bottom of a face than the network, in heights of its box."""
GREY = 128
"""What is outside of the picture; 0 when quantised."""


PART = 0.625
"""Side of a part, in sides of the largest 4:3 that fits into the picture."""
PART_OVERLAP = 0.2
"""Least overlap of parts, in sides of a part."""
MAX_PARTS = 12
EDGE = 0.02
"""A box nearer to an inner edge of a look, in longer sides, is a cut face."""
CLEAR = 20
"""Height of a face in the network's input from which on a look has a say."""
FLOOR = 0.1
"""What a look says that shows a face clearly and does not find it."""


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Logit to probability."""
    return 1 / (1 + np.exp(-np.asarray(logits, np.float64)))


def logit(probability: float) -> float:
    """Probability to logit."""
    return float(np.log(probability / (1 - probability)))


def weights(start: float, scale: float, count: int, length: int) -> np.ndarray:
    """How much of each of `length` pixels each of `count` output pixels takes.

    The area that falls on it when shrinking (`scale` above 1), the two nearest
    when enlarging; nothing where its centre lies outside.
    """
    centre = start + (np.arange(count) + 0.5) * scale
    pixel = np.arange(length)
    if scale > 1:
        low = np.maximum(centre - scale / 2, 0)[:, None]
        high = np.minimum(centre + scale / 2, length)[:, None]
        shares = np.clip(np.minimum(high, pixel + 1) - np.maximum(low, pixel), 0, None)
    else:
        point = np.clip(centre - 0.5, 0, length - 1)[:, None]
        shares = np.clip(1 - np.abs(point - pixel), 0, None)
    shares[(centre < 0) | (centre >= length)] = 0
    return (shares / np.maximum(shares.sum(1, keepdims=True), 1e-9)).astype(np.float32)


def resample(
    picture: np.ndarray, left: float, top: float, scale: float, width: int, height: int
) -> np.ndarray:
    """What a network sees of a picture: `width`×`height` pixels of `scale` pixels each."""
    columns = weights(left, scale, width, picture.shape[1])
    rows = weights(top, scale, height, picture.shape[0])
    x, y = (np.flatnonzero(part.any(0)) for part in (columns, rows))
    if len(x) == 0 or len(y) == 0:
        return np.full((height, width, 3), GREY, np.uint8)
    part = picture[y[0] : y[-1] + 1, x[0] : x[-1] + 1].astype(np.float32)
    columns, rows = columns[:, x[0] : x[-1] + 1], rows[:, y[0] : y[-1] + 1]
    seen = np.tensordot(rows, np.tensordot(columns, part, (1, 1)), (1, 1))
    outside = (rows.sum(1) == 0)[:, None] | (columns.sum(1) == 0)[None]
    seen[outside] = GREY
    return np.clip(seen + 0.5, 0, 255).astype(np.uint8)


def crop(picture: np.ndarray, box: np.ndarray) -> np.ndarray:
    """The square around a face that the mouth network looks at."""
    x1, y1, x2, y2 = (float(v) for v in box)
    side = CROP_FACTOR * max(x2 - x1, y2 - y1)
    left, top = (x1 + x2 - side) / 2, (y1 + y2 - side) / 2
    return resample(picture, left, top, side / CROP_SIZE, CROP_SIZE, CROP_SIZE)


def as_drawn(box: np.ndarray) -> np.ndarray:
    """A box of the face network as people would have drawn it."""
    x1, y1, x2, y2 = box
    top, bottom = LOWER
    return np.array([x1, y1 + top * (y2 - y1), x2, y2 + bottom * (y2 - y1)])


def as_found(box: np.ndarray) -> np.ndarray:
    """The box of the face network behind one of the firmware's JSON: what the crop goes by."""
    x1, y1, x2, y2 = box
    top, bottom = LOWER
    height = (y2 - y1) / (1 - top + bottom)
    return np.array([x1, y1 - top * height, x2, y2 - bottom * height])


def looks(width: int, height: int, close: bool) -> list[tuple[float, float, float]]:
    """Left, top and scale of each look at a picture: whole, then parts."""
    views = [(0.0, 0.0, max(width / FACE_WIDTH, height / FACE_HEIGHT))]
    if close:
        scale = PART * min(width / FACE_WIDTH, height / FACE_HEIGHT)
        across, down = FACE_WIDTH * scale, FACE_HEIGHT * scale
        columns = min(_parts(width, across), MAX_PARTS // 2)
        rows = min(_parts(height, down), MAX_PARTS // columns)
        lefts = np.linspace(0, width - across, columns) if columns > 1 else [(width - across) / 2]
        tops = np.linspace(0, height - down, rows) if rows > 1 else [(height - down) / 2]
        views += [(float(left), float(top), scale) for top in tops for left in lefts]
    return views


def _parts(whole: float, part: float) -> int:
    return max(1, math.ceil((whole - PART_OVERLAP * part) / ((1 - PART_OVERLAP) * part) - 1e-3))


def cut(box: np.ndarray, view: tuple[float, float, float], width: int, height: int) -> bool:
    """Whether a box touches an edge of a look that is not also the picture's."""
    left, top, scale = view
    right, bottom = left + FACE_WIDTH * scale, top + FACE_HEIGHT * scale
    margin = EDGE * max(box[2] - box[0], box[3] - box[1])
    return bool(
        (left > 0.5 and box[0] < left + margin)
        or (top > 0.5 and box[1] < top + margin)
        or (right < width - 0.5 and box[2] > right - margin)
        or (bottom < height - 0.5 and box[3] > bottom - margin)
    )


def gather(
    found: list[tuple[np.ndarray, np.ndarray]],
    views: list[tuple[float, float, float]],
    width: int,
    height: int,
) -> tuple[np.ndarray, np.ndarray]:
    """One list of boxes and scores from those of each look, in pixels of the picture."""
    whole = [
        np.array([not cut(box, view, width, height) for box in boxes], bool)
        for (boxes, _), view in zip(found, views)
    ]
    found = [(boxes[keep], scores[keep]) for (boxes, scores), keep in zip(found, whole)]
    boxes, scores = suppress(*(np.concatenate(part) for part in zip(*found)))
    if len(views) == 1 or len(boxes) == 0:
        return boxes, scores
    for index, box in enumerate(boxes):
        said = []
        for (theirs, sure), view in zip(found, views):
            same = overlap(box[None], theirs)[0] > NMS_IOU
            best = sure[same].max() if same.any() else None
            clear = box[3] - box[1] >= CLEAR * view[2] and not cut(box, view, width, height)
            if clear or best == scores[index]:
                said.append(logit(FLOOR if best is None else best))
        scores[index] = sigmoid(np.mean(said))
    order = np.argsort(-scores, kind="stable")
    return boxes[order], scores[order]


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

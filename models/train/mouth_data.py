"""Crops that teach the mouth network, drawn anew at every look.

Each sample says for mouth, for nose, and for a face at all whether it can be
seen (1, 0, or −1 for unknown) and, where landmarks tell, in which box mouth and
nose are.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.utils.data import IterableDataset

from evaluate.vision import CROP_FACTOR, CROP_SIZE, GREY, as_found
from train import degrade, masks
from train.data import SHIPPED_TIERS, read

CONTEXT = 2.2
"""Side of a kept crop, in longer sides of the face box: room for jitter."""
KEPT = 176
"""Largest side of a kept crop in pixels."""
LEAST = 14
"""Least longer side of a face that is used."""
AS_DETECTED = np.float32([-0.015, -0.11]), 1.07
"""Where our detector sees the faces of `detect`, against the annotators: shift
in longer sides of the box, and factor of size (means over 2,578 faces)."""

Seen = tuple[int, int, int]
"""Mouth, nose, face: 1 visible, 0 not, −1 unknown."""
Random = np.random.Generator


@dataclass
class Crop:
    """A face with its surroundings; coordinates in pixels of the crop."""

    pixels: np.ndarray
    side: float
    """Longer side of the face box, which sits in the middle."""
    points: np.ndarray | None
    seen: Seen


@dataclass
class Sample:
    """What the network gets: a 96×96 picture and what it must say."""

    pixels: np.ndarray
    seen: Seen
    boxes: np.ndarray
    """Mouth and nose as centre, width, height in pixels; NaN where unknown."""


def cut(picture: np.ndarray, box: np.ndarray, points: np.ndarray | None) -> Crop:
    """The square around a face, shrunk if it is large."""
    x1, y1, x2, y2 = box
    side = CONTEXT * max(x2 - x1, y2 - y1)
    size = int(min(KEPT, np.ceil(side)))
    left, top = int(round((x1 + x2 - side) / 2)), int(round((y1 + y2 - side) / 2))
    n = max(2, int(round(side)))
    canvas = np.full((n, n, 3), GREY, np.uint8)
    height, width = picture.shape[:2]
    a, b, c, d = max(0, left), max(0, top), min(width, left + n), min(height, top + n)
    canvas[b - top : d - top, a - left : c - left] = picture[b:d, a:c]
    scale = size / n
    if size < n:
        canvas = cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA)
    if points is not None:
        points = (points - np.float32([left, top])) * np.float32(scale)
    return Crop(canvas, float(max(x2 - x1, y2 - y1)) * scale, points, (-1, -1, -1))


class Faces:
    """All crops of a split by what they are good for."""

    def __init__(
        self, data: Path, split: str, mined: dict[str, list[list[float]]],
        tiers: frozenset[str] = SHIPPED_TIERS,
    ) -> None:
        """`mined`: boxes of what was wrongly taken for a face, by picture of `neg`."""
        self.groups: dict[str, list[Crop]] = {}
        self.cloths = masks.templates(data / "train" / "templates")
        rng = np.random.default_rng(7)
        for picture in read(data, split, tiers):
            if picture.folder == "ilc":
                continue
            pixels = picture.pixels()
            if picture.folder == "neg":
                self._add_nothing(pixels, mined.get(picture.path.name, []), rng)
                continue
            for face in picture.faces:
                if face.ignore or face.side < LEAST:
                    continue
                group, seen = _group(picture.folder, face.label, face.kind, face.points)
                box = _as_detected(face.box) if picture.folder == "detect" else face.box
                crop = cut(pixels, box, face.points)
                self.groups.setdefault(group, []).append(replace(crop, seen=seen))
            if picture.folder == "detect":
                crop = _background(pixels, [face.box for face in picture.faces], rng)
                if crop is not None:
                    self.groups.setdefault("background", []).append(crop)

    def _add_nothing(self, pixels: np.ndarray, boxes: list[list[float]], rng: Random) -> None:
        """Places of a picture without faces: those taken for one, and any."""
        for box in boxes:
            crop = replace(cut(pixels, np.float32(box), None), seen=NOTHING)
            self.groups.setdefault("mistaken", []).append(crop)
        crop = _background(pixels, [], rng)
        if crop is not None:
            self.groups.setdefault("background", []).append(crop)

    def __str__(self) -> str:
        return ", ".join(f"{len(crops)} {name}" for name, crops in sorted(self.groups.items()))

    def pick(self, group: str, rng: Random) -> Crop:
        """A random crop of a group."""
        crops = self.groups[group]
        return crops[rng.integers(len(crops))]


NOTHING: Seen = (0, 0, 0)
"""No face, and nothing of one."""


def _as_detected(box: np.ndarray) -> np.ndarray:
    """An annotator's box as the detector would draw it."""
    shift, factor = AS_DETECTED
    centre = (box[:2] + box[2:]) / 2 + shift * (box[2:] - box[:2]).max()
    half = (box[2:] - box[:2]) / 2 * np.float32(factor)
    return np.concatenate([centre - half, centre + half])


def _group(
    folder: str, label: str, kind: str | None, points: np.ndarray | None
) -> tuple[str, Seen]:
    if folder == "synth":
        return f"synth_{kind}", {
            "correct": (0, 0, 1), "tip": (0, 1, 1), "under_nose": (0, 1, 1), "chin": (1, 1, 1)
        }[kind]
    where = "far" if points is None else "posed" if folder == "posed" else "near"
    seen = {"mask": (0, 0, 1), "no_mask": (1, 1, 1), "incorrect": (-1, 1, 1)}[label]
    return f"{label}_{where}", seen


def _background(pixels: np.ndarray, boxes: list[np.ndarray], rng: Random) -> Crop | None:
    """A square without faces: nothing is visible in it."""
    height, width = pixels.shape[:2]
    for _ in range(10):
        side = rng.uniform(20, 80)
        x, y = rng.uniform(0, max(1, width - side)), rng.uniform(0, max(1, height - side))
        grown = side / 2
        if all(
            b[2] < x - grown or b[0] > x + side + grown
            or b[3] < y - grown or b[1] > y + side + grown
            for b in boxes
        ):
            box = np.float32([x, y, x + side, y + side])
            return replace(cut(pixels, box, None), seen=NOTHING)
    return None


def mistaken(seen: Path) -> dict[str, list[list[float]]]:
    """What the firmware wrongly finds in `train/neg`: boxes by name of the picture.

    `seen` holds the JSON of `maskbell check --json --face-threshold 0.15 DATA/train/neg`.
    """
    found = {}
    for line in seen.read_text().splitlines():
        entry = json.loads(line)
        boxes = [as_found(face["box"]).tolist() for face in entry["faces"]]
        found[Path(entry["image"]).name] = [
            box for box in boxes if max(box[2] - box[0], box[3] - box[1]) >= LEAST
        ]
    return found


RECIPE = {
    "bare": 0.10,
    "bare_posed": 0.07,
    "bare_far": 0.08,
    "shout": 0.02,
    "chin": 0.05,
    "eyes": 0.01,
    "covered": 0.13,
    "covered_far": 0.12,
    "covered_drawn": 0.04,
    "covered_posed": 0.03,
    "hidden": 0.03,
    "nose_drawn": 0.08,
    "nose_posed": 0.04,
    "nose_far": 0.08,
    "mistaken": 0.09,
    "background": 0.03,
}
"""What share of the samples is made in which way."""


def draw(faces: Faces, rng: Random) -> Sample:
    """One random sample."""
    way = rng.choice(list(RECIPE), p=list(RECIPE.values()))
    crop = {
        "bare": lambda: faces.pick("no_mask_near", rng),
        "bare_posed": lambda: faces.pick("no_mask_posed", rng),
        "bare_far": lambda: faces.pick("no_mask_far", rng),
        "shout": lambda: _shouting(faces, rng),
        "chin": lambda: _dressed(faces, "chin", (1, 1, 1), rng),
        "eyes": lambda: _dressed(faces, "eyes", (1, -1, 1), rng),
        "covered": lambda: faces.pick("mask_near", rng),
        "covered_far": lambda: faces.pick("mask_far", rng),
        "covered_drawn": lambda: _dressed(faces, "correct", (0, 0, 1), rng),
        "covered_posed": lambda: _posed(faces, "correct", (0, 0, 1), rng),
        "hidden": lambda: _hidden(faces, rng),
        "nose_drawn": lambda: _dressed(faces, "under_nose", (0, 1, 1), rng),
        "nose_posed": lambda: _posed(faces, "under_nose", (0, 1, 1), rng),
        "nose_far": lambda: faces.pick("incorrect_far", rng),
        "mistaken": lambda: faces.pick("mistaken", rng),
        "background": lambda: faces.pick("background", rng),
    }[way]()
    return view(crop, rng)


def _dressed(faces: Faces, height: str, seen: Seen, rng: Random) -> Crop:
    """A mask drawn here, or one of the pictures that come with one drawn."""
    if height != "eyes" and rng.random() < 0.2:
        names = [height] if height != "under_nose" else ["under_nose", "tip"]
        return faces.pick(f"synth_{rng.choice(names)}", rng)
    crop = faces.pick("no_mask_near", rng)
    pixels = crop.pixels.copy()
    if rng.random() < 0.5:
        other = faces.pick("mask_near", rng)
        cloth = masks.worn(other.pixels, other.points, rng)
        masks.lay(pixels, cloth, masks.corners(crop.points, height, rng), rng)
    else:
        masks.wear(pixels, crop.points, height, faces.cloths, rng)
    return replace(crop, pixels=pixels, seen=seen)


def _posed(faces: Faces, height: str, seen: Seen, rng: Random) -> Crop:
    """A mask on a head that is turned, bowed, or behind glasses."""
    crop = faces.pick("no_mask_posed", rng)
    pixels = crop.pixels.copy()
    target, angle = masks.turned_corners(crop.points, height, rng)
    if abs(angle) < 0.6 and rng.random() < 0.5:
        masks.lay(pixels, faces.cloths[rng.integers(len(faces.cloths))], target, rng)
    else:
        masks.sew(pixels, target, rng)
    return replace(crop, pixels=pixels, seen=seen)


def _shouting(faces: Faces, rng: Random) -> Crop:
    """A wide open mouth, which the bare faces at hand hardly show."""
    crop = faces.pick("no_mask_near", rng)
    pixels = crop.pixels.copy()
    masks.open_mouth(pixels, crop.points, rng)
    return replace(crop, pixels=pixels)


def _hidden(faces: Faces, rng: Random) -> Crop:
    """Mouth behind a hand or a thing (the nose may show: unknown), or a scarf."""
    crop = faces.pick("no_mask_near", rng)
    pixels = crop.pixels.copy()
    kind = rng.random()
    if kind < 0.25:
        thing = faces.pick("background", rng).pixels
        masks.cover_by_thing(pixels, crop.points, thing, rng)
        return replace(crop, pixels=pixels, seen=(0, -1, 1))
    if kind < 0.6:
        masks.cover_by_hand(pixels, crop.points, rng)
        return replace(crop, pixels=pixels, seen=(0, -1, 1))
    masks.cover_by_scarf(pixels, crop.points, rng)
    return replace(crop, pixels=pixels, seen=(0, 0, 1))


def view(crop: Crop, rng: Random) -> Sample:
    """The crop as a camera might show it and the detector might cut it."""
    pixels, points = crop.pixels, crop.points
    size = pixels.shape[0]
    if crop.seen[2] == 1 and rng.random() < 0.12:
        pixels = pixels.copy()
        masks.cover_forehead(pixels, crop.side, rng)
    if rng.random() < 0.06:
        pixels = _at_an_edge(pixels, crop.side, rng)
    if crop.seen[2] == 1 and rng.random() < 0.4:
        angle = float(rng.uniform(-0.9, 0.9))
        pixels, points = masks.turned(pixels, points, crop.side, angle)
    if rng.random() < 0.5:
        pixels = pixels[:, ::-1]
        if points is not None:
            points = (np.float32([size, 0]) + points * np.float32([-1, 1]))[[1, 0, 2, 4, 3]]
    # A face of `side` pixels is seen as one of `apparent`.
    apparent = min(crop.side, float(np.exp(rng.uniform(np.log(18), np.log(150)))))
    window = CROP_FACTOR * crop.side * float(np.exp(np.clip(rng.normal(0, 0.15), -0.4, 0.4)))
    small = max(8, int(round(apparent * CROP_FACTOR)))
    angle = float(np.clip(rng.normal(0, 12), -35, 35))
    stretch = float(np.exp(rng.normal(0, 0.06)))
    shift = np.clip(rng.normal(0, 0.1, 2), -0.22, 0.22) * crop.side
    # Bowed or raised heads: one end of the face is farther away.
    nod = float(np.clip(rng.normal(0, 0.15), -0.35, 0.35)) / crop.side
    between = small if small >= window else int(np.ceil(window))
    matrix = np.eye(3)
    matrix[:2] = cv2.getRotationMatrix2D((0, 0), angle, between / window)
    matrix[0] *= stretch
    matrix[:2, 2] = between / 2 - matrix[:2, :2] @ shift
    matrix = matrix @ [[1, 0, 0], [0, 1, 0], [0, nod, 1]] @ [
        [1, 0, -size / 2], [0, 1, -size / 2], [0, 0, 1]
    ]
    pixels = cv2.warpPerspective(
        np.ascontiguousarray(pixels), matrix, (between, between),
        flags=cv2.INTER_LINEAR, borderValue=(GREY,) * 3,
    )
    if small < between:
        pixels = cv2.resize(pixels, (small, small), interpolation=cv2.INTER_AREA)
    if rng.random() < 0.08:
        pixels = degrade.dark(pixels, rng)
    pixels = degrade.sensor(degrade.blur(degrade.light(pixels, rng), rng), rng)
    how = cv2.INTER_AREA if small > CROP_SIZE else cv2.INTER_LINEAR
    pixels = cv2.resize(pixels, (CROP_SIZE, CROP_SIZE), interpolation=how)
    boxes = np.full((2, 4), np.nan, np.float32)
    if points is not None:
        placed = cv2.perspectiveTransform(points[None].astype(np.float64), matrix)[0]
        placed = placed.astype(np.float32) * (CROP_SIZE / between)
        boxes = mouth_and_nose(placed)
    return Sample(pixels, crop.seen, boxes)


def _at_an_edge(pixels: np.ndarray, side: float, rng: Random) -> np.ndarray:
    """A face that an edge of the picture cuts, by no more than the firmware still judges."""
    pixels, middle = pixels.copy(), pixels.shape[0] / 2
    match rng.integers(4):
        case 0:
            pixels[: int(middle - side * rng.uniform(0.3, 0.6))] = GREY
        case 1:
            pixels[:, : int(middle - side * rng.uniform(0.28, 0.5))] = GREY
        case 2:
            pixels[:, int(middle + side * rng.uniform(0.28, 0.5)) :] = GREY
        case _:
            pixels[int(middle + side * rng.uniform(0.4, 0.6)) :] = GREY
    return pixels


def mouth_and_nose(points: np.ndarray) -> np.ndarray:
    """Boxes (centre, width, height) of mouth and nose from five landmarks."""
    eyes, mouth, nose, _ = masks.frame(points)
    height = float(np.linalg.norm(mouth - eyes))
    lips = max(float(np.linalg.norm(points[4] - points[3])) * 1.15, 0.45 * height)
    bridge = eyes + (nose - eyes) * 0.75
    return np.float32(
        [
            [*mouth, lips, 0.45 * height],
            [*bridge, 0.5 * height, 0.6 * height],
        ]
    )


class Stream(IterableDataset):
    """An endless stream of batches, seeded."""

    def __init__(self, faces: Faces, batch: int, seed: int) -> None:
        self.faces, self.batch, self.seed = faces, batch, seed

    def __iter__(self):
        rng = np.random.default_rng(self.seed)
        while True:
            samples = [draw(self.faces, rng) for _ in range(self.batch)]
            pixels = torch.from_numpy(np.stack([s.pixels for s in samples]))
            seen = torch.tensor([s.seen for s in samples], dtype=torch.float32)
            boxes = torch.from_numpy(np.stack([s.boxes for s in samples]))
            yield pixels, seen, boxes
            # Drawing costs as much as learning: each batch serves twice, mirrored.
            mirrored = boxes.clone()
            mirrored[..., 0] = CROP_SIZE - mirrored[..., 0]
            yield pixels.flip(2), seen, mirrored

"""Scenes that teach the face network, put together anew at every look.

Each is drawn twice as large as the network's input: so, and undisturbed, the
teacher sees it. The network gets it shrunk, in worse light, with noise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.utils.data import IterableDataset
from tqdm import tqdm

from evaluate.vision import FACE_HEIGHT, FACE_WIDTH, GREY
from train import degrade, masks
from train.data import SHIPPED_TIERS, read
from train.teachers import Annotator, Teacher

TWICE = 2
"""Pixels of a drawn scene to a pixel of the network's input."""
WIDTH, HEIGHT = TWICE * FACE_WIDTH, TWICE * FACE_HEIGHT
"""Of a drawn scene."""
SMALLEST, LARGEST = TWICE * 8.0, TWICE * 150.0
"""Longer sides of the faces in a collage, in pixels of the drawn scene."""
LEAST = 7.0
"""Faces with a longer side below this, in pixels of the input, are ignored."""
MOST_FACES = 48
HARD = 0.45
"""Score that YuNet gives somewhere in a face-free picture that is hard for it."""

Random = np.random.Generator


@dataclass
class Scene:
    """A picture with boxes (n×4) and which of them only must not count (n)."""

    pixels: np.ndarray
    boxes: np.ndarray
    ignored: np.ndarray
    points: np.ndarray | None = None
    """Five landmarks of the only, bare face."""
    turned: bool = False
    """In profile, bowed: a mask needs a head in three dimensions."""


@dataclass
class Sample:
    """What the network gets, and what the teacher sees of the same."""

    pixels: np.ndarray
    """240×320, uint8, RGB."""
    clear: np.ndarray
    """480×640: the same, undisturbed."""
    boxes: np.ndarray
    """In pixels of `pixels`, n×4."""
    ignored: np.ndarray
    complete: bool
    """Outside of the boxes there is certainly no face."""


class Scenes:
    """All pictures in memory: crowds; single faces masked, bare, and posed; none at all."""

    def __init__(self, data: Path, tiers: frozenset[str] = SHIPPED_TIERS):
        self.groups: dict[str, list[Scene]] = {"crowd": [], "masked": [], "bare": [], "posed": []}
        self.empty: list[np.ndarray] = []
        """Face-free pictures, the hard ones first."""
        self.backgrounds: list[np.ndarray] = []
        rng = np.random.default_rng(7)
        self.cloths = masks.templates(data / "train" / "templates")
        annotator = Annotator()
        easy = []
        for picture in tqdm(list(read(data, "train", tiers)), mininterval=10):
            pixels = picture.pixels()
            if picture.folder == "neg":
                (self.empty if picture.hard >= HARD else easy).append(pixels)
                continue
            if picture.folder == "synth" and picture.faces[0].kind == "correct":
                continue  # faces without a mask get one here
            boxes = np.stack([face.box for face in picture.faces])
            ignored = np.array([face.ignore for face in picture.faces])
            if picture.folder == "detect":
                # Who was found but not annotated is a face, or at least no background.
                extra, doubtful = annotator.missing(pixels, boxes)
                boxes = np.concatenate([boxes, extra]).astype(np.float32)
                ignored = np.concatenate([ignored, doubtful])
                self.backgrounds += _backgrounds(pixels, boxes, rng)
                group = "crowd"
            else:
                bare = picture.faces[0].label == "no_mask"
                group = "posed" if picture.folder == "posed" else "bare" if bare else "masked"
            points = picture.faces[0].points if group in ("bare", "posed") else None
            self.groups[group].append(Scene(pixels, boxes, ignored, points, group == "posed"))
        self.hard = len(self.empty)
        self.empty += easy

    def __str__(self) -> str:
        parts = [f"{len(scenes)} {name}" for name, scenes in self.groups.items()]
        return ", ".join([*parts, f"{len(self.empty)} empty ({self.hard} hard)"])

    def pick(self, group: str, rng: Random) -> Scene:
        """A random scene; a bare face often gets a mask at some height."""
        scenes = self.groups[group]
        scene = scenes[rng.integers(len(scenes))]
        if scene.points is None or rng.random() >= 0.4:
            return scene
        pixels = scene.pixels.copy()
        height = masks.HEIGHTS[rng.choice(3, p=[0.6, 0.25, 0.15])]
        if rng.random() < 0.1:
            masks.cover_by_hand(pixels, scene.points, rng)
        elif scene.turned:
            masks.sew(pixels, masks.turned_corners(scene.points, height, rng)[0], rng)
        else:
            masks.wear(pixels, scene.points, height, self.cloths, rng)
        return Scene(pixels, scene.boxes, scene.ignored)

    def nothing(self, rng: Random) -> np.ndarray:
        """A picture without faces; six in ten are hard."""
        few = self.hard if rng.random() < 0.6 else len(self.empty)
        return self.empty[rng.integers(few)]


CROWD, COLLAGE = 0.33, 0.42
"""Shares of the scenes; the rest shows no face."""
GRIDS = ((1, 1), (2, 1), (2, 2), (3, 2), (4, 3))


def draw(scenes: Scenes, rng: Random) -> Sample:
    """One random sample."""
    kind = rng.random()
    canvas = Scene(_background(scenes, rng), np.zeros((0, 4), np.float32), np.zeros(0, bool))
    whole = 0, 0, WIDTH, HEIGHT
    if kind < CROWD:
        scene = scenes.pick("crowd", rng)
        fit = min(WIDTH / scene.pixels.shape[1], HEIGHT / scene.pixels.shape[0])
        _place(canvas, scene, fit * np.exp(rng.uniform(-0.4, 0.9)), whole, rng)
    elif kind < CROWD + COLLAGE:
        for cell in _cells(GRIDS[rng.choice(5, p=[0.15, 0.2, 0.3, 0.2, 0.15])]):
            group = rng.choice(["crowd", "masked", "bare", "posed", "none"],
                               p=[0.15, 0.4, 0.2, 0.15, 0.1])
            if group == "none":
                _place_nothing(canvas, scenes, cell, rng)
                continue
            scene = scenes.pick(group, rng)
            side = float((scene.boxes[0, 2:] - scene.boxes[0, :2]).max())
            most = min(LARGEST, 0.9 * min(cell[2] - cell[0], cell[3] - cell[1]))
            wanted = np.exp(rng.uniform(np.log(SMALLEST), np.log(most)))
            _place(canvas, scene, wanted / side, cell, rng)
    else:
        for cell in _cells(GRIDS[rng.choice(4, p=[0.4, 0.2, 0.25, 0.15])]):
            _place_nothing(canvas, scenes, cell, rng)
    pixels = cv2.resize(canvas.pixels, (FACE_WIDTH, FACE_HEIGHT), interpolation=cv2.INTER_AREA)
    if rng.random() < 0.15:
        # A camera with less light than pixels: everything a little softer.
        factor = rng.uniform(0.6, 0.95)
        small = cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        pixels = cv2.resize(small, (FACE_WIDTH, FACE_HEIGHT), interpolation=cv2.INTER_LINEAR)
    pixels = degrade.light(pixels, rng)
    if rng.random() < 0.3:
        pixels = degrade.blur(pixels, rng)
    if rng.random() < 0.5:
        pixels = degrade.sensor(pixels, rng)
    boxes = canvas.boxes / TWICE
    sides = (boxes[:, 2:] - boxes[:, :2]).max(1, initial=0)
    return Sample(pixels, canvas.pixels, boxes, canvas.ignored | (sides < LEAST), kind >= CROWD)


def _cells(grid: tuple[int, int]) -> Iterator[tuple[int, int, int, int]]:
    """Left, top, right, bottom of each cell of a scene that is divided evenly."""
    columns, rows = grid
    xs = np.linspace(0, WIDTH, columns + 1).astype(int)
    ys = np.linspace(0, HEIGHT, rows + 1).astype(int)
    for row in range(rows):
        for column in range(columns):
            yield xs[column], ys[row], xs[column + 1], ys[row + 1]


def _place_nothing(
    canvas: Scene, scenes: Scenes, cell: tuple[int, int, int, int], rng: Random
) -> None:
    """Pastes a face-free picture into a cell, in place."""
    pixels = scenes.nothing(rng)
    fit = max((cell[2] - cell[0]) / pixels.shape[1], (cell[3] - cell[1]) / pixels.shape[0])
    scene = Scene(pixels, np.zeros((0, 4), np.float32), np.zeros(0, bool))
    _place(canvas, scene, fit * np.exp(rng.uniform(-0.7, 0.7)), cell, rng)


def _backgrounds(pixels: np.ndarray, boxes: np.ndarray, rng: Random) -> list[np.ndarray]:
    """Up to three windows of a picture that show no face."""
    height, width = pixels.shape[:2]
    found = []
    for _ in range(30):
        w, h = rng.integers(48, max(49, width)), rng.integers(48, max(49, height))
        x, y = rng.integers(0, max(1, width - w)), rng.integers(0, max(1, height - h))
        clear = (boxes[:, 2] < x) | (boxes[:, 0] > x + w) | (boxes[:, 3] < y) | (boxes[:, 1] > y + h)
        if clear.all():
            found.append(pixels[y : y + h, x : x + w])
            if len(found) == 3:
                break
    return found


def _background(scenes: Scenes, rng: Random) -> np.ndarray:
    """What lies behind the pasted pictures: a place without faces, or grey."""
    if rng.random() < 0.2:
        return np.full((HEIGHT, WIDTH, 3), GREY, np.uint8)
    if rng.random() < 0.5:
        pixels = scenes.nothing(rng)
    else:
        pixels = scenes.backgrounds[rng.integers(len(scenes.backgrounds))]
    pixels = cv2.resize(pixels, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
    return pixels[:, ::-1].copy() if rng.random() < 0.5 else pixels


def _place(
    canvas: Scene, scene: Scene, scale: float, cell: tuple[int, int, int, int], rng: Random
) -> None:
    """Scales a scene and pastes a part of it with a face into a cell, in place."""
    left, top, right, bottom = cell
    pixels, boxes = scene.pixels, scene.boxes
    if rng.random() < 0.5:
        width = pixels.shape[1]
        pixels = pixels[:, ::-1]
        boxes = np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], 1)
    height, width = pixels.shape[:2]
    size = max(2, round(width * scale)), max(2, round(height * scale))
    boxes = boxes * np.float32(scale)
    # The window onto the scaled scene: around a face, where the scene is larger.
    middle = np.array(size) / 2
    if len(boxes):
        box = boxes[rng.integers(len(boxes))]
        middle = (box[:2] + box[2:]) / 2
    room = np.array([right - left, bottom - top])
    corner = middle - room * rng.uniform(0.2, 0.8, 2)
    slack = np.array(size) - room
    corner = np.where(slack > 0, np.clip(corner, 0, np.maximum(slack, 0)),
                      slack * rng.uniform(0, 1, 2))
    x, y = np.round(corner).astype(int)
    sx, sy = max(0, x), max(0, y)
    ex, ey = min(size[0], x + room[0]), min(size[1], y + room[1])
    part = pixels[
        int(sy / scale) : max(int(sy / scale) + 1, int(ey / scale)),
        int(sx / scale) : max(int(sx / scale) + 1, int(ex / scale)),
    ]
    canvas.pixels[top + sy - y : top + ey - y, left + sx - x : left + ex - x] = cv2.resize(
        part, (ex - sx, ey - sy),
        interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR,
    )
    moved = boxes - np.float32([x, y, x, y])
    clipped = np.clip(moved, 0, np.tile(room, 2)).astype(np.float32)
    share = np.prod(clipped[:, 2:] - clipped[:, :2], 1) / np.maximum(
        np.prod(moved[:, 2:] - moved[:, :2], 1), 1e-6
    )
    there = share > 0.05
    canvas.boxes = np.concatenate(
        [canvas.boxes, clipped[there] + np.float32([left, top, left, top])]
    )
    canvas.ignored = np.concatenate(
        [canvas.ignored, scene.ignored[there] | (share[there] < 0.5)]
    )


class Stream(IterableDataset):
    """An endless stream of batches of B samples, seeded.

    Pixels (B×240×320×3); boxes (B×48×4) and their state (B×48: 1 face, 0
    ignored, −1 none); what the teacher says of each cell: probability (B×1580;
    0 where there is certainly no face) and box code (B×1580×4).
    """

    def __init__(self, scenes: Scenes, yunet: Path, batch: int, seed: int) -> None:
        self.scenes, self.yunet, self.batch, self.seed = scenes, yunet, batch, seed

    def __iter__(self) -> Iterator[tuple[torch.Tensor, ...]]:
        rng, teacher = np.random.default_rng(self.seed), Teacher(self.yunet)
        while True:
            samples = [draw(self.scenes, rng) for _ in range(self.batch)]
            boxes = np.zeros((self.batch, MOST_FACES, 4), np.float32)
            state = np.full((self.batch, MOST_FACES), -1, np.int64)
            said = []
            for index, sample in enumerate(samples):
                count = min(MOST_FACES, len(sample.boxes))
                boxes[index, :count] = sample.boxes[:count]
                state[index, :count] = ~sample.ignored[:count]
                said.append(teacher.say(sample.clear, sample.boxes if sample.complete else None))
            pixels = np.stack([sample.pixels for sample in samples])
            probability, code = (np.stack(part) for part in zip(*said))
            yield tuple(map(torch.from_numpy, (pixels, boxes, state, probability, code)))

"""Scenes that teach the face network, put together anew at every look."""

from __future__ import annotations

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
from train.yunet import Teacher

LEAST = 7.0
"""Faces with a longer side below this, in pixels of the input, are ignored."""
MOST_FACES = 48

Random = np.random.Generator


@dataclass
class Scene:
    """A picture with boxes (n×4) and which of them only must not count (n)."""

    pixels: np.ndarray
    boxes: np.ndarray
    ignored: np.ndarray
    points: np.ndarray | None = None
    """Five landmarks of the only, bare face."""


class Scenes:
    """All pictures in memory: crowds, single masked faces, single bare faces."""

    def __init__(self, data: Path, teacher: Teacher, tiers: frozenset[str] = SHIPPED_TIERS):
        self.groups: dict[str, list[Scene]] = {"crowd": [], "masked": [], "bare": []}
        self.backgrounds: list[np.ndarray] = []
        rng = np.random.default_rng(7)
        self.cloths = masks.templates(data / "train" / "templates")
        for picture in tqdm(list(read(data, "train", tiers)), mininterval=10):
            if picture.folder not in ("detect", "faces", "synth"):
                continue
            if picture.folder == "synth" and picture.faces[0].kind == "correct":
                continue  # faces without a mask get one here
            pixels = picture.pixels()
            boxes = np.stack([face.box for face in picture.faces])
            ignored = np.array([face.ignore for face in picture.faces])
            if picture.folder == "detect":
                extra = teacher.missing(pixels, boxes)
                ignored = np.concatenate([ignored, np.ones(len(extra), bool)])
                boxes = np.concatenate([boxes, extra]).astype(np.float32)
                self.backgrounds += _backgrounds(pixels, boxes, rng)
            face = picture.faces[0]
            bare = picture.folder == "faces" and face.label == "no_mask"
            group = "crowd" if picture.folder == "detect" else "bare" if bare else "masked"
            points = face.points if bare else None
            self.groups[group].append(Scene(pixels, boxes, ignored, points))

    def __str__(self) -> str:
        return ", ".join(f"{len(scenes)} {name}" for name, scenes in self.groups.items())

    def pick(self, group: str, rng: Random) -> Scene:
        """A random scene; a bare face often gets a mask at some height."""
        scenes = self.groups[group]
        scene = scenes[rng.integers(len(scenes))]
        if scene.points is not None and rng.random() < 0.4:
            pixels = scene.pixels.copy()
            height = masks.HEIGHTS[rng.choice(3, p=[0.6, 0.25, 0.15])]
            if rng.random() < 0.1:
                masks.cover_by_hand(pixels, scene.points, rng)
            else:
                masks.wear(pixels, scene.points, height, self.cloths, rng)
            scene = Scene(pixels, scene.boxes, scene.ignored)
        return scene


def draw(scenes: Scenes, rng: Random) -> Scene:
    """One random input of the network."""
    kind = rng.random()
    canvas = Scene(
        _background(scenes, rng),
        np.zeros((0, 4), np.float32), np.zeros(0, bool),
    )
    if kind < 0.45:
        scene = scenes.pick("crowd", rng)
        fit = min(FACE_WIDTH / scene.pixels.shape[1], FACE_HEIGHT / scene.pixels.shape[0])
        _place(canvas, scene, fit * np.exp(rng.uniform(-0.4, 0.9)),
               (0, 0, FACE_WIDTH, FACE_HEIGHT), rng)
    else:
        columns, rows = [(1, 1), (2, 1), (2, 2), (3, 2), (4, 3)][
            rng.choice(5, p=[0.1, 0.2, 0.3, 0.25, 0.15])
        ]
        xs = np.linspace(0, FACE_WIDTH, columns + 1).astype(int)
        ys = np.linspace(0, FACE_HEIGHT, rows + 1).astype(int)
        for column in range(columns):
            for row in range(rows):
                cell = xs[column], ys[row], xs[column + 1], ys[row + 1]
                scene = scenes.pick(rng.choice(["crowd", "masked", "bare"], p=[0.2, 0.5, 0.3]), rng)
                if scene.boxes.shape[0] > 0:
                    side = float((scene.boxes[0, 2:] - scene.boxes[0, :2]).max())
                    most = 0.9 * min(cell[2] - cell[0], cell[3] - cell[1])
                    wanted = np.exp(rng.uniform(np.log(9), np.log(max(10, most))))
                    _place(canvas, scene, wanted / side, cell, rng)
    pixels = canvas.pixels
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
    sides = (canvas.boxes[:, 2:] - canvas.boxes[:, :2]).max(1, initial=0)
    return Scene(pixels, canvas.boxes, canvas.ignored | (sides < LEAST))


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
    if rng.random() < 0.3:
        return np.full((FACE_HEIGHT, FACE_WIDTH, 3), GREY, np.uint8)
    pixels = scenes.backgrounds[rng.integers(len(scenes.backgrounds))]
    pixels = cv2.resize(pixels, (FACE_WIDTH, FACE_HEIGHT), interpolation=cv2.INTER_LINEAR)
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
    """An endless stream of batches, seeded: pixels, boxes, and 1 face, 0 ignored, −1 none."""

    def __init__(self, scenes: Scenes, batch: int, seed: int) -> None:
        self.scenes, self.batch, self.seed = scenes, batch, seed

    def __iter__(self):
        rng = np.random.default_rng(self.seed)
        while True:
            pixels = np.zeros((self.batch, FACE_HEIGHT, FACE_WIDTH, 3), np.uint8)
            boxes = np.zeros((self.batch, MOST_FACES, 4), np.float32)
            state = np.full((self.batch, MOST_FACES), -1, np.int64)
            for index in range(self.batch):
                scene = draw(self.scenes, rng)
                count = min(MOST_FACES, len(scene.boxes))
                pixels[index] = scene.pixels
                boxes[index, :count] = scene.boxes[:count]
                state[index, :count] = ~scene.ignored[:count]
            yield torch.from_numpy(pixels), torch.from_numpy(boxes), torch.from_numpy(state)

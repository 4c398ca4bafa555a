"""Clips: what happens before the camera, frame by frame, and who is where.

A clip is made in full by its name: the same name gives the same clip.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from evaluate.visits import camera
from evaluate.visits.camera import EXPOSURE, HEIGHT, WIDTH, Camera
from evaluate.visits.stills import Cutout, Still, cutout, seed

Box = tuple[float, float, float, float]

FAR, NEAR = 34, 150
"""Height of a face when it appears and when it has come near, in pixels."""
VISIT = 4.0
"""Time between the two, seconds."""
LEAD, TAIL = 0.4, 0.6
"""Time before somebody appears and after they were nearest, seconds."""
FAST, SLOW = 30, 10
"""Frames a second of clips: a quarter of the visits is fast, to be judged at fewer frames a second as well."""
WATCHED = 5
"""Frames a second where there is little to see."""


@dataclass(frozen=True)
class Frame:
    """A picture and the truth about it."""

    jpeg: bytes
    truth: dict[str, Box]
    """The faces that are in view, by who they are."""


@dataclass(frozen=True)
class Clip:
    """A scene that can be made."""

    name: str
    suite: str
    rate: float
    frames: Callable[[], Iterator[Frame]]
    about: dict = field(default_factory=dict)
    """What scoring needs to know."""


@dataclass(frozen=True)
class Walk:
    """Somebody who walks through the picture at a steady speed, nearer and nearer."""

    still: Still
    start: float
    """When they appear, seconds."""
    way: tuple[float, float]
    """Where the face's centre is at the start and the end, in widths of the picture."""
    eyes: float
    """Where the face's centre is, in heights of the picture."""
    phase: float
    """Of the step, in turns."""
    sizes: tuple[float, float] = (FAR, NEAR)
    takes: float = VISIT

    @classmethod
    def across(cls, still: Still, start: float, rng: np.random.Generator, **more: object) -> Walk:
        """A walk from one side to the other."""
        way = (rng.uniform(0.08, 0.16), rng.uniform(0.72, 0.82))
        way = way if rng.random() < 0.5 else (1 - way[0], 1 - way[1])
        values = {"way": way, "eyes": rng.uniform(0.32, 0.5), "phase": rng.random()} | more
        return cls(still, start, **values)

    def at(self, time: float) -> tuple[float, float, float] | None:
        """The face's centre and height in pixels, if it is there."""
        share = (time - self.start) / self.takes
        if not 0 <= share <= 1 + TAIL / self.takes:
            return None
        # At a steady speed the distance falls steadily, and the height is its inverse.
        height = 1 / np.interp(share, (0, 1), (1 / self.sizes[0], 1 / self.sizes[1]))
        x = WIDTH * (self.way[0] + (self.way[1] - self.way[0]) * share)
        step = 2 * np.pi * (1.8 * (time - self.start) + self.phase)
        return x + 0.02 * height * np.sin(step / 2), HEIGHT * self.eyes + 0.03 * height * np.sin(step), height

    def show(self, scene: np.ndarray, time: float) -> Box | None:
        """Puts them into a scene; where their face is, unless they are not there."""
        here, then = self.at(time), self.at(time - EXPOSURE)
        if here is None:
            return None
        motion = (here[0] - then[0], here[1] - then[1]) if then else (0.0, 0.0)
        roll = 4 * np.sin(2 * np.pi * (0.4 * time + self.phase))
        return place(scene, cutout(self.still), *here, roll, motion)


def place(
    scene: np.ndarray, face: Cutout, x: float, y: float, height: float,
    roll: float = 0.0, motion: tuple[float, float] = (0.0, 0.0),
) -> Box | None:
    """Puts a face of some height (pixels) and roll (degrees) into a scene; its box, if it is in the picture."""
    x1, y1, x2, y2 = face.box
    scale = height / (y2 - y1)
    level = min(int(max(0, np.floor(-np.log2(scale)))), len(face.levels) - 1)
    layer = face.levels[level]
    # A level's own scale: sides are rounded when halved.
    across, down = layer.shape[1] / face.levels[0].shape[1], layer.shape[0] / face.levels[0].shape[0]
    matrix = cv2.getRotationMatrix2D(((x1 + x2) / 2, (y1 + y2) / 2), roll, scale)
    matrix[:, 2] += x - (x1 + x2) / 2, y - (y1 + y2) / 2
    corners = np.array([(0, 0), (1, 0), (0, 1), (1, 1)]) * face.levels[0].shape[1::-1]
    corners = corners @ matrix[:, :2].T + matrix[:, 2]
    margin = np.abs(motion).max() + 2
    left, top = np.floor(np.maximum(corners.min(0) - margin, 0)).astype(int)
    right, bottom = np.ceil(np.minimum(corners.max(0) + margin, (WIDTH, HEIGHT))).astype(int)
    if left >= right or top >= bottom:
        return None
    matrix[:, 2] -= left, top
    matrix[:, :2] /= (across, down)
    layer = cv2.warpAffine(layer, matrix, (int(right - left), int(bottom - top)), flags=cv2.INTER_LINEAR)
    layer = camera.moved(camera.soft(layer), *motion)
    part = scene[top:bottom, left:right]
    # Channels of their own are much faster here than broadcasting.
    *colours, opacity = cv2.split(layer)
    part *= 1 - cv2.merge([opacity] * 3)
    part += cv2.merge(colours)
    width = (x2 - x1) * scale
    box = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    shown = max(0, min(box[2], WIDTH) - max(box[0], 0)) * max(0, min(box[3], HEIGHT) - max(box[1], 0))
    return tuple(round(float(edge), 1) for edge in box) if shown > 0.3 * width * height else None


def _background(name: str, empty: Path | None) -> np.ndarray:
    rng = seed(f"background of {name}")
    return camera.soft(camera.busy(empty, rng) if empty else camera.plain(rng))


def _play(
    name: str, rate: float, seconds: float, background: np.ndarray,
    people: dict[str, Walk], light: Callable[[float], float] | None = None,
) -> Iterator[Frame]:
    """People before a background; those who are nearer hide the others."""
    rng = seed(f"frames of {name}")
    lens = Camera(rng)
    times = np.arange(round(seconds * rate)) / rate
    for time, gain in zip(times, camera.exposures(seed(f"exposure of {name}"), times)):
        scene, truth = background.copy(), {}
        there = [(walk.at(time), who) for who, walk in people.items()]
        for _, who in sorted((at[2], who) for at, who in there if at):
            if box := people[who].show(scene, time):
                truth[who] = box
        yield Frame(lens.frame(scene, light(time) if light else gain), truth)


def visit(still: Still, rate: float, empty: Path | None) -> Clip:
    """One person who crosses the picture, before a plain background or a picture out of focus."""
    kind = "busy" if empty else "plain"
    name = f"{kind}-{still.name}"

    def frames() -> Iterator[Frame]:
        walk = Walk.across(still, LEAD, seed(f"walk of {name}"))
        yield from _play(name, rate, LEAD + VISIT + TAIL, _background(name, empty), {"visitor": walk})

    about = {"kind": still.kind, "folder": still.folder, "background": kind}
    return Clip(name, "visits", rate, frames, about)


def pair(masked: Still, bare: Still, how: str, empty: Path | None) -> Clip:
    """A masked and a bare person: one behind the other (`passing`), or one from either side (`crossing`)."""
    name = f"{how}-{masked.name}-{bare.name}"

    def frames() -> Iterator[Frame]:
        rng = seed(f"walks of {name}")
        left, right = (rng.uniform(0.08, 0.16), rng.uniform(0.8, 0.88))
        ways = [(left, right), (right, left)] if how == "crossing" else [(left, right)] * 2
        starts = (LEAD, LEAD + (rng.uniform(0, 0.3) if how == "crossing" else rng.uniform(1.0, 1.6)))
        order = rng.permutation(2)
        people = {
            who: Walk.across(still, starts[place], rng, way=ways[place])
            for who, still, place in (("masked", masked, order[0]), ("bare", bare, order[1]))
        }
        seconds = max(starts) + VISIT + TAIL
        yield from _play(name, SLOW, seconds, _background(name, empty), people)

    return Clip(name, "pairs", SLOW, frames, {"how": how})


ROOM = 60
"""Time for which an empty room is watched, seconds."""


def room(empty: Path) -> Clip:
    """A face-free picture as a room, in light that changes slowly."""
    name = f"room-{empty.stem}"

    def frames() -> Iterator[Frame]:
        rng = seed(f"light of {name}")
        lens, scene = Camera(rng), camera.soft(camera.filling(empty))
        slow, colours = rng.uniform(20, 90, 3), rng.random(3)
        for index in range(ROOM * WATCHED):
            turns = 2 * np.pi * (index / WATCHED / slow + colours)
            light = 1 + 0.15 * np.sin(turns[0]) + np.array((0.04, 0, -0.04)) * np.sin(turns[1])
            yield Frame(lens.frame(scene, camera.tint(light)), {})

    return Clip(name, "rooms", WATCHED, frames)


LEVELS, LOOKS = 20, 8
"""Lights of the pool that an hour is put together from, and looks in each."""


def lights(empty: Path) -> Clip:
    """The same room in `LEVELS` lights, `LOOKS` looks in each, as a pool to put longer times together from."""
    name = f"lights-{empty.stem}"

    def frames() -> Iterator[Frame]:
        rng = seed(f"light of {name}")
        lens, scene = Camera(rng), camera.soft(camera.filling(empty))
        for _ in range(LEVELS):
            brightness = np.exp(rng.uniform(np.log(0.5), np.log(1.5))) * np.exp(rng.normal(0, 0.06, 3))
            # A lamp or a window at one side.
            side = np.linspace(*np.exp(rng.normal(0, 0.25, 2)), WIDTH)[:, None]
            light = (side * brightness).astype(np.float32)
            for _ in range(LOOKS):
                yield Frame(lens.frame(scene, light * np.float32(rng.uniform(0.97, 1.03))), {})

    return Clip(name, "lights", WATCHED, frames)


POSTER = 125
"""Time for which a poster is watched, seconds."""
DARK = (95, 103)
"""From when to when the light is out."""
COMING = (("masked", 65), ("bare", 80), ("masked again", 110))
"""Who comes by and when."""


def poster(still: Still, masked: Still, bare: Still, empty: Path | None) -> Clip:
    """A picture of a bare face on the wall; visitors come by, and the light goes out for a while."""
    name = f"poster-{still.name}"

    def frames() -> Iterator[Frame]:
        rng = seed(f"wall of {name}")
        wall, face = _background(name, empty), cutout(still)
        height = rng.uniform(55, 110)
        x, y = rng.uniform(0.25, 0.75) * WIDTH, rng.uniform(0.2, 0.4) * HEIGHT
        # Paper, with the face on it.
        width = height * (face.box[2] - face.box[0]) / (face.box[3] - face.box[1])
        corner = round(x - 1.1 * width), round(y - 0.95 * height)
        other = round(x + 1.1 * width), round(y + 1.2 * height)
        cv2.rectangle(wall, corner, other, rng.uniform(120, 235, 3).tolist(), cv2.FILLED)
        box = place(wall, face, x, y, height, rng.uniform(-2, 2))
        people = {
            who: Walk.across(bare if who == "bare" else masked, start, rng) for who, start in COMING
        }

        def light(time: float) -> float:
            return (0.15 if DARK[0] <= time < DARK[1] else 1.0) * (1 + 0.1 * np.sin(time / 7))

        for frame in _play(name, WATCHED, POSTER, wall, people, light):
            yield Frame(frame.jpeg, frame.truth | ({"poster": box} if box else {}))

    return Clip(name, "posters", WATCHED, frames)

"""Draws masks, hands and scarves on faces whose five landmarks are known.

Pictures are uint8 RGB and changed in place or copied as said; landmarks are
5×2: left eye, right eye, nose tip, left and right mouth corner, with left and
right as in the picture.
"""

from __future__ import annotations

import configparser
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

Random = np.random.Generator

HEIGHTS = ("correct", "under_nose", "chin", "eyes")
"""How high a mask sits: all covered; nose out; nose and mouth out; over the eyes."""


@dataclass
class Cloth:
    """Something to lay on a face: RGB, alpha, and where its six corners are.

    Corners: left, middle and right of the upper edge, then of the lower edge.
    """

    pixels: np.ndarray
    alpha: np.ndarray
    corners: np.ndarray


def templates(folder: Path) -> list[Cloth]:
    """The mask pictures of MaskTheFace (MIT), frontal ones."""
    config = configparser.ConfigParser(comment_prefixes=(";", "#"))
    config.read(folder / "masks.cfg")
    found = []
    for name in config.sections():
        path = folder / f"{name}.png"
        if not path.exists() or name.endswith(("_left", "_right")) or name == "gas":
            continue
        picture = cv2.cvtColor(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), cv2.COLOR_BGRA2RGBA)
        corners = np.float32(
            [[float(v) for v in config[name][f"mask_{c}"].split(",")] for c in "abcdef"]
        )
        # The points are for the original size; the mask spans the whole width.
        extent = (corners[:, 0].max() + corners[:, 0].min()) / picture.shape[1]
        found.append(Cloth(picture[..., :3], picture[..., 3], corners / extent))
    return found


def frame(points: np.ndarray) -> tuple[np.ndarray, ...]:
    """Middle of the eyes, of the mouth, nose tip, and the vector between the eyes."""
    return (points[0] + points[1]) / 2, (points[3] + points[4]) / 2, points[2], points[1] - points[0]


def corners(points: np.ndarray, height: str, rng: Random) -> np.ndarray:
    """Where a mask's six corners come to lie on a face."""
    eyes, mouth, nose, across = frame(points)
    down = mouth - eyes
    width = float(np.linalg.norm(across)) + 1e-6
    turn = float(np.clip((nose - eyes) @ across / width**2, -0.45, 0.45))
    left = -across * max(0.15, rng.uniform(0.95, 1.2) + 1.3 * turn)
    right = across * max(0.15, rng.uniform(0.95, 1.2) - 1.3 * turn)
    chin = mouth + down * rng.uniform(0.62, 0.9)
    if height == "correct":
        top = eyes + (nose - eyes) * rng.uniform(0.1, 0.55)
        ends = eyes + down * rng.uniform(0.2, 0.5)
    elif height == "under_nose":
        top = nose + (mouth - nose) * rng.uniform(-0.08, 0.42)
        ends = eyes + down * rng.uniform(0.6, 0.95)
    elif height == "eyes":
        top = eyes - down * rng.uniform(0.3, 0.7)
        ends = eyes - down * rng.uniform(0.1, 0.5)
        chin = eyes + (nose - eyes) * rng.uniform(0.3, 0.8)
    else:
        top = mouth + down * rng.uniform(0.27, 0.5)
        ends = mouth + down * rng.uniform(-0.3, 0.2)
        chin = mouth + down * rng.uniform(0.75, 1.2)
    low = max(0.0, float((top - mouth) @ down / (down @ down + 1e-6))) + rng.uniform(0.15, 0.4)
    bottom = mouth + down * low
    if height == "eyes":
        bottom = eyes + down * rng.uniform(0.05, 0.3)
    inset = rng.uniform(0.6, 0.9)
    slant = down * rng.normal(0, 0.05)
    return np.float32(
        [
            ends + left - slant, top, ends + right + slant,
            bottom + left * inset - slant, chin, bottom + right * inset + slant,
        ]
    )


NOSE_DEPTH, EAR_DEPTH = 0.55, -0.45
"""How far nose tip and a mask's ends lie before the eyes, in distances between frontal eyes."""


def turned_corners(
    points: np.ndarray, height: str, rng: Random
) -> tuple[np.ndarray, float]:
    """As [`corners`] for a head turned as far as to a profile; and the angle (radians).

    The landmarks of a far eye and mouth corner are guesses there: the face's
    height gives the scale, the nose's place before the eyes the turn. Corners are
    put onto a head in three dimensions and projected; the far end of the mask is
    where the face's outline is.
    """
    eyes, mouth, nose, across = frame(points)
    down = mouth - eyes
    scale = float(np.linalg.norm(down)) * 0.95 + 1e-6
    width = float(np.linalg.norm(across))
    beside = across / width if width > 0.4 * scale else np.float32([1, 0])
    sine = float(np.clip((nose - eyes) @ beside / (NOSE_DEPTH * scale), -1, 1))
    cosine = float(np.sqrt(1 - sine * sine))
    half = rng.uniform(0.95, 1.2)
    flat = corners(points, height, rng)
    top, chin = flat[1], flat[4]
    away = EAR_DEPTH * sine
    ends = [(-half * cosine + away) * scale, (half * cosine + away) * scale]
    # The middle of the upper edge in the same direction, from the eyes.
    ridge = float((top - eyes) @ beside)
    ends = [min(ends[0], ridge - 0.04 * scale), max(ends[1], ridge + 0.04 * scale)]
    fall = down / (np.linalg.norm(down) + 1e-6)
    upper = float((flat[[0, 2]].mean(0) - eyes) @ fall)
    lower = float((flat[[3, 5]].mean(0) - eyes) @ fall)
    inset = rng.uniform(0.6, 0.9)
    lips = float((mouth - eyes) @ beside)
    low = [lips + (end - lips) * inset for end in ends]
    upright = np.float32([-beside[1], beside[0]])
    place = lambda x, y: eyes + beside * x + upright * y  # noqa: E731
    return np.float32(
        [
            place(ends[0], upper), top, place(ends[1], upper),
            place(low[0], lower), chin, place(low[1], lower),
        ]
    ), float(np.arcsin(sine))


def outline(corner: np.ndarray, bulge: float = 0.0) -> np.ndarray:
    """The closed, rounded outline through six corners (n×2)."""
    a, b, c, d, e, f = corner
    middle = corner.mean(0)

    def bow(p: np.ndarray, q: np.ndarray, r: np.ndarray) -> np.ndarray:
        """A parabola from p over q to r."""
        t = np.linspace(0, 1, 9)[:, None]
        control = 2 * q - (p + r) / 2
        return (1 - t) ** 2 * p + 2 * t * (1 - t) * control + t**2 * r

    side = (c + f) / 2 + bulge * ((c + f) / 2 - middle)
    other = (a + d) / 2 + bulge * ((a + d) / 2 - middle)
    return np.concatenate([bow(a, b, c), side[None], bow(f, e, d), other[None]])


def fill(shape: tuple[int, ...], polygon: np.ndarray) -> np.ndarray:
    """An anti-aliased polygon as alpha, 0…255."""
    alpha = np.zeros(shape[:2], np.uint8)
    cv2.fillPoly(alpha, [np.int32(np.round(polygon * 16))], 255, cv2.LINE_AA, 4)
    return alpha


def blend(picture: np.ndarray, pixels: np.ndarray, alpha: np.ndarray) -> None:
    """Lays `pixels` over `picture` in place."""
    weight = alpha[..., None].astype(np.float32) / 255
    picture[:] = np.clip(picture + (pixels.astype(np.float32) - picture) * weight, 0, 255)


def lay(picture: np.ndarray, cloth: Cloth, target: np.ndarray, rng: Random) -> None:
    """Warps a cloth onto six corners of a picture, in place."""
    matrix, _ = cv2.findHomography(cloth.corners, target)
    if matrix is None:
        return
    # Six points fit only roughly; the middle of the upper edge must fit well,
    # since it decides whether the nose shows.
    top = matrix @ np.append(cloth.corners[1], 1)
    shift = np.eye(3)
    shift[:2, 2] = target[1] - top[:2] / top[2]
    matrix = shift @ matrix
    size = picture.shape[1::-1]
    pixels = cv2.warpPerspective(cloth.pixels, matrix, size, flags=cv2.INTER_LINEAR)
    alpha = cv2.warpPerspective(cloth.alpha, matrix, size, flags=cv2.INTER_LINEAR)
    blend(picture, recolour(pixels, rng), alpha)


def recolour(pixels: np.ndarray, rng: Random) -> np.ndarray:
    """Sometimes another colour: the cloth's light and shade stay."""
    if rng.random() < 0.4:
        return pixels
    light = pixels.mean(2, keepdims=True) / max(float(pixels[pixels.sum(2) > 0].mean()), 1.0)
    return np.clip(light * colour(rng), 0, 255).astype(np.uint8)


def colour(rng: Random) -> np.ndarray:
    """A colour that masks come in."""
    kind = rng.random()
    if kind < 0.2:
        return np.full(3, rng.uniform(8, 50)) + rng.uniform(-6, 6, 3)
    if kind < 0.4:
        return np.full(3, rng.uniform(185, 250)) + rng.uniform(-10, 5, 3)
    if kind < 0.6:
        return np.array([130, 185, 215]) * rng.uniform(0.6, 1.1) + rng.uniform(-20, 20, 3)
    if kind < 0.7:
        return np.array([215, 165, 135]) * rng.uniform(0.3, 1.1) + rng.uniform(-15, 15, 3)
    return rng.uniform(10, 245, 3)


def pattern(shape: tuple[int, int], rng: Random) -> np.ndarray:
    """Cloth of one colour or printed, with folds and shade; H×W×3, float."""
    height, width = shape
    base = np.ones((height, width, 3), np.float32) * colour(rng).astype(np.float32)
    kind = rng.random()
    y, x = np.mgrid[:height, :width].astype(np.float32)
    angle, period = rng.uniform(0, np.pi), rng.uniform(4, 30)
    along = x * np.cos(angle) + y * np.sin(angle)
    across = y * np.cos(angle) - x * np.sin(angle)
    if kind < 0.15:
        base[np.sin(along * 2 * np.pi / period) > rng.uniform(-0.5, 0.6)] = colour(rng)
    elif kind < 0.25:
        dots = np.sin(along * 2 * np.pi / period) * np.sin(across * 2 * np.pi / period)
        base[dots > rng.uniform(0.2, 0.8)] = colour(rng)
    elif kind < 0.4:
        cells = rng.uniform(0, 255, (int(rng.integers(2, 9)), int(rng.integers(2, 9)), 3))
        how = cv2.INTER_CUBIC if rng.random() < 0.7 else cv2.INTER_NEAREST
        print_ = cv2.resize(cells.astype(np.float32), (width, height), interpolation=how)
        base += (print_ - base) * rng.uniform(0.2, 1)
    return base


def sew(picture: np.ndarray, target: np.ndarray, rng: Random) -> None:
    """Draws a made-up mask on six corners of a picture, in place."""
    polygon = outline(target, rng.uniform(-0.1, 0.15))
    alpha = fill(picture.shape, polygon)
    cloth = pattern(picture.shape[:2], rng)
    left, right = (target[0] + target[3]) / 2, (target[2] + target[5]) / 2
    top, bottom = target[1], target[4]
    axis, fall = (right - left), (bottom - top)
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]].astype(np.float32)
    u = ((x - top[0]) * axis[0] + (y - top[1]) * axis[1]) / (axis @ axis + 1e-6)
    v = ((x - top[0]) * fall[0] + (y - top[1]) * fall[1]) / (fall @ fall + 1e-6)
    shade = 1 - rng.uniform(0, 1.6) * (u - rng.uniform(-0.2, 0.2)) ** 2
    shade -= rng.uniform(0, 0.35) * np.clip(v, 0, 1)
    if rng.random() < 0.5:
        folds = rng.integers(2, 5)
        shade += rng.uniform(0.02, 0.12) * np.sin(v * folds * 2 * np.pi)
    if rng.random() < 0.3:
        shade += rng.uniform(-0.15, 0.15) * (np.abs(u) < 0.015)
    cloth = np.clip(cloth * np.clip(shade, 0.2, 1.4)[..., None], 0, 255)
    if rng.random() < 0.6:
        thread = tuple(float(v) for v in colour(rng))
        size = float(np.linalg.norm(axis))
        for end, sign in ((target[0], -1), (target[2], 1)):
            away = axis * sign * rng.uniform(0.15, 0.3) - fall * rng.uniform(0, 0.5)
            low = target[3] if sign < 0 else target[5]
            for start in (end, low):
                line = np.int32(np.round(np.stack([start, end + away]) * 16))
                cv2.line(
                    picture, line[0].tolist(), line[1].tolist(), thread,
                    max(1, round(size * 0.02)), cv2.LINE_AA, 4,
                )
    blend(picture, cloth, alpha)


def wear(
    picture: np.ndarray, points: np.ndarray, height: str, cloths: list[Cloth], rng: Random
) -> None:
    """Puts a random mask on a face at one of `HEIGHTS`, in place."""
    target = corners(points, height, rng)
    if cloths and rng.random() < 0.6:
        lay(picture, cloths[rng.integers(len(cloths))], target, rng)
    else:
        sew(picture, target, rng)


def worn(picture: np.ndarray, points: np.ndarray, rng: Random) -> Cloth:
    """The mask of a real masked face, cut out well inside its edges."""
    eyes, mouth, nose, across = frame(points)
    down = mouth - eyes
    turn = float(np.clip((nose - eyes) @ across / (across @ across + 1e-6), -0.45, 0.45))
    left = -across * max(0.1, 0.75 + 1.1 * turn)
    right = across * max(0.1, 0.75 - 1.1 * turn)
    top, ends, bottom = eyes + down * 0.62, eyes + down * 0.68, mouth + down * 0.12
    corner = np.float32(
        [ends + left, top, ends + right, bottom + left * 0.8, mouth + down * 0.5,
         bottom + right * 0.8]
    )
    return Cloth(picture, fill(picture.shape, outline(corner)), corner)


def cover_by_hand(picture: np.ndarray, points: np.ndarray, rng: Random) -> None:
    """A fist or spread fingers before the mouth, in the face's own colour, in place."""
    eyes, mouth, nose, across = frame(points)
    width = float(np.linalg.norm(across)) + 1e-6
    y, x = np.clip(np.int32((eyes + nose)[::-1] / 2), 0, np.array(picture.shape[:2]) - 1)
    skin = cv2.GaussianBlur(picture, (0, 0), max(1.0, width * 0.1))[y, x].astype(np.float32)
    skin *= rng.uniform(0.8, 1.15)
    angle = rng.uniform(-0.9, 0.9) + (np.pi if rng.random() < 0.3 else 0)
    along = np.array([np.sin(angle), -np.cos(angle)], np.float32)
    beside = np.array([-along[1], along[0]], np.float32)
    for finger in range(4):
        offset = beside * (finger - 1.5) * width * 0.32 + along * rng.uniform(-0.1, 0.1) * width
        middle = mouth + offset
        ends = np.stack([middle - along * width * 1.6, middle + along * width * 0.35])
        alpha = np.zeros(picture.shape[:2], np.uint8)
        line = np.int32(np.round(ends * 16))
        cv2.line(alpha, line[0].tolist(), line[1].tolist(), 255, max(1, round(width * 0.36)),
                 cv2.LINE_AA, 4)
        shade = skin * rng.uniform(0.85, 1.05)
        blend(picture, np.broadcast_to(shade, picture.shape), alpha)


def cover_by_thing(
    picture: np.ndarray, points: np.ndarray, thing: np.ndarray, rng: Random
) -> None:
    """Something before the mouth, a cup, a telephone, the head in front, in place."""
    _, mouth, nose, across = frame(points)
    width = float(np.linalg.norm(across)) + 1e-6
    middle = mouth + (mouth - nose) * rng.uniform(0, 0.8) + across * rng.normal(0, 0.15)
    size = width * rng.uniform(0.5, 1.2), width * rng.uniform(0.35, 0.8)
    alpha = np.zeros(picture.shape[:2], np.uint8)
    box = tuple(map(float, middle)), (2 * size[0], 2 * size[1]), float(rng.uniform(-40, 40))
    if rng.random() < 0.5:
        cv2.ellipse(alpha, box, 255, -1, cv2.LINE_AA)
    else:
        cv2.fillPoly(alpha, [np.int32(cv2.boxPoints(box))], 255, cv2.LINE_AA)
    blend(picture, cv2.resize(thing, picture.shape[1::-1]), alpha)


def cover_forehead(picture: np.ndarray, side: float, rng: Random) -> None:
    """A hat, dark glasses or hair over the upper half of a centred face, in place."""
    middle = np.array(picture.shape[1::-1]) / 2
    shade = colour(rng) if rng.random() < 0.5 else np.full(3, rng.uniform(5, 60))
    alpha = np.zeros(picture.shape[:2], np.uint8)
    if rng.random() < 0.4:
        for sign in (-1, 1):
            place = middle + side * np.array([sign * rng.uniform(0.15, 0.22), -0.15])
            size = side * rng.uniform(0.2, 0.32), side * rng.uniform(0.12, 0.22)
            cv2.ellipse(alpha, (tuple(map(float, place)), size, 0.0), 255, -1, cv2.LINE_AA)
    else:
        low = middle[1] - side * rng.uniform(0.15, 0.4)
        cv2.rectangle(
            alpha, (int(middle[0] - side * rng.uniform(0.4, 0.7)), int(low - side * 0.6)),
            (int(middle[0] + side * rng.uniform(0.4, 0.7)), int(low)), 255, -1,
        )
    blend(picture, np.broadcast_to(shade, picture.shape), alpha)


def turned(
    picture: np.ndarray, points: np.ndarray | None, side: float, angle: float
) -> tuple[np.ndarray, np.ndarray | None]:
    """A centred face turned to one side by `angle` (radians), as if it were a
    cylinder with a nose: the far cheek goes, the near one widens."""
    size = picture.shape[0]
    middle, radius, nose = size / 2, 0.45 * side, 0.3 * np.sin(angle)
    u, v = np.meshgrid(
        (np.arange(size, dtype=np.float32) + 0.5 - middle) / radius,
        (np.arange(size, dtype=np.float32) + 0.5 - middle) / radius,
    )
    tip = np.sin(angle) + nose
    bump = nose * np.exp(-((u - tip) ** 2) / 0.1 - (v - 0.1) ** 2 / 0.15)
    around = np.arcsin(np.clip(u - bump, -1, 1)) - angle
    source = np.where(
        np.abs(u) < 1, np.sin(np.clip(around, -np.pi / 2, np.pi / 2)), u
    ).astype(np.float32)
    picture = cv2.remap(
        picture, source * np.float32(radius) + np.float32(middle - 0.5),
        v * np.float32(radius) + np.float32(middle - 0.5), cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    if points is not None:
        at = np.clip((points[:, 0] - middle) / radius, -1, 1)
        moved = np.sin(np.clip(np.arcsin(at) + angle, -np.pi / 2, np.pi / 2))
        moved[2] += nose
        points = np.stack([middle + moved * radius, points[:, 1]], 1).astype(np.float32)
    return picture, points


def open_mouth(picture: np.ndarray, points: np.ndarray, rng: Random) -> None:
    """A dark opening with a rim of lips, sometimes teeth, in place."""
    eyes, mouth, _, across = frame(points)
    width = float(np.linalg.norm(points[4] - points[3])) + 1e-6
    tall = float(np.linalg.norm(mouth - eyes)) * rng.uniform(0.25, 0.6)
    angle = float(np.degrees(np.arctan2(across[1], across[0])))
    middle = mouth + (mouth - eyes) * rng.uniform(0, 0.15)
    lips = np.array([150, 75, 75]) * rng.uniform(0.5, 1.2)
    inside = np.array([70, 25, 25]) * rng.uniform(0.2, 1.2)
    layers = [(lips, 1.0, 1.0, 0.0), (inside, 0.82, 0.78, 0.0)]
    if rng.random() < 0.5:
        layers.append((np.full(3, rng.uniform(150, 240)), 0.6, 0.18, -0.5))
    for shade, wide, high, up in layers:
        alpha = np.zeros(picture.shape[:2], np.uint8)
        place = middle + (mouth - eyes) / np.linalg.norm(mouth - eyes) * (up * tall * 0.5)
        size = max(1.0, width * 0.5 * wide), max(1.0, tall * 0.5 * high)
        cv2.ellipse(alpha, (tuple(map(float, place)), (size[0] * 2, size[1] * 2), angle), 255, -1,
                    cv2.LINE_AA)
        blend(picture, np.broadcast_to(shade, picture.shape), alpha)


def cover_by_scarf(picture: np.ndarray, points: np.ndarray, rng: Random) -> None:
    """Cloth over everything from the nose down, in place."""
    target = corners(points, "correct", rng)
    _, mouth, _, across = frame(points)
    down = mouth - frame(points)[0]
    target[3:] += down * rng.uniform(0.5, 1.2)
    target[[0, 3]] -= across * rng.uniform(0.1, 0.6)
    target[[2, 5]] += across * rng.uniform(0.1, 0.6)
    sew(picture, target, rng)

"""Draws the sample visit: a person at an office entrance, bare, then masked, then with the nose out.

The person is cut out of NASA's portrait of Eileen Collins (public domain, `skimage.data.astronaut`); the entrance
and the masks are drawn here.  Writes next to this script:

* `visit.mjpeg`, concatenated baseline JPEGs, 640x480, 4:2:0, to be played at 10 frames per second;
* `empty.jpg`, `bare.jpg`, `masked.jpg`, `nose_out.jpg`, single pictures of the same scene.

Positions named "portrait" are (x, y) in pixels of the 512x512 portrait, marked by hand; positions named "picture"
are pixels of the 640x480 pictures.  Colours are RGB.  Pictures in the making are float32, 0 to 255.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import LinearNDInterpolator, PchipInterpolator
from skimage.data import astronaut

Picture = NDArray[np.float32]
Points = Sequence[tuple[float, float]]

WIDTH, HEIGHT = 640, 480
FRAMES_PER_SECOND = 10
# The film must stay small enough to live in a repository; single pictures may be better.
FILM_QUALITY, STILL_QUALITY = 66, 78
SEED = 2020

# The figure is prepared this much larger than the portrait, so that pictures only ever shrink it.
ZOOM = 2

# OpenCV draws at positions in sixteenths of a pixel.
FRACTION_BITS = 4

# Portrait: where the figure ends.  The cut is refined within OUTLINE_SLACK pixels of this line.
OUTLINE_SLACK = 3
OUTLINE: Points = [
    # Hair and right side of the head (right as seen here).
    (230, 16), (250, 20), (262, 25), (275, 31), (285, 40), (291, 50), (295, 62), (299, 75), (301, 86), (299, 98),
    (296, 108), (290, 117), (283, 124), (280, 129), (276, 135), (270, 137), (267, 136), (265, 148), (259, 159),
    (256, 168), (255, 174),
    # Neck ring, shoulder, arm.
    (263, 178), (275, 188), (285, 198), (293, 209), (299, 220), (302, 228), (304, 235), (309, 236), (321, 245),
    (330, 251), (338, 259), (344, 270), (347, 281), (351, 285), (355, 297), (358, 310), (360, 325), (363, 332),
    (360, 336), (361, 345), (364, 350),
    # The helmet under her arm.
    (371, 347), (380, 345), (396, 343), (418, 345), (432, 350), (446, 357), (458, 365), (470, 376), (480, 390),
    (488, 405), (493, 420), (496, 437), (497, 450), (500, 457), (504, 466), (505, 480), (503, 495), (500, 512),
    # Left sleeve, shoulder, neck ring.
    (38, 512), (30, 495), (24, 470), (22, 450), (23, 435), (20, 420), (19, 405), (21, 390), (24, 375), (25, 350),
    (29, 335), (33, 315), (38, 302), (40, 290), (44, 280), (50, 268), (57, 255), (65, 244), (74, 236), (86, 228),
    (96, 221), (104, 212), (112, 206), (113, 198), (112, 190), (114, 186), (118, 189), (120, 185), (123, 175),
    (130, 166), (140, 157), (155, 151), (170, 148), (184, 148.5),
    # Left side of the head.
    (181.5, 140), (181, 131.5), (177, 131), (172, 126), (170, 120), (166, 116), (160, 110), (156, 101), (154, 90),
    (153, 75), (156, 62), (162, 54), (172, 45), (185, 37), (191, 29), (200, 23), (210, 20), (220, 18),
]

# Portrait: landmarks of the face.
FACE_CENTRE = (224.0, 121.0)
CHIN = (222.0, 172.0)
# Height of the face, hairline to chin, as face detectors draw it.
FACE_HEIGHT = 120.0


@dataclass(frozen=True)
class Mask:
    """A surgical mask as worn: where it lies on the portrait."""

    #: Upper edge from left to right.
    upper: Points
    #: Lower edge from left to right.
    lower: Points
    #: Where the cloth is lifted by the nose.
    ridge: tuple[float, float]
    #: How far it is lifted, in portrait pixels.
    ridge_height: float
    #: Ear loops: lines from the corners to where the ear or hair hides them.
    loops: Sequence[Points]


OVER_NOSE = Mask(
    upper=[(185, 121), (193, 120.5), (203, 118.5), (213, 114.5), (219, 111.2), (224, 110), (229, 111.2), (235, 115),
           (245, 119.5), (256, 122), (265.5, 123)],
    lower=[(190, 160), (196, 168.5), (206, 177), (222, 181.5), (238, 178.5), (250, 170.5), (257.5, 161)],
    ridge=(223, 122),
    ridge_height=9.0,
    loops=[
        [(185.5, 122), (181, 119), (177.5, 116)], [(190, 159), (184.5, 147), (179.5, 131)],
        [(265, 124), (268, 121), (270.5, 118)], [(257.5, 160), (264, 149), (269.5, 136.5)],
    ],
)
BELOW_NOSE = Mask(
    upper=[(184.5, 131.5), (194, 134), (206, 136), (214, 136.8), (224, 137.4), (234, 137.4), (244, 137), (256, 136),
           (266, 134)],
    lower=[(190.5, 168), (197, 176), (207, 183.5), (222, 187.5), (238, 185), (249, 178), (256, 169)],
    ridge=(223, 146),
    ridge_height=5.0,
    loops=[
        [(185, 132.5), (181, 126), (178.5, 120)], [(190.5, 167), (184.5, 151), (180, 131.5)],
        [(265.5, 135), (268, 129.5), (271, 124)], [(256, 168), (263.5, 152), (270, 137)],
    ],
)
# Where the folds are, from the upper edge (0) to the lower (1).
PLEATS = (0.30, 0.50, 0.70)
MASK_COLOUR = (180, 209, 226)
# Towards the light, (x, y, z) with z towards the camera: as in the portrait, from the upper left.
LIGHT = (-0.42, -0.42, 0.80)


@dataclass(frozen=True)
class Figure:
    """The cut-out person, ZOOM times the portrait's size."""

    colour: Picture
    #: Height x width, 0 (see through) to 1.
    alpha: Picture


@dataclass(frozen=True)
class Pose:
    """Where the person is in a picture."""

    #: Centre of the face in the picture.
    x: float
    y: float
    #: Height of the face in the picture.
    face: float
    #: Lean in degrees, anticlockwise.
    lean: float = 0.0


@dataclass(frozen=True)
class Scene:
    """Who is at the entrance: `figure` at `pose`, or nobody."""

    #: A word for the log.
    state: str
    figure: Figure | None = None
    pose: Pose | None = None


def blur(picture: Picture, sigma: float) -> Picture:
    """The picture, softened by a Gaussian of `sigma` pixels."""
    return cv2.GaussianBlur(picture, (0, 0), sigma)


def fixed_point(points: ArrayLike, zoom: float) -> NDArray[np.int32]:
    """Points for OpenCV's drawing functions, magnified by `zoom`; pixel centres are at whole numbers."""
    magnified = (np.asarray(points, np.float64) + 0.5) * zoom - 0.5
    return np.round(magnified * 2**FRACTION_BITS).astype(np.int32)


def polygon(points: ArrayLike, height: int, width: int, zoom: float = 1.0) -> Picture:
    """A `height` x `width` plane that is 1 inside the polygon and 0 outside, with smooth edges."""
    plane = np.zeros((height, width), np.uint8)
    cv2.fillPoly(plane, [fixed_point(points, zoom)], 255, cv2.LINE_AA, shift=FRACTION_BITS)
    return plane.astype(np.float32) / 255


def cut_out(portrait: NDArray[np.uint8]) -> Figure:
    """Cuts the person out of the portrait.

    GrabCut decides where the outline runs near the hand-drawn one.  The colours along the edge are taken from
    further inside, so that nothing of the portrait's background shines through.
    """
    # The film's grain, magnified, would pass for texture.
    portrait = cv2.fastNlMeansDenoisingColored(portrait, None, 4, 4, 5, 15)
    height, width = portrait.shape[:2]
    drawn = (polygon(OUTLINE, height, width) > 0.5).astype(np.uint8)
    slack = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * OUTLINE_SLACK + 1,) * 2)
    labels = np.where(drawn, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[cv2.erode(drawn, slack, borderValue=0) > 0] = cv2.GC_FGD
    labels[cv2.dilate(drawn, slack) == 0] = cv2.GC_BGD
    # The lower edge is where the portrait ends, not the person.
    labels[-OUTLINE_SLACK:][drawn[-OUTLINE_SLACK:] > 0] = cv2.GC_FGD
    cv2.setRNGSeed(SEED)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(portrait, labels, None, *models, 6, cv2.GC_INIT_WITH_MASK)
    inside = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    inside = cv2.medianBlur(inside, 9)

    size = (width * ZOOM, height * ZOOM)
    large = cv2.resize(portrait.astype(np.float32), size, interpolation=cv2.INTER_LANCZOS4).clip(0, 255)
    edge = blur(cv2.resize(inside.astype(np.float32), size, interpolation=cv2.INTER_CUBIC), 1.1 * ZOOM)
    alpha = ((edge - 0.40) / 0.55).clip(0, 1)

    sure = cv2.erode((edge > 0.5).astype(np.float32), np.ones((3, 3)), iterations=2 * ZOOM, borderValue=1)
    weight = blur(sure, 1.2 * ZOOM)[..., None] + 1e-4 * blur(sure, 5 * ZOOM)[..., None] + 1e-9
    spread = blur(large * sure[..., None], 1.2 * ZOOM) + 1e-4 * blur(large * sure[..., None], 5 * ZOOM)
    keep = blur(sure, 0.8 * ZOOM)[..., None]
    return Figure(keep * large + (1 - keep) * spread / weight, alpha)


def put_on(mask: Mask, figure: Figure, rng: np.random.Generator) -> Figure:
    """The person wearing `mask`.

    The cloth is a height over the face: a dome, the nose under it, pleats and small creases.  It is lit from where
    the portrait's light comes from.
    """
    height, width = figure.alpha.shape
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = (columns + 0.5) / ZOOM - 0.5, (rows + 0.5) / ZOOM - 0.5

    # Coordinates on the cloth: u from left to right, v from the upper to the lower edge, both 0 to 1.
    steps = np.linspace(0, 1, 81)
    edges = []
    for edge in (mask.upper, mask.lower):
        at = np.array(edge)
        along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(at, axis=0).T))])
        edges.append(PchipInterpolator(along / along[-1], at)(steps))
    upper, lower = edges
    u_grid, v_grid = np.meshgrid(steps, steps)
    on_face = (1 - v_grid)[..., None] * upper + v_grid[..., None] * lower
    locate = LinearNDInterpolator(on_face.reshape(-1, 2), np.stack([u_grid, v_grid], -1).reshape(-1, 2), 0.0)
    u, v = np.moveaxis(locate(x, y).astype(np.float32), -1, 0)
    # The sides bow inwards a little, as the loops pull at the corners only.
    down_the_side = np.linspace(0, 1, 9)[:, None]
    bow = np.hstack([1.2 * np.sin(math.pi * down_the_side), np.zeros_like(down_the_side)])
    left = (1 - down_the_side) * upper[0] + down_the_side * lower[0] + bow
    right = (1 - down_the_side) * upper[-1] + down_the_side * lower[-1] - bow
    outline = np.concatenate([upper, right, lower[::-1], left[::-1]])
    cloth = polygon(outline, height, width, ZOOM)

    across = 2 * u - 1
    dome = 24 * np.sqrt(1.15 - across**2) + 5 * np.sqrt((1.1 - (2 * v - 1) ** 2).clip(0))
    nose = mask.ridge_height * np.exp(-(((x - mask.ridge[0]) / 9) ** 2) - ((y - mask.ridge[1]) / 15) ** 2)
    chin = 4.0 * np.exp(-(((x - CHIN[0]) / 14) ** 2) - ((y - CHIN[1]) / 10) ** 2)
    pleats = np.zeros_like(u)
    shadow = np.zeros_like(u)
    bend = 0.03 * np.sin(math.pi * u)
    for pleat in PLEATS:
        below = v - pleat - bend
        # Rises slowly towards the fold and falls steeply behind it.
        pleats += 0.9 * np.exp((below.clip(None, 0)) / 0.10) / (1 + np.exp(below / 0.008))
        shadow += np.where(below > -0.006, np.exp(-below.clip(0) / 0.022), 0)
    creases = blur(rng.normal(size=u.shape).astype(np.float32), 2.2 * ZOOM)
    creases = cv2.GaussianBlur(creases, (0, 0), sigmaX=5 * ZOOM, sigmaY=0.1)
    depth = blur(dome + nose + chin + pleats + 0.5 * creases / creases.std(), 0.35 * ZOOM)

    slope_y, slope_x = np.gradient(depth, 1 / ZOOM)
    normal = np.stack([-slope_x, -slope_y, np.ones_like(depth)], -1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    lit = (normal @ np.array(LIGHT, np.float32) / np.linalg.norm(LIGHT)).clip(0)
    shade = 0.46 + 0.64 * lit
    shade *= 1 - 0.20 * blur(shadow.clip(0, 1), 0.3 * ZOOM)
    # Seams: a doubled, paler hem along the upper and lower edge, and a fine line where it ends.
    hem = np.maximum(1 - v / 0.075, 1 - (1 - v) / 0.06)
    shade *= 1 + 0.05 * (hem > 0) - 0.10 * np.exp(-((hem / 0.18) ** 2))
    shade *= 1 - 0.12 * np.exp(-u / 0.015) - 0.12 * np.exp(-(1 - u) / 0.015)
    weave = rng.normal(0, 0.018, u.shape).astype(np.float32)
    shade *= 1 + blur(weave, 0.5 * ZOOM) * ZOOM
    tint = np.array(MASK_COLOUR, np.float32) * (1 + 0.10 * np.array([1, 0.3, -0.3]) * (shade - 0.9)[..., None])
    worn = (tint * shade[..., None]).astype(np.float32)

    colour, alpha = figure.colour, figure.alpha
    # The mask's own shadow on skin and neck, a little below it, away from the light.
    cast = np.roll(blur(cloth, 1.6 * ZOOM), (int(1.2 * ZOOM), int(0.8 * ZOOM)), (0, 1))
    colour = colour * (1 - 0.42 * cast)[..., None]
    for loop in mask.loops:
        line = np.zeros((height, width), np.uint8)
        fine = PchipInterpolator(np.linspace(0, 1, len(loop)), np.array(loop))(np.linspace(0, 1, 20))
        cv2.polylines(line, [fixed_point(fine, ZOOM)], False, 255, ZOOM, cv2.LINE_AA, shift=FRACTION_BITS)
        thread = blur(line.astype(np.float32) / 255, 0.2 * ZOOM)
        under = np.roll(blur(thread, 0.6 * ZOOM), (ZOOM, ZOOM // 2), (0, 1))
        colour = colour * (1 - 0.4 * under)[..., None]
        colour = colour + thread[..., None] * (np.array((222, 226, 228), np.float32) - colour)
        alpha = np.maximum(alpha, thread)
    soft = blur(cloth, 0.3 * ZOOM)
    colour = colour + soft[..., None] * (worn - colour)
    return Figure(colour.astype(np.float32), np.maximum(alpha, soft))


def entrance() -> Picture:
    """The empty scene: a lobby with a glass double door."""
    zoom = 2  # drawn larger, then shrunk: smooth edges
    canvas = np.zeros((HEIGHT * zoom, WIDTH * zoom, 3), np.float32)

    def paint(points: Points, colour: tuple[float, float, float], strength: float = 1.0, soft: float = 0.0) -> None:
        plane = polygon(points, HEIGHT * zoom, WIDTH * zoom, zoom)
        plane = (blur(plane, soft * zoom) if soft else plane)[..., None] * strength
        canvas[:] += plane * (np.array(colour, np.float32) - canvas)

    def box(left: float, top: float, right: float, bottom: float) -> Points:
        return [(left, top), (right, top), (right, bottom), (left, bottom)]

    # Ceiling, back wall, floor.
    paint(box(-9, -9, 649, 489), (214, 208, 198))
    paint([(-9, -9), (649, -9), (520, 84), (120, 84)], (226, 223, 216))
    paint(box(120, 84, 520, 338), (208, 200, 187))
    paint(box(-9, 338, 649, 489), (150, 144, 136))
    # Floor tiles run towards a point at eye level.
    for x in range(-1400, 2041, 110):
        paint([(320 + (x - 320) * 0.36, 338), (320 + (x - 320) * 0.36 + 1, 338), (x + 3, 489), (x, 489)],
              (126, 121, 114), 0.35)
    for depth in (1.0, 1.12, 1.28, 1.5, 1.85):
        y = 254 + 84 * depth
        paint(box(-9, y, 649, y + depth), (126, 121, 114), 0.35)
    # Side walls, skirting boards.
    paint([(-9, -9), (120, 84), (120, 338), (-9, 432)], (188, 180, 168))
    paint([(649, -9), (520, 84), (520, 338), (649, 432)], (196, 189, 177))
    paint([(120, 333), (520, 333), (520, 338), (120, 338)], (150, 142, 132))
    paint([(-9, 422), (120, 333), (120, 338), (-9, 432)], (150, 142, 132))
    paint([(649, 422), (520, 333), (520, 338), (649, 432)], (150, 142, 132))
    # Ceiling lamps.
    for left, right in ((190, 280), (360, 450)):
        middle = 320.0
        paint([(left, 62), (right, 62), (middle + (right - middle) * 1.35, 22), (middle + (left - middle) * 1.35, 22)],
              (255, 253, 246), soft=1.5)
    # Outside: sky, trees, a lawn and the pavement.
    paint(box(212, 128, 428, 336), (222, 233, 241))
    for x, y, radius in ((222, 238, 34), (262, 250, 22), (385, 232, 38), (420, 246, 30), (330, 262, 18)):
        circle = [(x + radius * math.cos(a), y + radius * math.sin(a)) for a in np.linspace(0, 2 * math.pi, 40)]
        paint(circle, (146, 170, 134), 0.9, soft=5)
    paint(box(212, 268, 428, 292), (160, 181, 140), soft=3)
    paint(box(212, 292, 428, 336), (205, 203, 197), soft=2)
    # The wall again around the opening, then frames and handles.
    for side in (box(150, 110, 212, 338), box(428, 110, 470, 338), box(190, 106, 450, 128)):
        paint(side, (208, 200, 187))
    metal = (92, 96, 100)
    for bar in (box(206, 122, 214, 338), box(426, 122, 434, 338), box(206, 122, 434, 130), box(206, 330, 434, 338),
                box(314, 130, 319, 336), box(321, 130, 326, 336), box(214, 166, 426, 170)):
        paint(bar, metal)
    for handle in (box(307, 232, 310, 276), box(330, 232, 333, 276)):
        paint(handle, (176, 180, 184))
    for shift in (0, 112):
        paint([(232 + shift, 328), (262 + shift, 172), (276 + shift, 172), (246 + shift, 328)], (255, 255, 255), 0.18)
    # Daylight on the floor, a door mat.
    paint([(214, 338), (426, 338), (610, 489), (30, 489)], (232, 232, 226), 0.34, soft=14)
    paint([(222, 346), (418, 346), (442, 372), (198, 372)], (84, 82, 82), soft=0.8)
    # A plant to the right, a picture on the left wall.
    leaves = np.random.default_rng(SEED)
    paint([(470, 318), (512, 318), (506, 362), (476, 362)], (172, 166, 158))
    paint([(494, 318), (512, 318), (506, 362), (494, 362)], (146, 140, 133), 0.8, soft=3)
    for _ in range(24):
        angle = leaves.uniform(-math.pi / 2 - 1.0, -math.pi / 2 + 1.0)
        length, bow = leaves.uniform(36, 88), leaves.uniform(-14, 14)
        foot = leaves.uniform(482, 500)
        tip = foot + length * math.cos(angle), 318 + length * math.sin(angle)
        middle_x, middle_y = (foot + tip[0]) / 2 + bow, (318 + tip[1]) / 2 - 4
        green = leaves.uniform(0.9, 1.1)
        paint([(foot - 1, 318), (middle_x - 6, middle_y), tip, (middle_x + 6, middle_y + 2), (foot + 1, 318)],
              (92 * green, 128 * green, 86 * green))
    paint([(28, 118), (92, 150), (92, 252), (28, 268)], (86, 76, 66))
    paint([(33, 126), (87, 154), (87, 247), (33, 260)], (206, 214, 216))
    paint([(33, 205), (52, 182), (68, 206), (87, 188), (87, 247), (33, 260)], (128, 150, 164))

    # Even light is dull: brighter around the door, darker towards the corners.
    rows, columns = np.mgrid[0 : HEIGHT * zoom, 0 : WIDTH * zoom].astype(np.float32) / zoom
    distance = np.hypot((columns - 320) / 420, (rows - 220) / 340)
    canvas *= (1.04 - 0.22 * distance**2)[..., None]
    scene = cv2.resize(canvas, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    # The camera is focused on people in front of the door.
    return blur(scene, 2.5)


def place(figure: Figure, pose: Pose, background: Picture) -> Picture:
    """The background with the person before it."""
    scale = pose.face / FACE_HEIGHT / ZOOM
    anchor = ((FACE_CENTRE[0] + 0.5) * ZOOM, (FACE_CENTRE[1] + 0.5) * ZOOM)
    matrix = cv2.getRotationMatrix2D(anchor, pose.lean, scale)
    matrix[:, 2] += (pose.x - anchor[0], pose.y - anchor[1])
    # Soften before shrinking, or fine detail would flicker.
    layer = blur(np.dstack([figure.colour * figure.alpha[..., None], figure.alpha]), 0.42 / scale)
    layer = cv2.warpAffine(layer, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC)
    alpha = layer[..., 3:].clip(0, 1)
    # The lobby is dimmer and warmer than the portrait's studio.
    light = np.array((0.95, 0.925, 0.88), np.float32)
    return background * (1 - alpha) + layer[..., :3].clip(0, 255) * light


def photograph(view: Picture, rng: np.random.Generator) -> NDArray[np.uint8]:
    """What a plain webcam makes of the view, RGB: a little noise, the exposure never quite still."""
    grain = blur(rng.normal(0, 1.3, view.shape[:2]).astype(np.float32), 0.6)
    colour_grain = blur(rng.normal(0, 2.0, view.shape).astype(np.float32), 1.8)
    noisy = blur(view, 0.5) * rng.normal(1, 0.003) + grain[..., None] + colour_grain
    return noisy.round().clip(0, 255).astype(np.uint8)


# Picture: height of the face where somebody enters and where they stand.
FAR_FACE, NEAR_FACE = 62.0, 170.0


def standing_height(face: float) -> float:
    """Picture row of the face's centre: the camera is mounted low and looks slightly up, near people stand taller."""
    near = (face - FAR_FACE) / (NEAR_FACE - FAR_FACE)
    return 284 - 68 * near


def visit(
    state: str, figure: Figure, enter: int, stay: int, leave: int, rng: np.random.Generator
) -> Iterator[Scene]:
    """One visit: in from the left and nearer in `enter` frames, `stay` frames in place, out to the right in `leave`."""
    phase = rng.uniform(0, 2 * math.pi)
    walk = 0.0
    for index in range(enter + stay + leave):
        if index < enter:
            t = (index + 1) / enter
            x = -150 + 475 * (1 - (1 - t) ** 1.5)
            face = FAR_FACE + (NEAR_FACE - FAR_FACE) * t**1.6
            pace = 1.0 - 0.6 * t
        elif index < enter + stay:
            x, face, pace = 325.0, NEAR_FACE, 0.0
        else:
            t = (index - enter - stay + 1) / leave
            x = 325 + 560 * t**1.3
            face = NEAR_FACE * (1 - 0.10 * t)
            pace = min(1.0, 4 * t)
        # Steps while walking (1.8 a second), slow swaying always.
        walk += 2 * math.pi * 1.8 / FRAMES_PER_SECOND
        sway = phase + 2 * math.pi * 0.35 * index / FRAMES_PER_SECOND
        face *= 1 + 0.015 * math.sin(1.3 * sway) + 0.004 * rng.normal()
        step = pace * math.sin(walk / 2)
        pose = Pose(
            x=x + 5 * math.sin(sway),
            y=standing_height(face) - 0.035 * face * abs(step) + 1.5 * math.sin(1.7 * sway),
            face=face,
            lean=1.2 * math.sin(0.8 * sway) + 1.2 * step,
        )
        yield Scene(state, figure, pose)


def story(bare: Figure, masked: Figure, nose_out: Figure, rng: np.random.Generator) -> Iterator[Scene]:
    """The frames in order."""
    # Longer than a reminder takes to re-arm after the person has gone.
    gone = [Scene("nobody")] * 41
    yield from gone[:10]
    yield from visit("bare", bare, 15, 18, 9, rng)
    yield from gone
    yield from visit("masked", masked, 15, 10, 9, rng)
    yield from gone
    yield from visit("nose out", nose_out, 15, 16, 0, rng)


def encode(picture: NDArray[np.uint8], quality: int) -> bytes:
    """A baseline JPEG, 4:2:0."""
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_PROGRESSIVE, 0, cv2.IMWRITE_JPEG_OPTIMIZE, 1,
               cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420]
    done, data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), options)
    if not done:
        raise RuntimeError("OpenCV could not encode a picture as JPEG")
    return data.tobytes()


def main() -> None:
    """Writes the visit and the single pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder to write to")
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(SEED)

    background = entrance()
    bare = cut_out(astronaut())
    masked = put_on(OVER_NOSE, bare, rng)
    nose_out = put_on(BELOW_NOSE, bare, rng)

    def take(scene: Scene, quality: int) -> bytes:
        view = place(scene.figure, scene.pose, background) if scene.figure and scene.pose else background
        return encode(photograph(view, rng), quality)

    pose = Pose(x=322, y=standing_height(150), face=150, lean=-0.5)
    for name, figure in ("empty", None), ("bare", bare), ("masked", masked), ("nose_out", nose_out):
        (out / f"{name}.jpg").write_bytes(take(Scene(name, figure, pose), STILL_QUALITY))

    with (out / "visit.mjpeg").open("wb") as film:
        before = ""
        for number, scene in enumerate(story(bare, masked, nose_out, rng)):
            if scene.state != before:
                print(f"frame {number:3}: {scene.state}")
                before = scene.state
            film.write(take(scene, FILM_QUALITY))


if __name__ == "__main__":
    main()

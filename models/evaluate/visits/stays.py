"""Minutes and hours of looks without pictures: what a policy is told of somebody who stays.

Looks are drawn, not seen: the face stands nearly still, and scores, sizes and places vary as those of the networks
do. What goes wrong comes in bursts, as it does at a door, and a burst takes as long at 3 frames a second as at 30.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from evaluate.visits.scenes import HEIGHT, WIDTH
from evaluate.visits.stills import seed

RATES = (3, 10, 30)
"""Frames a second."""
CROSSINGS = 135
WRONG, BURST = 0.05, 0.5
"""Share of looks at a mask that are wrong, and how long they are so at a time (mean), seconds."""
COMING = 1.5
"""Time in which somebody walks in from the picture's edge, seconds."""
BARE, MASKED = (4.1, 3.8), (-3.7, -3.5)
"""Means of what the network says of mouth and nose (logits), as measured on visits; `SPREAD` is theirs, too."""
SPREAD = 0.8
DOUBTFUL = (0.0, 3.0)
"""Between these lies what it says of both when it is wrong (logits): seldom far from the threshold."""
COVERED, NOSE, MOUTH = 0.4, 0.8, 0.5
"""The thresholds of the program."""


@dataclass(frozen=True)
class Stay:
    """Looks with the truth about them."""

    name: str
    suite: str
    rate: float
    looks: list[dict]


def _verdict(mouth: float, nose: float) -> str:
    if mouth >= MOUTH:
        return "bare"
    if nose >= NOSE:
        return "nose_out"
    return "covered" if mouth < COVERED and nose < COVERED else "unsure"


class Person:
    """Somebody who stands before the camera and sways a little."""

    def __init__(self, rng: np.random.Generator, rate: float, height: float = 80.0) -> None:
        self.rng, self.rate, self.height, self.near = rng, rate, height, height
        self.x, self.y = float(rng.uniform(0.3, 0.7)) * WIDTH, float(rng.uniform(0.35, 0.5)) * HEIGHT
        # In faces: to the side, up and down, and in size (a logarithm).
        self.sway, self.mood = [0.0, 0.0, 0.0], 0.0
        self.drawn: list[float] = []

    def normal(self, spread: float = 1.0) -> float:
        """A number from a normal distribution; many are drawn at a time."""
        if not self.drawn:
            self.drawn = self.rng.standard_normal(256).tolist()
        return spread * self.drawn.pop()

    def wander(self, value: float, spread: float, within: float) -> float:
        """The next value of one that wanders `spread` far within about so many seconds."""
        keep = math.exp(-1 / (within * self.rate))
        return keep * value + math.sqrt(1 - keep * keep) * self.normal(spread)

    def arrive(self, at: float, x: float, edge: float = 0.0) -> None:
        """Walks in from `edge` until `COMING`, to stand at `x` then."""
        share = min(1.0, at / COMING)
        self.x, self.height = edge + (x - edge) * share, self.near * (0.6 + 0.4 * share)

    def look(self, says: tuple[float, float], least: float = -math.inf) -> dict:
        """One look at them; the network `says` so of mouth and nose in the mean, and at `least` that (logits)."""
        # Sways by a fifth of the face, slowly; each look is off by a hundredth of it.
        self.sway = [self.wander(*pair, within=2.0) for pair in zip(self.sway, (0.2, 0.1, 0.05))]
        # What a network says of a face changes in a fifth of a second, and a little each time.
        self.mood = self.wander(self.mood, 0.9 * SPREAD, within=0.2)
        doubt = self.mood + self.normal(0.4 * SPREAD)
        mouth, nose = (1 / (1 + math.exp(-max(mean + doubt, least))) for mean in says)
        height = self.height * math.exp(self.sway[2] + self.normal(0.01))
        x = self.x + (self.sway[0] + self.normal(0.01)) * height
        y = self.y + self.sway[1] * height
        box = (x - 0.4 * height, y - 0.5 * height, x + 0.4 * height, y + 0.5 * height)
        return {
            "box": [round(edge, 1) for edge in box], "score": 0.93, "mouth": round(mouth, 3),
            "nose": round(nose, 3), "verdict": _verdict(mouth, nose),
        }


def bursts(rng: np.random.Generator, rate: float, count: int, share: float, mean: float) -> np.ndarray:
    """For each of `count` looks whether it is in a burst: `share` of the time, `mean` seconds at a time."""
    inside, flags = rng.random() < share, np.zeros(count, bool)
    leave, enter = 1 / (mean * rate), share / (1 - share) / (mean * rate)
    for index in range(count):
        flags[index] = inside
        inside = rng.random() >= min(1, leave) if inside else rng.random() < enter
    return flags


def _times(rate: float, seconds: float) -> list[float]:
    return [round(index / rate, 4) for index in range(round(rate * seconds))]


def hour(rate: float, number: int) -> Stay:
    """A bare person who stays an hour and looks away, out of the network's sight, for 5 s of every 30."""
    name = f"hour-{rate}-{number}"
    rng = seed(name)
    person, offset = Person(rng, rate), rng.uniform(0, 25)
    looks, place = [], person.x
    for at in _times(rate, 3600):
        person.arrive(at, place)
        away = (at + offset) % 30 >= 25
        face = person.look(BARE)
        looks.append({"at": at, "faces": [] if away else [face]})
    return Stay(name, "hour", rate, looks)


def masked(rate: float, number: int) -> Stay:
    """A masked person who stays for 20 s; `WRONG` of the looks are wrong, in bursts of `BURST`."""
    name = f"masked-{rate}-{number}"
    rng = seed(name)
    person, times = Person(rng, rate), _times(rate, 20)
    wrong = bursts(rng, rate, len(times), WRONG, BURST)
    looks, place, doubtful = [], person.x, None
    for at, flag in zip(times, wrong):
        person.arrive(at, place)
        if flag:
            doubtful = doubtful or (rng.uniform(*DOUBTFUL), rng.uniform(*DOUBTFUL))
            face = person.look(doubtful, least=0.0)
        else:
            doubtful, face = None, person.look(MASKED)
        looks.append({"at": at, "faces": [face]})
    return Stay(name, "masked", rate, looks)


def missed(rate: float, number: int) -> Stay:
    """A bare person who walks up for 4 s; the network misses them for a third of the time, 0.3 s at a time."""
    name = f"missed-{rate}-{number}"
    rng = seed(name)
    person, times = Person(rng, rate), _times(rate, 4)
    gaps = bursts(rng, rate, len(times), 1 / 3, 0.3)
    looks = []
    for at, gap in zip(times, gaps):
        share = at / 4
        person.height = 1 / float(np.interp(share, (0, 1), (1 / 40, 1 / 150)))
        person.x = WIDTH * (0.05 + 0.75 * share)
        face = person.look(BARE)
        looks.append({"at": at, "faces": [] if gap else [face]})
    return Stay(name, "missed", rate, looks)


def crossing(number: int) -> Stay:
    """Two people of equal size cross; the bare one, who has been told, hides the masked one or is hidden.

    They walk in from either side, stand until 5 s, cross, and stand for 6 s more.
    """
    name = f"crossing-{number}"
    rng = seed(name)
    rate = (5, 10, 15)[number % 3]
    # Pixels; face sizes a second that they come nearer to each other.
    height, speed = rng.uniform(50, 110), rng.uniform(1.5, 6.0)
    people = {who: Person(rng, rate, height) for who in ("bare", "masked")}
    people["bare"].y, people["masked"].y = 200.0, 200 + rng.uniform(-0.25, 0.25) * height
    apart = rng.uniform(2.2, 2.8) * height
    hidden = rng.choice(("bare", "masked"))
    takes = 2 * apart / (speed * height)
    looks = []
    for at in _times(rate, 5 + takes + 6):
        offset = apart * (1 - 2 * float(np.clip((at - 5) / takes, 0, 1)))
        people["bare"].arrive(at, (WIDTH - offset) / 2)
        people["masked"].arrive(at, (WIDTH + offset) / 2, WIDTH)
        faces = {who: people[who].look(BARE if who == "bare" else MASKED) for who in people}
        if abs(offset) < 0.5 * height:
            del faces[hidden]
        looks.append({
            "at": at, "faces": [faces[who] for who in rng.permutation(list(faces))],
            "truth": {who: face["box"] for who, face in faces.items()},
        })
    return Stay(name, "crossings", rate, looks)


def stays(share: float) -> Iterator[Stay]:
    """All of them, or a `share`."""
    def some(number: int) -> range:
        return range(max(1, round(number * share)))

    for rate in RATES:
        yield from (hour(rate, number) for number in some(2))
        yield from (masked(rate, number) for number in some(400))
        yield from (missed(rate, number) for number in some(200))
    yield from (crossing(number) for number in some(CROSSINGS))

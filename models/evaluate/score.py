"""Pairs what was found with what is there, and counts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evaluate.vision import overlap

MATCH_IOU = 0.4
"""From this overlap on a found face is the true one."""
TOUCH_IOU = 0.15
"""From this overlap on a found face is at least about the true one: annotators draw a
profile without the back of the head, and the face network with it."""
FALSE_POSITIVES = 0.05
"""A face-free picture, where detectors are compared."""
LONG_SIDE = 640
"""Heights are counted in pixels of a picture of this long side."""
LEAST = 20
"""Height from which on faces count."""
HEIGHTS = ((20, 40), (40, 80), (80, 1e9))
ALERTS = ("bare", "nose_out")
WRONG = ("incorrect", "nose_out", "mouth_out")
CORRECTIONS = Path(__file__).with_name("corrections.jsonl")
"""Labels of `val` that were looked at and found wrong: image, face, label, why."""


@dataclass(frozen=True)
class Case:
    """A true face and the found one that matches it, if any."""

    image: str
    label: str
    """`mask`, `no_mask`, `nose_out`, `mouth_out` or `incorrect`."""
    box: tuple[float, ...]
    height: float
    """In pixels at a long side of `LONG_SIDE`."""
    found: dict | None
    """The JSON of the found face."""

    @property
    def verdict(self) -> str:
        """What was said about the face; `missed` if it was not found."""
        return self.found["verdict"] if self.found else "missed"

    @property
    def is_flagged(self) -> bool:
        """Whether a reminder would follow."""
        return self.verdict in ALERTS


CHOOSE, REPORT = "choosing", "reporting"


def half(image: str) -> str:
    """Which half of a validation folder a picture belongs to, by a hash of its file name.

    Thresholds are chosen on one half and what they give is reported on the other.
    """
    return (CHOOSE, REPORT)[hashlib.sha256(Path(image).name.encode()).digest()[0] % 2]


Truth = dict[str, dict]
Found = dict[str, list[dict]]


def read_lines(path: Path) -> Iterable[dict]:
    """The objects of a JSON-lines file."""
    return (json.loads(line) for line in path.read_text().splitlines() if line.strip())


def read_truth(data: Path, folder: str) -> Truth:
    """Annotations of a folder of `val` by file name, corrected."""
    fixes = {(fix["image"], fix["face"]): fix["label"] for fix in read_lines(CORRECTIONS)}
    truth = {}
    for entry in read_lines(data / "val" / "annotations.jsonl"):
        if not entry["image"].startswith(f"{folder}/"):
            continue
        for index, face in enumerate(entry["faces"]):
            kind = face.get("kind")
            if face["label"] == "incorrect" and kind in ("nose_out", "mouth_out"):
                face["label"] = kind
            fix = fixes.get((entry["image"], index), face["label"])
            face["label"], face["ignore"] = fix, face.get("ignore", False) or fix == "ignore"
        truth[Path(entry["image"]).name] = entry
    return truth


def read_found(path: Path) -> Found:
    """The faces of each picture in the JSON of `maskbell check`, by file name."""
    return {Path(entry["image"]).name: entry["faces"] for entry in read_lines(path)}


def match(entry: dict, found: list[dict], least: float = MATCH_IOU) -> list[Case]:
    """Pairs true and found faces of one picture that overlap by `least`, best overlap first."""
    scale = LONG_SIDE / max(entry["w"], entry["h"])
    pairs: dict[int, dict] = {}
    if entry["faces"] and found:
        shared = overlap(
            np.array([face["box"] for face in entry["faces"]], float),
            np.array([face["box"] for face in found], float),
        )
        while shared.max() >= least:
            true, index = np.unravel_index(shared.argmax(), shared.shape)
            pairs[int(true)] = found[index]
            shared[true], shared[:, index] = -1, -1
    return [
        Case(
            entry["image"], face["label"], tuple(face["box"]),
            (face["box"][3] - face["box"][1]) * scale, pairs.get(index),
        )
        for index, face in enumerate(entry["faces"])
        if not face["ignore"]
    ]


def cases_at(
    truth: Truth, found: Found, threshold: float, least: float = MATCH_IOU
) -> list[Case]:
    """All true faces, matched with those found with a score from `threshold` on."""
    return [
        case
        for name, entry in truth.items()
        for case in match(
            entry, [face for face in found[name] if face["score"] >= threshold], least
        )
    ]


def false_positives(negatives: Found, threshold: float) -> float:
    """Found faces a face-free picture."""
    scores = [face["score"] for faces in negatives.values() for face in faces]
    return sum(score >= threshold for score in scores) / len(negatives)


def threshold_for(negatives: Found, rate: float) -> float:
    """The least score that keeps false positives a picture at `rate`."""
    scores = sorted((f["score"] for faces in negatives.values() for f in faces), reverse=True)
    allowed = int(rate * len(negatives))
    return scores[allowed] + 1e-6 if len(scores) > allowed else 0.0


def among(cases: list[Case], *labels: str, low: float = LEAST, high: float = 1e9) -> list[Case]:
    """The cases of some labels within a range of heights."""
    return [case for case in cases if case.label in labels and low <= case.height < high]


@dataclass(frozen=True)
class Share:
    """A share with its count and Wilson's 95 % interval."""

    hits: int
    total: int

    @classmethod
    def of(cls, cases: list[Case], is_hit: Callable[[Case], bool]) -> Share:
        """How many of `cases` are hits."""
        return cls(sum(map(is_hit, cases)), len(cases))

    @property
    def value(self) -> float:
        """0 to 1; NaN of nothing."""
        return self.hits / self.total if self.total else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's, 95 %."""
        p, n, z = self.value, self.total, 1.96
        middle = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
        return middle - half, middle + half

    def __str__(self) -> str:
        if not self.total:
            return "–"
        low, high = self.interval
        return f"{self.value:.3f} [{low:.2f}, {high:.2f}] of {self.total}"

"""Annotated pictures, filtered by the rights over them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

SHIPPED_TIERS = frozenset("AB")
"""What a network that ships may be trained on; see the README."""

CORRECTIONS = Path(__file__).with_name("corrections.jsonl")
"""Labels of `train` that were looked at and found wrong: image, face, label."""


@dataclass
class Face:
    """One annotated face; coordinates in pixels of its picture."""

    box: np.ndarray
    label: str
    """`mask`, `no_mask` or `incorrect`."""
    kind: str | None
    """How the mask is worn, where it is known: `tip`, `under_nose`, `chin`, …"""
    points: np.ndarray | None
    """Left eye, right eye, nose tip, left and right mouth corner; 5×2."""
    ignore: bool

    @property
    def side(self) -> float:
        """The longer side of the box."""
        return float(max(self.box[2] - self.box[0], self.box[3] - self.box[1]))


@dataclass
class Picture:
    """One line of `annotations.jsonl`."""

    path: Path
    folder: str
    tier: str
    source: str
    faces: list[Face]
    hard: float
    """The best score that YuNet gives anywhere in a face-free picture; 0 elsewhere."""

    def pixels(self) -> np.ndarray:
        """The picture, H×W×3, RGB."""
        return cv2.cvtColor(cv2.imread(str(self.path)), cv2.COLOR_BGR2RGB)


def read(data: Path, split: str, tiers: frozenset[str] = SHIPPED_TIERS) -> Iterator[Picture]:
    """The pictures of `train` or `val` whose tier is among `tiers`."""
    folder = data / split
    lines = map(json.loads, CORRECTIONS.read_text().splitlines())
    corrected = {(fix["image"], fix["face"]): fix["label"] for fix in lines}
    for line in (folder / "annotations.jsonl").read_text().splitlines():
        entry = json.loads(line)
        if entry["tier"] not in tiers:
            continue
        if split == "train":
            for index, face in enumerate(entry["faces"]):
                face["label"] = corrected.get((entry["image"], index), face["label"])
                face["ignore"] = face.get("ignore", False) or face["label"] == "ignore"
        faces = [
            Face(
                np.array(face["box"], np.float32),
                face["label"],
                face.get("kind"),
                np.array(face["lmk5"], np.float32).reshape(5, 2) if face.get("lmk5") else None,
                bool(face.get("ignore")),
            )
            for face in entry["faces"]
        ]
        name = entry["image"]
        yield Picture(
            folder / name, name.split("/")[0], entry["tier"], entry["source"], faces,
            entry.get("hard", 0.0),
        )

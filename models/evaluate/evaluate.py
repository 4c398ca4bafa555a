"""Scores the firmware's JSON against annotations.

    maskbell check FOLDER --json --face-threshold 0.02 > faces.jsonl
    maskbell check NEGATIVES --json --face-threshold 0.02 > negatives.jsonl
    python -m evaluate.evaluate faces.jsonl annotations.jsonl --prefix ilc/ \\
        --negatives negatives.jsonl

The low threshold lets the detector be judged at 0.05 false positives per
face-free picture; every other figure counts faces from `--shipped` on only.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evaluate.vision import FACE_THRESHOLD, overlap

MATCH_IOU = 0.4
FALSE_POSITIVES = 0.05
"""Per face-free picture, where detectors are compared."""
LONG_SIDE = 640
"""Heights are counted in pixels of a picture of this long side."""
HEIGHTS = ((20, 40), (40, 80), (80, 1e9))
ALERTS = ("bare", "nose_out")


@dataclass(frozen=True)
class Case:
    """A true face and the found one that matches it, if any."""

    image: str
    label: str
    """`mask`, `no_mask`, `nose_out`, `mouth_out` or `incorrect`."""
    height: float
    found: dict | None
    """The JSON of the found face."""

    @property
    def verdict(self) -> str:
        """What was said about the face; `missed` if it was not found."""
        return self.found["verdict"] if self.found else "missed"


def read_lines(path: Path) -> Iterable[dict]:
    """The objects of a JSON-lines file."""
    return (json.loads(line) for line in path.read_text().splitlines() if line.strip())


def read_truth(path: Path, prefix: str, corrections: Path | None) -> dict[str, dict]:
    """Annotations by image name without the prefix, with corrections applied."""
    fixes = {}
    if corrections:
        fixes = {(fix["image"], fix["face"]): fix["label"] for fix in read_lines(corrections)}
    truth = {}
    for entry in read_lines(path):
        if not entry["image"].startswith(prefix):
            continue
        name = entry["image"].removeprefix(prefix)
        for index, face in enumerate(entry["faces"]):
            kind = face.get("kind")
            if face["label"] == "incorrect" and kind in ("nose_out", "mouth_out"):
                face["label"] = kind
            fix = fixes.get((entry["image"], index), face["label"])
            face["label"], face["ignore"] = fix, face.get("ignore", False) or fix == "ignore"
        truth[name] = entry
    return truth


def match(entry: dict, found: list[dict]) -> list[Case]:
    """Pairs true and found faces of one picture, best overlap first."""
    scale = LONG_SIDE / max(entry["w"], entry["h"])
    pairs: dict[int, dict] = {}
    if entry["faces"] and found:
        shared = overlap(
            np.array([face["box"] for face in entry["faces"]], float),
            np.array([face["box"] for face in found], float),
        )
        while shared.max() >= MATCH_IOU:
            true, index = np.unravel_index(shared.argmax(), shared.shape)
            pairs[int(true)] = found[index]
            shared[true], shared[:, index] = -1, -1
    return [
        Case(
            entry["image"], face["label"], (face["box"][3] - face["box"][1]) * scale,
            pairs.get(index),
        )
        for index, face in enumerate(entry["faces"])
        if not face["ignore"]
    ]


def cases_at(truth: dict[str, dict], faces: dict[str, list[dict]], threshold: float) -> list[Case]:
    """All true faces, matched with the found ones from a score on."""
    return [
        case
        for name, entry in truth.items()
        for case in match(
            entry, [face for face in faces.get(name, []) if face["score"] >= threshold]
        )
    ]


def threshold_for(negatives: list[list[dict]], rate: float) -> float:
    """The least score that keeps false positives per picture at `rate`."""
    scores = sorted((face["score"] for faces in negatives for face in faces), reverse=True)
    allowed = int(rate * len(negatives))
    return scores[allowed] + 1e-6 if len(scores) > allowed else 0.0


def share(cases: list[Case], is_hit: Callable[[Case], bool]) -> str:
    """A share with its count and Wilson's 95 % interval."""
    total = len(cases)
    if total == 0:
        return "   –          "
    p, z = sum(is_hit(case) for case in cases) / total, 1.96
    middle = (p + z * z / (2 * total)) / (1 + z * z / total)
    half = z * np.sqrt(p * (1 - p) / total + z * z / (4 * total**2)) / (1 + z * z / total)
    return f"{p:.3f} [{middle - half:.2f}, {middle + half:.2f}] of {total:4d}"


def among(cases: list[Case], *labels: str, low: float = 20, high: float = 1e9) -> list[Case]:
    """The cases of some labels within a range of heights."""
    return [case for case in cases if case.label in labels and low <= case.height < high]


WRONG = ("incorrect", "nose_out", "mouth_out")


def print_recall(cases: list[Case]) -> None:
    """Detector recall by label and height."""
    for title, labels in (("masked", ("mask",)), ("bare", ("no_mask",)), ("worn wrongly", WRONG)):
        print(f"  {title:13} all  {share(among(cases, *labels), lambda c: c.found is not None)}")
        for low, high in HEIGHTS:
            name = f"{low}–{high}" if high < 1e9 else f"{low}+"
            part = among(cases, *labels, low=low, high=high)
            print(f"  {'':13} {name:6}{share(part, lambda c: c.found is not None)}")


def print_verdicts(cases: list[Case], least: float) -> None:
    """What was said about found faces from a height on."""
    found = [case for case in cases if case.found and case.height >= least]
    flagged = [case for case in found if case.verdict in ALERTS]
    for title, label, is_hit in (
        ("masked passed (not flagged)", "mask", lambda c: c.verdict not in ALERTS),
        ("bare flagged", "no_mask", lambda c: c.verdict in ALERTS),
        ("nose out flagged", "nose_out", lambda c: c.verdict in ALERTS),
        ("nose out called so", "nose_out", lambda c: c.verdict == "nose_out"),
        ("mouth out flagged", "mouth_out", lambda c: c.verdict in ALERTS),
        ("unsure, masked", "mask", lambda c: c.verdict == "unsure"),
        ("unsure, bare", "no_mask", lambda c: c.verdict == "unsure"),
        ("unsure, nose out", "nose_out", lambda c: c.verdict == "unsure"),
    ):
        print(f"  {title:28} {share(among(found, label), is_hit)}")
    print(f"  {'precision of a flag':28} {share(flagged, lambda c: c.label != 'mask')}")
    told = [c for c in among(found, "mask", "no_mask") if c.verdict != "unsure"]
    right = share(told, lambda c: (c.verdict in ALERTS) == (c.label == "no_mask"))
    print(f"  {'mask/bare accuracy':28} {right}")
    forced = share(
        among(found, "mask", "no_mask"), lambda c: (c.verdict in ALERTS) == (c.label == "no_mask")
    )
    print(f"  {'… with unsure as not flagged':28} {forced}")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("faces", type=Path, help="JSON lines of `maskbell check --json`")
    parser.add_argument("annotations", type=Path)
    parser.add_argument("--prefix", default="", help="of the folder in the annotations' names")
    parser.add_argument("--negatives", type=Path, help="JSON lines of face-free pictures")
    parser.add_argument("--corrections", type=Path, help="labels that were looked at again")
    parser.add_argument("--shipped", type=float, default=FACE_THRESHOLD, help="face threshold")
    arguments = parser.parse_args()

    truth = read_truth(arguments.annotations, arguments.prefix, arguments.corrections)
    faces = {entry["image"]: entry["faces"] for entry in read_lines(arguments.faces)}
    absent = [name for name in truth if name not in faces]
    if absent:
        print(f"{len(absent)} annotated pictures are not in {arguments.faces}")
    cases = cases_at(truth, faces, arguments.shipped)

    if arguments.negatives:
        negatives = [entry["faces"] for entry in read_lines(arguments.negatives)]
        threshold = threshold_for(negatives, FALSE_POSITIVES)
        print(f"Recall at {FALSE_POSITIVES} false positives a picture (score {threshold:.3f})")
        print_recall(cases_at(truth, faces, threshold))
        wrong = sum(face["score"] >= arguments.shipped for found in negatives for face in found)
        print(f"At the shipped score: {wrong / len(negatives):.3f} false positives a picture")
    print(f"Recall at the shipped score {arguments.shipped}")
    print_recall(cases)
    for least in (20, 40):
        print(f"Verdicts on found faces of {least} pixels and more")
        print_verdicts(cases, least)
    print("End to end, true faces of 20 pixels and more")
    print(f"  bare reminded   {share(among(cases, 'no_mask'), lambda c: c.verdict in ALERTS)}")
    print(f"  masked nagged   {share(among(cases, 'mask'), lambda c: c.verdict in ALERTS)}")
    print(f"  nose out told   {share(among(cases, 'nose_out'), lambda c: c.verdict in ALERTS)}")


if __name__ == "__main__":
    main()

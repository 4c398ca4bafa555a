"""Scores pictures as a camera on the ribbon would send them beside the same pictures as they are.

    python -m evaluate.mosaic --data DATA --maskbell ../target/release/maskbell \\
        --mosaic ../target/release/examples/mosaic --out OUT

Runs `maskbell check --json --one-look --look 320x240` and the example `mosaic` over
DATA/val/ilc and DATA/val/neg, or takes their JSON from OUT if it is there already, and
writes a table to OUT/mosaic.md, of both halves. Rooms are bright or nearly dark, and the
sensor's filters as they are under each lamp (`--lamps`); once more bright with filters that
the firmware's matrix fits under every lamp, which shows what one matrix for all lamps costs.
Beside each stand the pictures as they are at the score that gives as few false positives.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from evaluate.__main__ import EMPTY, FACES, is_found, run_binary, table
from evaluate.score import (
    WRONG, Case, Found, Share, Truth, among, cases_at, false_positives, read_found, read_truth,
    threshold_for,
)
from evaluate.vision import FACE_THRESHOLD

ROOMS = {
    "lamps-1": ("bright, gain 1", ("--lamps", "1")),
    "lamps-10": ("nearly dark, gain 10", ("--lamps", "10")),
    "fitted-1": ("bright, filters that the matrix fits", ("1",)),
}
"""Name of the JSON, title, and what the example is told: the analogue gain at which white fills
the longest exposure, of which the sensor's highest is 10.7."""
ROWS: tuple[tuple[str, tuple[str, ...], Callable[[Case], bool]], ...] = (
    ("found: masked", ("mask",), is_found),
    ("found: bare", ("no_mask",), is_found),
    ("found: worn wrongly", WRONG, is_found),
    ("flagged: masked", ("mask",), lambda case: case.is_flagged),
    ("flagged: bare", ("no_mask",), lambda case: case.is_flagged),
    ("flagged: nose out", ("nose_out",), lambda case: case.is_flagged),
    ("flagged: mouth out", ("mouth_out",), lambda case: case.is_flagged),
)


def run_mosaic(mosaic: Path, told: tuple[str, ...], folder: Path, out: Path) -> Path:
    """The example's JSON for a folder, made unless it is there."""
    if not out.exists():
        print(f"{mosaic.name} {' '.join(told)} looks at {folder} …", file=sys.stderr)
        unfinished = out.with_suffix(".partial")
        with unfinished.open("wb") as lines:
            subprocess.run([mosaic, *told, folder], stdout=lines, check=True)
        unfinished.rename(out)
    return out


def column(truth: Truth, found: Found, empty: Found, threshold: float) -> list[str]:
    """The figures of one way of taking pictures; shares are of all faces, found or not."""
    cases = cases_at(truth, found, threshold)
    shares = [str(Share.of(among(cases, *labels), test)) for _, labels, test in ROWS]
    return [*shares, f"{false_positives(empty, threshold):.3f}"]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with val/")
    parser.add_argument("--maskbell", type=Path, required=True, help="the binary")
    parser.add_argument("--mosaic", type=Path, required=True, help="the example")
    parser.add_argument("--out", type=Path, required=True, help="JSON lines and the table")
    arguments = parser.parse_args()
    out = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    truth = read_truth(arguments.data, FACES)
    folders = [arguments.data / "val" / name for name in (FACES, EMPTY)]
    one_look = ["--one-look", "--look", "320x240"]
    plain = [
        read_found(run_binary(arguments.maskbell, folder, out / f"320.{folder.name}.jsonl", one_look))
        for folder in folders
    ]
    columns = [("as they are", column(truth, *plain, FACE_THRESHOLD))]
    for name, (title, told) in ROOMS.items():
        seen = [
            read_found(run_mosaic(arguments.mosaic, told, folder, out / f"{name}.{folder.name}.jsonl"))
            for folder in folders
        ]
        columns.append((title, column(truth, *seen, FACE_THRESHOLD)))
        threshold = threshold_for(plain[1], false_positives(seen[1], FACE_THRESHOLD))
        columns.append((f"as they are at {threshold:.2f}", column(truth, *plain, threshold)))
    titles = [title for title, _, _ in ROWS] + ["false positives a face-free picture"]
    heads, shares = zip(*columns)
    text = table(["", *heads], [list(row) for row in zip(titles, *shares)])
    (out / "mosaic.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()

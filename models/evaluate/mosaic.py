"""Scores pictures as a camera on the ribbon would send them beside the same pictures as they are.

    python -m evaluate.mosaic --data DATA --maskbell ../target/release/maskbell \\
        --mosaic ../target/release/examples/mosaic --out OUT

Runs `maskbell check --json --one-look --look 320x240` and the example `mosaic` (in a
room that is bright, dim, or nearly dark) over DATA/val/ilc and DATA/val/neg, or takes
their JSON from OUT if it is there already, and writes a table to OUT/mosaic.md. Nothing
was chosen on these figures but what they are compared with: they are of both halves.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from evaluate.__main__ import EMPTY, FACES, is_found, run_binary, table
from evaluate.score import (
    WRONG, Case, Found, Share, among, cases_at, false_positives, read_found, read_truth,
)
from evaluate.vision import FACE_THRESHOLD

ROOMS = {"1": "bright", "4": "dim", "10": "nearly dark"}
"""Analogue gains at which white fills the longest exposure; the sensor's highest is 10.7."""
ROWS: tuple[tuple[str, tuple[str, ...], Callable[[Case], bool]], ...] = (
    ("found: masked", ("mask",), is_found),
    ("found: bare", ("no_mask",), is_found),
    ("found: worn wrongly", WRONG, is_found),
    ("flagged: masked", ("mask",), lambda case: case.is_flagged),
    ("flagged: bare", ("no_mask",), lambda case: case.is_flagged),
    ("flagged: nose out", ("nose_out",), lambda case: case.is_flagged),
    ("flagged: mouth out", ("mouth_out",), lambda case: case.is_flagged),
)


def run_mosaic(mosaic: Path, gain: str, folder: Path, out: Path) -> Path:
    """The example's JSON for a folder, made unless it is there."""
    if not out.exists():
        print(f"{mosaic.name} {gain} looks at {folder} …", file=sys.stderr)
        unfinished = out.with_suffix(".partial")
        with unfinished.open("wb") as lines:
            subprocess.run([mosaic, gain, folder], stdout=lines, check=True)
        unfinished.rename(out)
    return out


def column(cases: list[Case], empty: Found) -> list[str]:
    """The figures of one way of taking pictures; shares are of all faces, found or not."""
    shares = [str(Share.of(among(cases, *labels), test)) for _, labels, test in ROWS]
    return [*shares, f"{false_positives(empty, FACE_THRESHOLD):.3f}"]


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
    files = {
        "as they are": [
            run_binary(arguments.maskbell, folder, out / f"320.{folder.name}.jsonl", one_look)
            for folder in folders
        ]
    }
    for gain, room in ROOMS.items():
        files[f"{room}, gain {gain}"] = [
            run_mosaic(arguments.mosaic, gain, folder, out / f"mosaic-{gain}.{folder.name}.jsonl")
            for folder in folders
        ]
    titles = [title for title, _, _ in ROWS] + ["false positives a face-free picture"]
    columns = [
        column(cases_at(truth, read_found(faces), FACE_THRESHOLD), read_found(empty))
        for faces, empty in files.values()
    ]
    text = table(["", *files], [[title, *row] for title, *row in zip(titles, *columns)])
    (out / "mosaic.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()

"""What other mouth and nose thresholds would give, from the same JSON lines.

    python -m evaluate.thresholds faces.jsonl annotations.jsonl --prefix ilc/

One row a mouth threshold, one column a nose threshold; in each field the
shares of masked faces nagged, bare faces flagged, and noses out flagged.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from evaluate.evaluate import Case, among, cases_at, read_lines, read_truth
from evaluate.vision import FACE_THRESHOLD

STEPS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def flagged(cases: list[Case], mouth: float, nose: float) -> float:
    """The share of faces that would be called bare or nose out."""
    hits = sum(case.found["mouth"] >= mouth or case.found["nose"] >= nose for case in cases)
    return hits / max(1, len(cases))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("faces", type=Path, help="JSON lines of `maskbell check --json`")
    parser.add_argument("annotations", type=Path)
    parser.add_argument("--prefix", default="", help="of the folder in the annotations' names")
    parser.add_argument("--corrections", type=Path, help="labels that were looked at again")
    parser.add_argument("--shipped", type=float, default=FACE_THRESHOLD, help="face threshold")
    arguments = parser.parse_args()

    truth = read_truth(arguments.annotations, arguments.prefix, arguments.corrections)
    faces = {entry["image"]: entry["faces"] for entry in read_lines(arguments.faces)}
    cases = [case for case in cases_at(truth, faces, arguments.shipped) if case.found]
    groups = [among(cases, label) for label in ("mask", "no_mask", "nose_out")]
    print(f"{len(groups[0])} masked, {len(groups[1])} bare, {len(groups[2])} noses out")
    print("mouth \\ nose" + "".join(f"{nose:>18}" for nose in STEPS))
    for mouth in STEPS:
        row = ("/".join(f"{flagged(g, mouth, nose):.3f}" for g in groups) for nose in STEPS)
        print(f"{mouth:>12}" + "".join(f"{field:>18}" for field in row))


if __name__ == "__main__":
    main()

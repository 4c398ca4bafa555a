"""What other mouth and nose thresholds would give, from the JSON of a report.

    python -m evaluate.thresholds --data DATA OUT/close.ilc.jsonl

One row a mouth threshold, one column a nose threshold; in each field the
shares flagged of masked faces, of bare ones, and of noses out. Only the choosing
half is looked at.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from evaluate.score import CHOOSE, Case, among, cases_at, half, read_found, read_truth
from evaluate.vision import FACE_THRESHOLD

MOUTH = (0.4, 0.5, 0.6, 0.7, 0.8)
NOSE = (0.6, 0.7, 0.75, 0.8, 0.9)


def flagged(cases: list[Case], mouth: float, nose: float) -> str:
    """The share of faces that would be called bare or nose out."""
    hits = sum(
        case.found["mouth"] >= mouth or case.found["nose"] >= nose
        for case in cases
    )
    return f"{hits / max(1, len(cases)):.3f}"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with val/")
    parser.add_argument("faces", type=Path, help="JSON lines of `maskbell check --json`")
    arguments = parser.parse_args()
    truth = read_truth(arguments.data, "ilc")
    truth = {image: entry for image, entry in truth.items() if half(image) == CHOOSE}
    cases = [c for c in cases_at(truth, read_found(arguments.faces), FACE_THRESHOLD) if c.found]
    groups = [among(cases, label) for label in ("mask", "no_mask", "nose_out")]
    print("| mouth \\ nose | " + " | ".join(map(str, NOSE)) + " |")
    print("|---" * (len(NOSE) + 1) + "|")
    for mouth in MOUTH:
        row = ("/".join(flagged(group, mouth, nose) for group in groups) for nose in NOSE)
        print(f"| {mouth} | " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()

"""Scores the shipped binary on annotated pictures: tables and plots.

    python -m evaluate --data DATA --maskbell ../target/release/maskbell --out OUT

Runs `maskbell check --json` over DATA/val/ilc (faces with and without masks),
DATA/val/neg (no faces) and DATA/val/detect (small faces in streets), or takes
its JSON from OUT if it is there already. Thresholds are chosen on one half of
the first two; what counts is the other half.
With `--float FOLDER`, which holds `face.float.tflite` and `mouth.float.tflite`,
the same networks before quantisation stand beside it, run by LiteRT.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from evaluate import plots, predict
from evaluate.light import cloth_colour, light
from evaluate.score import (
    CHOOSE, FALSE_POSITIVES, HEIGHTS, MATCH_IOU, REPORT, TOUCH_IOU, WRONG, Case, Found, Share,
    Truth, among, cases_at, false_positives, half, read_found, read_truth, threshold_for,
)
from evaluate.vision import FACE_THRESHOLD

FACES, EMPTY, STREET = "ilc", "neg", "detect"
LOOKS = {
    "320": ("320×240", ["--one-look"]),
    "480": ("480×360", ["--one-look", "--look", "480x360"]),
    "640": ("640×480", ["--one-look", "--look", "640x480"]),
    "close": ("close looks", []),
}
"""Ways of looking: title and options."""
LOWEST = 0.1
"""Score from which on faces are listed, so that other thresholds can be tried."""


@dataclass
class Run:
    """What one way of looking found."""

    name: str
    truth: Truth
    faces: Found
    negatives: Found
    street: list[Case]
    """Small faces, at the shipped face threshold."""
    shipped: list[Case]
    """At the shipped face threshold."""
    compared: list[Case]
    """At `FALSE_POSITIVES` a face-free picture."""
    touched: list[Case]
    """The same, with boxes that are drawn otherwise than the annotators'."""


def run_binary(maskbell: Path, folder: Path, out: Path, options: list[str]) -> Path:
    """The binary's JSON for a folder, made unless it is there."""
    if not out.exists():
        print(f"{maskbell.name} looks at {folder} …", file=sys.stderr)
        command = [maskbell, "check", "--json", "--face-threshold", str(LOWEST), folder]
        unfinished = out.with_suffix(".partial")
        with unfinished.open("wb") as lines:
            subprocess.run(command + options, stdout=lines, check=True)
        unfinished.rename(out)
    return out


def run_float(models: Path, folder: Path, out: Path) -> Path:
    """The same from the float networks."""
    if not out.exists():
        face, mouth = models / "face.float.tflite", models / "mouth.float.tflite"
        lines = predict.lines(folder, face, mouth, LOWEST, close=True)
        out.write_text("".join(line + "\n" for line in lines))
    return out


def collect(
    name: str, part: str, truths: tuple[Truth, Truth], faces: Path, negatives: Path, street: Path
) -> Run:
    """Scores the JSON of all folders, of one half of the pictures.

    The score at which detectors are compared is found on all face-free pictures:
    half of them hold too few false positives.
    """
    truth, small = (
        {image: entry for image, entry in whole.items() if half(image) == part} for whole in truths
    )
    found, empty = read_found(faces), read_found(negatives)
    if absent := [image for image in truth if image not in found]:
        raise SystemExit(f"{faces} lacks {len(absent)} pictures, such as {absent[0]}: remove it, run again")
    own = {image: seen for image, seen in empty.items() if half(image) == part}
    comparable = threshold_for(empty, FALSE_POSITIVES)
    return Run(
        f"{name}, {part}", truth, found, own, cases_at(small, read_found(street), FACE_THRESHOLD),
        cases_at(truth, found, FACE_THRESHOLD),
        cases_at(truth, found, comparable), cases_at(truth, found, comparable, TOUCH_IOU),
    )


def is_found(case: Case) -> bool:
    """A hit of the face network."""
    return case.found is not None


def figures(run: Run) -> list[tuple[str, str]]:
    """What is asked of the models, line by line."""
    rows: list[tuple[str, str]] = []
    kinds = (("masked", ("mask",)), ("bare", ("no_mask",)), ("worn wrongly", WRONG))
    for title, labels in kinds:
        name = f"face recall at {FALSE_POSITIVES} false positives a face-free picture: {title}"
        rows.append((name, str(Share.of(among(run.compared, *labels), is_found))))
        sizes = [
            f"{Share.of(among(run.compared, *labels, low=low, high=high), is_found).value:.3f}"
            for low, high in HEIGHTS
        ]
        rows.append(("… 20–40 / 40–80 / 80+ px", " / ".join(sizes)))
        share = Share.of(among(run.touched, *labels), is_found)
        rows.append((f"… with boxes that overlap by {TOUCH_IOU} rather than {MATCH_IOU}", str(share)))
    for title, labels in kinds:
        share = Share.of(among(run.shipped, *labels), is_found)
        rows.append((f"face recall at the shipped score: {title}", str(share)))
    share = Share.of(among(run.street, "no_mask", high=40), is_found)
    rows.append(("… bare, 20–40 px, in streets (`val/detect`)", str(share)))
    wrong = false_positives(run.negatives, FACE_THRESHOLD)
    rows.append(("false positives a face-free picture at the shipped score", f"{wrong:.3f}"))
    flagged = sum(
        face["verdict"] in ("bare", "nose_out") and face["score"] >= FACE_THRESHOLD
        for faces in run.negatives.values() for face in faces
    )
    rows.append(("… of them flagged, a picture", f"{flagged / len(run.negatives):.3f}"))

    seen = [case for case in run.shipped if case.found]
    told = [case for case in among(seen, "mask", "no_mask") if case.verdict != "unsure"]

    def flags(label: str, low: float = 20) -> str:
        return str(Share.of(among(seen, label, low=low), lambda c: c.is_flagged))

    passed = Share.of(among(seen, "mask"), lambda c: not c.is_flagged)
    rows += [
        ("masked passed (not flagged)", str(passed)),
        ("bare flagged, 40 px and more", flags("no_mask", 40)),
        ("bare flagged, all sizes", flags("no_mask")),
        ("nose out flagged", flags("nose_out")),
        ("… called nose out",
         str(Share.of(among(seen, "nose_out"), lambda c: c.verdict == "nose_out"))),
        ("mouth out flagged", flags("mouth_out")),
        ("precision of a flag",
         str(Share.of([c for c in seen if c.is_flagged and c.height >= 20],
                      lambda c: c.label != "mask"))),
        ("mask/bare accuracy, unsure apart",
         str(Share.of(told, lambda c: c.is_flagged == (c.label == "no_mask")))),
        ("unsure: masked / bare / nose out", " / ".join(
            f"{Share.of(among(seen, label), lambda c: c.verdict == 'unsure').value:.3f}"
            for label in ("mask", "no_mask", "nose_out"))),
    ]
    for title, label in (("bare reminded", "no_mask"), ("masked nagged", "mask"),
                         ("nose out told", "nose_out")):
        share = Share.of(among(run.shipped, label), lambda c: c.is_flagged)
        rows.append((f"end to end: {title}", str(share)))
    return rows


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def verdicts_by(title: str, cases: list[Case], group: Callable[[Case], str]) -> str:
    """Share flagged of found faces, by group."""
    groups: dict[str, list[Case]] = {}
    for case in cases:
        groups.setdefault(group(case), []).append(case)
    rows = []
    for name, part in sorted(groups.items()):
        rows.append([name] + [
            str(Share.of([c for c in part if c.label == label], lambda c: c.is_flagged))
            for label in ("mask", "no_mask", "nose_out")
        ])
    return f"\nFlagged, by {title}\n\n" + table(["", "masked", "bare", "nose out"], rows)


def report(runs: list[Run], data: Path) -> str:
    """All tables."""
    columns = [figures(run) for run in runs]
    rows = [[line[0][0]] + [column for _, column in line] for line in zip(*columns)]
    text = table(["", *(run.name for run in runs)], rows)
    whole = [case for run in runs[:2] for case in run.shipped]
    seen = [case for case in whole if case.found and case.height >= 20]

    def size(case: Case) -> str:
        return next(
            f"{low}–{high} px" if high < 1e9 else f"{low} px and more"
            for low, high in HEIGHTS if low <= case.height < high
        )

    text += verdicts_by("height", seen, size)
    text += verdicts_by("light on the face", seen, partial(light, data))
    masked = [case for case in seen if case.label in ("mask", "nose_out")]
    text += verdicts_by("colour of the mask", masked, partial(cloth_colour, data))
    return text


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with val/")
    parser.add_argument("--maskbell", type=Path, required=True, help="the binary")
    parser.add_argument("--out", type=Path, required=True, help="JSON lines, report, plots")
    parser.add_argument("--float", type=Path, help="folder with the float networks")
    arguments = parser.parse_args()
    out = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    truths = read_truth(arguments.data, FACES), read_truth(arguments.data, STREET)
    folders = [arguments.data / "val" / name for name in (FACES, EMPTY, STREET)]
    seen = {
        title: [
            run_binary(arguments.maskbell, folder, out / f"{key}.{folder.name}.jsonl", options)
            for folder in folders
        ]
        for key, (title, options) in LOOKS.items()
    }
    if arguments.float:
        seen["close looks, float"] = [
            run_float(arguments.float, folder, out / f"float.{folder.name}.jsonl")
            for folder in folders
        ]
    runs = [
        collect(title, part, truths, *files)
        for title, files in seen.items()
        for part in (CHOOSE, REPORT)
    ]
    text = report(runs, arguments.data)
    (out / "report.md").write_text(text)
    print(text)
    told = [run for run in runs if run.name.endswith(REPORT)]
    plots.faces(out / "faces.png", {run.name: (run.truth, run.faces, run.negatives) for run in told})
    plots.flags(out / "flags.png", {run.name: run.shipped for run in told})
    plots.calibration(out / "calibration.png", told[0].shipped)


if __name__ == "__main__":
    main()

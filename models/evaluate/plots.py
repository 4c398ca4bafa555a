"""Curves of what the models get right at which threshold."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np

from evaluate.score import WRONG, Case, Found, Truth, among, cases_at, false_positives
from evaluate.vision import FACE_THRESHOLD, MOUTH_THRESHOLD, NOSE_THRESHOLD

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

STYLES = ("-", "--", ":", "-.")


def _save(figure: plt.Figure, path: Path) -> None:
    for axes in figure.axes:
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=80)
    plt.close(figure)


def faces(path: Path, runs: dict[str, tuple[Truth, Found, Found]]) -> None:
    """Recall against false positives a face-free picture; dots at the shipped score."""
    figure, axes = plt.subplots(figsize=(6, 4.5))
    thresholds = np.linspace(0.15, 0.95, 33)
    for style, (name, (truth, found, negatives)) in zip(STYLES, runs.items()):
        cases = {t: cases_at(truth, found, t) for t in [*thresholds, FACE_THRESHOLD]}
        wrong = {t: false_positives(negatives, t) for t in cases}
        for colour, (title, labels) in enumerate(
            (("masked", ("mask",)), ("bare", ("no_mask",)), ("worn wrongly", WRONG))
        ):
            def recall(t: float) -> float:
                return float(np.mean([c.found is not None for c in among(cases[t], *labels)]))

            axes.plot([wrong[t] for t in thresholds], [recall(t) for t in thresholds],
                      style, color=f"C{colour}", label=f"{title}, {name}")
            axes.plot(wrong[FACE_THRESHOLD], recall(FACE_THRESHOLD), "o", color=f"C{colour}")
    axes.set(xlim=(0, 0.3), ylim=(0.7, 1), xlabel="false positives a face-free picture",
             ylabel="faces found")
    _save(figure, path)


def flags(path: Path, runs: dict[str, list[Case]]) -> None:
    """Precision and recall of a flag while one threshold moves; dots at the shipped ones."""
    figure, pair = plt.subplots(1, 2, figsize=(9, 4))
    steps = np.linspace(0.02, 0.98, 49)
    for style, (name, cases) in zip(STYLES, runs.items()):
        seen = [case for case in cases if case.found and case.height >= 20]
        for axes, part, label, shipped in (
            (pair[0], "mouth", "no_mask", MOUTH_THRESHOLD),
            (pair[1], "nose", "nose_out", NOSE_THRESHOLD),
        ):
            masked = np.array([c.found[part] for c in seen if c.label == "mask"])
            wanted = np.array([c.found[part] for c in seen if c.label == label])

            def at(t: float) -> tuple[float, float]:
                hits, nags = (wanted >= t).sum(), (masked >= t).sum()
                return hits / len(wanted), hits / max(1, hits + nags)

            axes.plot(*zip(*map(at, steps)), style, label=name)
            axes.plot(*at(shipped), "o", color="black", markersize=4)
    pair[0].set(title="bare against masked, by the mouth alone", xlabel="recall", ylabel="precision")
    pair[1].set(title="nose out against masked, by the nose alone", xlabel="recall", ylabel="precision")
    _save(figure, path)


def calibration(path: Path, cases: list[Case]) -> None:
    """How often a mouth or nose can be seen where the score says so."""
    figure, axes = plt.subplots(figsize=(5, 4))
    seen = [case for case in cases if case.found and case.height >= 20]
    for part, shown in (("mouth", ("no_mask", "mouth_out")), ("nose", ("no_mask", *WRONG))):
        score = np.array([case.found[part] for case in seen])
        truth = np.array([case.label in shown for case in seen])
        bins = np.clip((score * 10).astype(int), 0, 9)
        there = [b for b in range(10) if (bins == b).any()]
        axes.plot([score[bins == b].mean() for b in there],
                  [truth[bins == b].mean() for b in there], "o-", label=part)
    axes.plot([0, 1], [0, 1], ":", color="grey")
    axes.set(xlabel="score", ylabel="share of faces that show it")
    _save(figure, path)

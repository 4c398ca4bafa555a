"""Draws the losses of trainings: `python -m train.curve OUT/mouth.csv …`, each into a `.png` beside it."""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402


def draw(path: Path) -> None:
    """One curve: step and running mean of the loss, a line each, separated by a comma."""
    step, loss = np.loadtxt(path, delimiter=",", ndmin=2).T
    figure, axes = plt.subplots(figsize=(5, 3))
    axes.plot(step, loss)
    axes.set(xlabel="step", ylabel="loss", yscale="log")
    axes.grid(alpha=0.3, which="both")
    figure.tight_layout()
    figure.savefig(path.with_suffix(".png"), dpi=80)
    plt.close(figure)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        draw(Path(name))

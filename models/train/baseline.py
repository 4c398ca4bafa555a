"""YuNet-n as it is, as `face.tflite`: nothing is trained, only rounded to int8.

    python -m train.baseline --data DATA --yunet yunet_n.onnx --out OUT

What a trained face network must be better than, in every group of faces.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from evaluate.vision import FACE_HEIGHT, FACE_WIDTH, looks, resample
from train import degrade, export
from train.data import read
from train.yunet import load

SAMPLES = 300
"""Pictures that say how far each tensor's values reach."""


def samples(data: Path, rng: np.random.Generator) -> list[np.ndarray]:
    """Whole pictures of crowds, of single faces, and of none, as a look shows them."""
    pictures = [p for p in read(data, "train") if p.folder in ("detect", "faces", "neg")]
    found = []
    for index in rng.choice(len(pictures), SAMPLES, replace=False):
        pixels = pictures[index].pixels()
        view = looks(pixels.shape[1], pixels.shape[0], False)[0]
        found.append(degrade.light(resample(pixels, *view, FACE_WIDTH, FACE_HEIGHT), rng))
    return found


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with train/")
    parser.add_argument("--yunet", type=Path, required=True, help="yunet_n.onnx")
    parser.add_argument("--out", type=Path, required=True, help="where the files go")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    net = load(arguments.yunet)
    shown = samples(arguments.data, np.random.default_rng(arguments.seed))
    weights = net.folded()
    export.write(arguments.out / "face.tflite", export.int8_model(net.graph, weights, shown))
    export.write(arguments.out / "face.float.tflite", export.float_model(net.graph, weights))
    export.check(arguments.out / "face.tflite")


if __name__ == "__main__":
    main()

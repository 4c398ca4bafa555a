"""Runs two TFLite files over a folder and prints JSON as the firmware does.

For what the firmware cannot run: float networks, weights not built in yet.
Run from the folder above: `python -m evaluate.predict FOLDER`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from tqdm import tqdm

from evaluate import vision

LEAST_FACE = 16
"""Shorter side of a face, in pixels of the picture, below which it is `unsure`."""
MOST_OUTSIDE = 0.15
"""Share of a face's box that may lie outside of the picture."""

MODELS = Path(__file__).resolve().parent.parent


class Network:
    """A TFLite file, int8 or float, with real numbers going in and out."""

    def __init__(self, path: Path) -> None:
        self.interpreter = Interpreter(str(path), num_threads=1)
        self.interpreter.allocate_tensors()
        self.input = self.interpreter.get_input_details()[0]
        self.outputs = self.interpreter.get_output_details()

    def __call__(self, picture: np.ndarray) -> list[np.ndarray]:
        """The outputs for a uint8 picture, in the order of the file."""
        if self.input["dtype"] == np.int8:
            pixels = (picture.astype(np.int16) - 128).astype(np.int8)
        else:
            pixels = picture.astype(np.float32)
        self.interpreter.set_tensor(self.input["index"], pixels[None])
        self.interpreter.invoke()
        return [self._real(output) for output in self.outputs]

    def _real(self, output: dict) -> np.ndarray:
        value = self.interpreter.get_tensor(output["index"])[0]
        scale, zero = output["quantization"]
        return (value.astype(np.float32) - zero) * scale if scale else value


class FaceFinder:
    """The face network with its decoding."""

    def __init__(self, path: Path) -> None:
        self.network = Network(path)

    def __call__(
        self, picture: np.ndarray, threshold: float, close: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Boxes in pixels of the picture, and scores."""
        height, width = picture.shape[:2]
        views = vision.looks(width, height, close)
        least = min(threshold, vision.FLOOR) if close else threshold
        found = [self._look(picture, view, least) for view in views]
        boxes, scores = vision.gather(found, views, width, height)
        return boxes[scores >= threshold], scores[scores >= threshold]

    def _look(
        self, picture: np.ndarray, view: tuple[float, float, float], threshold: float
    ) -> tuple[np.ndarray, np.ndarray]:
        left, top, scale = view
        pixels = vision.resample(picture, *view, vision.FACE_WIDTH, vision.FACE_HEIGHT)
        outputs = self.network(pixels)
        by_stride = {}
        for stride in vision.FACE_STRIDES:
            rows = -(-vision.FACE_HEIGHT // stride)
            score, box = (
                next(o for o in outputs if o.shape[0] == rows and o.shape[2] == n) for n in (1, 4)
            )
            by_stride[stride] = score[..., 0], box
        boxes, scores = vision.decode_faces(by_stride, threshold)
        boxes = boxes * scale + np.array([left, top, left, top])
        middle = (boxes[:, :2] + boxes[:, 2:]) / 2
        inside = ((middle >= 0) & (middle < picture.shape[1::-1])).all(1)
        return boxes[inside], scores[inside]


class MouthFinder:
    """The mouth network: how surely a mouth, a nose, and a face at all are seen."""

    def __init__(self, path: Path) -> None:
        self.network = Network(path)

    def __call__(self, picture: np.ndarray, box: np.ndarray) -> tuple[float, float, float]:
        """Probability of a visible mouth, of a visible nose, and of a face."""
        outputs = self.network(vision.crop(picture, box))
        score = next(o for o in outputs if o.shape[2] == 3)
        mouth, nose, presence = vision.sigmoid(score.max(axis=(0, 1)))
        return float(mouth), float(nose), float(presence)


def verdict(picture: np.ndarray, box: np.ndarray, mouth: float, nose: float) -> str:
    """The firmware's decision about one face in one frame."""
    width, height = box[2:] - box[:2]
    low, high = np.maximum(box[:2], 0), np.minimum(box[2:], picture.shape[1::-1])
    inside = np.prod(np.maximum(high - low, 0))
    if min(width, height) < LEAST_FACE or inside < (1 - MOST_OUTSIDE) * width * height:
        return "unsure"
    if mouth >= vision.MOUTH_THRESHOLD:
        return "bare"
    if nose >= vision.NOSE_THRESHOLD:
        return "nose_out"
    return "covered" if max(mouth, nose) < vision.COVERED_THRESHOLD else "unsure"


def lines(
    folder: Path, face: Path, mouth: Path, threshold: float, *, close: bool
) -> Iterator[str]:
    """What `maskbell check --json` would print for each picture of a folder."""
    find_faces, find_mouth = FaceFinder(face), MouthFinder(mouth)
    names = sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.suffix.lower() in (".jpg", ".jpeg", ".png")
    )
    for name in tqdm(names, unit="picture", mininterval=5):
        picture = cv2.cvtColor(cv2.imread(str(folder / name)), cv2.COLOR_BGR2RGB)
        faces = []
        for box, score in zip(*find_faces(picture, threshold, close)):
            mouth_score, nose, presence = find_mouth(picture, box)
            if presence < vision.PRESENCE_THRESHOLD:
                continue
            drawn = vision.as_drawn(box)
            faces.append(
                {
                    "box": [round(float(v), 1) for v in drawn],
                    "score": round(float(score), 4),
                    "verdict": verdict(picture, drawn, mouth_score, nose),
                    "mouth": round(mouth_score, 4),
                    "nose": round(nose, 4),
                    "presence": round(presence, 4),
                }
            )
        yield json.dumps({"image": name, "faces": faces})


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--face", type=Path, default=MODELS / "face.tflite")
    parser.add_argument("--mouth", type=Path, default=MODELS / "mouth.tflite")
    parser.add_argument("--one-look", action="store_true", help="as at a frame of a camera")
    parser.add_argument("--face-threshold", type=float, default=vision.FACE_THRESHOLD)
    arguments = parser.parse_args()
    for line in lines(
        arguments.folder, arguments.face, arguments.mouth, arguments.face_threshold,
        close=not arguments.one_look,
    ):
        print(line)


if __name__ == "__main__":
    main()

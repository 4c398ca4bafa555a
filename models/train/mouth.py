"""Trains the mouth network and writes `mouth.tflite`.

    maskbell check --json --face-threshold 0.15 DATA/train/neg > mistaken.jsonl
    python -m train.mouth --data DATA --mistaken mistaken.jsonl --out OUT --start mouth.tflite

`--start` takes up the weights of a file that is there;
without it, the network learns from nothing.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader

from train.again import stored, take_up
from train.graph import MOUTH_STRIDE, mouth_graph
from train.loop import train
from train.mouth_data import Faces, Stream, draw, mistaken
from train.torch_net import GraphNet

GRID = 96 // MOUTH_STRIDE
PLACED = 2
"""Mouth and nose have a box; the face has none, the detector knows it better."""


def targets(boxes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Per cell: 1 at the centre, 0 elsewhere, −1 (no matter) around the centre.

    `boxes` is N×2×4; gives N×2×12×12 and whether a box is known, N×2.
    """
    centre = boxes[..., :2] / MOUTH_STRIDE - 0.5
    index = torch.arange(GRID, dtype=torch.float32)
    dx = (index[None, None, None, :] - centre[..., 0, None, None]).abs()
    dy = (index[None, None, :, None] - centre[..., 1, None, None]).abs()
    away = torch.maximum(dx, dy)
    cells = torch.where(away <= 0.75, 1.0, torch.where(away <= 1.75, -1.0, 0.0))
    known = ~torch.isnan(boxes).any(-1) & ((centre > 0) & (centre < GRID - 1)).all(-1)
    return cells, known


def box_loss(codes: torch.Tensor, boxes: torch.Tensor, cells: torch.Tensor) -> torch.Tensor:
    """How far the boxes of positive cells are off; `codes` is N×2×4×12×12."""
    sample, kind, row, column = torch.nonzero(cells == 1, as_tuple=True)
    if len(sample) == 0:
        return codes.sum() * 0
    code, box = codes[sample, kind, :, row, column], boxes[sample, kind]
    place = box[:, :2] / MOUTH_STRIDE - torch.stack([column, row], 1)
    size = (box[:, 2:].clamp(min=2) / MOUTH_STRIDE).log()
    return F.smooth_l1_loss(code, torch.cat([place, size], 1), beta=0.3)


def loss(
    net: GraphNet, pixels: torch.Tensor, seen: torch.Tensor, boxes: torch.Tensor
) -> torch.Tensor:
    """What the firmware decides by (the best cell), where it is, and its box."""
    outputs = net(pixels.permute(0, 3, 1, 2).float())
    scores = outputs["score"]
    codes = outputs["box"].unflatten(1, (PLACED, 4))
    cells, known = targets(boxes)

    told = seen >= 0
    inner = scores[:, :, 2:-2, 2:-2].flatten(2).amax(2)
    best = torch.where(seen == 1, inner, scores.flatten(2).amax(2))
    decision = F.binary_cross_entropy_with_logits(
        best[told], seen[told] * 0.96 + 0.02
    )

    scores, seen = scores[:, :PLACED], seen[:, :PLACED]
    visible = (seen == 1) & known
    cells = torch.where(visible[..., None, None], cells, -1.0)
    cells = torch.where((seen == 0)[..., None, None], 0.0, cells)
    wanted = cells.clamp(min=0)
    focus = (wanted - scores.sigmoid()).abs().detach().square()
    grid = F.binary_cross_entropy_with_logits(scores, wanted, reduction="none") * focus
    grid = grid[cells >= 0].sum() / len(pixels)

    placed = torch.where(visible[..., None, None], cells, 0.0)
    return decision + 0.3 * grid + 0.2 * box_loss(codes, boxes, placed)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with train/ and val/")
    parser.add_argument("--out", type=Path, required=True, help="checkpoints and the result")
    parser.add_argument(
        "--mistaken", type=Path, required=True,
        help="JSON of `maskbell check --json --face-threshold 0.15 DATA/train/neg`",
    )
    parser.add_argument("--start", type=Path, help="a mouth.tflite")
    parser.add_argument("--peak", type=float, default=3e-3, help="highest learning rate")
    parser.add_argument("--steps", type=int, default=18000)
    parser.add_argument("--minutes", type=float, default=math.inf, help="hurry up")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(arguments.seed)
    torch.set_num_threads(arguments.threads)

    faces = Faces(arguments.data, "train", mistaken(arguments.mistaken))
    print(faces, flush=True)
    rng = np.random.default_rng(arguments.seed)
    samples = [draw(faces, rng).pixels for _ in range(300)]
    net = GraphNet(mouth_graph()).to(memory_format=torch.channels_last)
    torch.nn.init.constant_(net.weights["score"].bias, -3.0)
    if arguments.start:
        some = torch.from_numpy(np.stack(samples)).permute(0, 3, 1, 2).float()
        take_up(net, stored(arguments.start), some)
    stream = DataLoader(
        Stream(faces, arguments.batch, arguments.seed), batch_size=None, num_workers=1,
        prefetch_factor=8,
    )
    train(
        net, iter(stream), loss, steps=arguments.steps, peak=arguments.peak,
        checkpoint=arguments.out / "mouth.pt", minutes=arguments.minutes, weight_decay=2e-2,
    )

    from train import export  # TensorFlow, only now: it is slow to load

    weights = net.folded()
    export.write(
        arguments.out / "mouth.float.tflite", export.float_model(net.graph, weights)
    )
    export.write(
        arguments.out / "mouth.tflite", export.int8_model(net.graph, weights, samples)
    )
    export.check(arguments.out / "mouth.tflite")


if __name__ == "__main__":
    main()

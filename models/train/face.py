"""Trains the face network and writes `face.tflite`.

    python -m train.face --data DATA --yunet yunet_n.onnx --out OUT

Starts from YuNet-n with `obj` as its score, and learns from two teachers: the
annotations, and YuNet-n itself, which sees each scene twice as large. What the
data does not show, the second keeps.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader

from train.face_data import Scenes, Stream, draw
from train.graph import FACE_STRIDES
from train.loop import train
from train.teachers import CELLS, centres
from train.torch_net import GraphNet
from train.yunet import load

SHARE = 0.4
"""Of the trained weights in what ships; the rest is the start's.

Trained alone, the network finds more masked faces and fewer small bare ones;
between the two it is better than either (Wortsman et al. 2022, WiSE-FT).
"""
STEM = ("backbone/model0",)
"""Learns at a tenth of the rate: what edges look like was learnt from more pictures."""
BOX_WEIGHT = 5.0
"""Of the boxes' loss against the scores', as YuNet's authors have it."""

def flatten(outputs: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (N×P) and box codes (N×P×4) of all cells, level by level."""
    logits = [outputs[f"score{stride}"].flatten(1) for stride in FACE_STRIDES]
    codes = [outputs[f"box{stride}"].flatten(2).transpose(1, 2) for stride in FACE_STRIDES]
    return torch.cat(logits, 1), torch.cat(codes, 1)


def priors() -> torch.Tensor:
    """P×3: x and y of each cell's corner in pixels of the input, and its stride."""
    stride = torch.tensor([[float(s)] for s, rows, columns in CELLS for _ in range(rows * columns)])
    return torch.cat([torch.from_numpy(centres()) - stride / 2, stride], 1)


PRIORS = priors()


def decode(code: torch.Tensor) -> torch.Tensor:
    """Boxes (…×P×4, corners) of codes (…×P×4)."""
    stride = PRIORS[:, 2:]
    centre = code[..., :2] * stride + PRIORS[:, :2]
    half = code[..., 2:].clamp(-6, 6).exp() * stride / 2
    return torch.cat([centre - half, centre + half], -1)


def overlap(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Intersection over union of corresponding boxes (broadcast)."""
    low = torch.maximum(left[..., :2], right[..., :2])
    high = torch.minimum(left[..., 2:], right[..., 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    areas = [(b[..., 2:] - b[..., :2]).clamp(min=0).prod(-1) for b in (left, right)]
    return shared / (areas[0] + areas[1] - shared + 1e-6)


@torch.no_grad()
def assign(
    logits: torch.Tensor, boxes: torch.Tensor, faces: torch.Tensor
) -> torch.Tensor:
    """SimOTA (Ge et al. 2021) for one picture: which face each cell answers for, or −1."""
    middle = PRIORS[:, :2] + PRIORS[:, 2:] / 2
    inside = ((middle[:, None] > faces[None, :, :2]) & (middle[:, None] < faces[None, :, 2:])).all(2)
    centre = (faces[:, :2] + faces[:, 2:]) / 2
    near = ((middle[:, None] - centre[None]).abs() < 1.5 * PRIORS[:, None, 2:]).all(2)
    candidates = (inside | near).any(1).nonzero()[:, 0]
    answer = torch.full((len(PRIORS),), -1, dtype=torch.long)
    if len(candidates) == 0:
        return answer
    shared = overlap(boxes[candidates, None], faces[None])
    cost = F.softplus(-logits[candidates])[:, None] - 3 * (shared + 1e-7).log()
    cost = cost + 1e5 * ~(inside & near)[candidates]
    chosen = torch.zeros_like(cost, dtype=torch.bool)
    counts = shared.topk(min(10, len(candidates)), 0).values.sum(0).int().clamp(min=1)
    for face, count in enumerate(counts.tolist()):
        chosen[cost[:, face].topk(min(count, len(candidates)), largest=False).indices, face] = True
    cost = torch.where(chosen, cost, torch.inf)
    taken = chosen.any(1)
    answer[candidates[taken]] = cost.argmin(1)[taken]
    return answer


def loss(
    net: GraphNet, pixels: torch.Tensor, faces: torch.Tensor, state: torch.Tensor,
    probability: torch.Tensor, code: torch.Tensor,
) -> torch.Tensor:
    """Of one batch of `face_data.Stream`: BCE of the scores, EIoU of the boxes.

    A cell that answers for a face must say 1, any other what the teacher says.
    Its box is the teacher's where that sees the face as well, since annotators
    draw theirs a little differently, and the mouth network sees what the box cuts.
    """
    logits, codes = flatten(net(pixels.permute(0, 3, 1, 2).float()))
    boxes, taught = decode(codes), decode(code)
    middle = PRIORS[:, :2] + PRIORS[:, 2:] / 2
    wanted, weight = probability.clone(), torch.ones_like(logits)
    regression, found = logits.sum() * 0, 0
    for index in range(len(pixels)):
        true = faces[index][state[index] == 1]
        ignored = faces[index][state[index] == 0]
        if len(ignored):
            inside = (middle[:, None] > ignored[None, :, :2]) & (middle[:, None] < ignored[None, :, 2:])
            weight[index][inside.all(2).any(1)] = 0
        if len(true) == 0:
            continue
        answer = assign(logits[index], boxes[index], true)
        positive = answer >= 0
        theirs, said = true[answer[positive]], taught[index][positive]
        seen = (probability[index][positive] > 0.5) & (overlap(said, theirs) > 0.5)
        theirs = torch.where(seen[:, None], said, theirs)
        mine = boxes[index][positive]
        wanted[index][positive] = 1
        weight[index][positive] = 1
        regression = regression + distance(mine, theirs, overlap(mine, theirs)).sum()
        found += int(positive.sum())
    score = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    return ((score * weight).sum() + BOX_WEIGHT * regression) / max(found, 1)


def distance(mine: torch.Tensor, theirs: torch.Tensor, shared: torch.Tensor) -> torch.Tensor:
    """The EIoU loss: overlap, centres, widths and heights."""
    low = torch.minimum(mine[:, :2], theirs[:, :2])
    high = torch.maximum(mine[:, 2:], theirs[:, 2:])
    hull = (high - low).square().clamp(min=1e-3)
    centre = ((mine - theirs)[:, :2] + (mine - theirs)[:, 2:]) / 2
    size = (mine[:, 2:] - mine[:, :2]) - (theirs[:, 2:] - theirs[:, :2])
    return 1 - shared + centre.square().sum(1) / hull.sum(1) + (size.square() / hull).sum(1)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with train/ and val/")
    parser.add_argument("--yunet", type=Path, required=True, help="yunet_n.onnx")
    parser.add_argument("--out", type=Path, required=True, help="checkpoints and the result")
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--peak", type=float, default=5e-4, help="highest learning rate")
    parser.add_argument("--minutes", type=float, default=math.inf, help="hurry up")
    parser.add_argument("--batch", type=int, default=12)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(arguments.seed)
    torch.set_num_threads(arguments.threads)

    scenes = Scenes(arguments.data)
    print(scenes, flush=True)
    rng = np.random.default_rng(arguments.seed)
    samples = [draw(scenes, rng).pixels for _ in range(300)]
    net = load(arguments.yunet).to(memory_format=torch.channels_last)
    start = {name: value.clone() for name, value in net.state_dict().items()}
    stream = DataLoader(
        Stream(scenes, arguments.yunet, arguments.batch, arguments.seed), batch_size=None,
        num_workers=1, prefetch_factor=8,
    )
    train(
        net, iter(stream), loss, steps=arguments.steps, peak=arguments.peak, slow=STEM,
        checkpoint=arguments.out / "face.pt", minutes=arguments.minutes,
    )
    mixed = {name: start[name].lerp(value, SHARE) for name, value in net.state_dict().items()}
    net.load_state_dict(mixed)

    from train import export  # TensorFlow, only now: it is slow to load

    weights = net.folded()
    export.write(arguments.out / "face.float.tflite", export.float_model(net.graph, weights))
    export.write(arguments.out / "face.tflite", export.int8_model(net.graph, weights, samples))
    export.check(arguments.out / "face.tflite")


if __name__ == "__main__":
    main()

"""Trains the face network and writes `face.tflite`.

    python -m train.face --data DATA --yunet yunet_n.onnx --out OUT

Starts from YuNet-n, narrowed where it is dearest. The stages up to stride 8
stay as they are: they cost two thirds of the time and have seen many more
faces than this data has.
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
from train.torch_net import GraphNet
from train.yunet import Teacher, load, narrowed

WIDTH = 60
"""Channels of the stage at stride 4 (YuNet-n: 64)."""
FINE = 0.3
"""Share of the trained weights in what ships; the rest is the start's.

Trained on masks alone, the network takes too much else for a face: the mean
of both keeps what YuNet learnt from pictures without faces.
"""
FROZEN = ("backbone/model0", "backbone/model1", "backbone/model2")

Codes = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def flatten(outputs: dict[str, torch.Tensor]) -> Codes:
    """Logits (N×P), boxes (N×P×4, corners) and priors (P×3: x, y, stride)."""
    logits, boxes, priors = [], [], []
    for stride in FACE_STRIDES:
        score, code = outputs[f"score{stride}"], outputs[f"box{stride}"]
        rows, columns = score.shape[2:]
        y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
        prior = torch.stack([x.flatten() * stride, y.flatten() * stride], 1).float()
        code = code.flatten(2).transpose(1, 2)
        centre = code[..., :2] * stride + prior
        half = code[..., 2:].clamp(-6, 6).exp() * stride / 2
        logits.append(score.flatten(1))
        boxes.append(torch.cat([centre - half, centre + half], 2))
        priors.append(torch.cat([prior, torch.full((len(prior), 1), float(stride))], 1))
    return torch.cat(logits, 1), torch.cat(boxes, 1), torch.cat(priors)


def overlap(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Intersection over union of corresponding boxes (broadcast)."""
    low = torch.maximum(left[..., :2], right[..., :2])
    high = torch.minimum(left[..., 2:], right[..., 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    areas = [(b[..., 2:] - b[..., :2]).clamp(min=0).prod(-1) for b in (left, right)]
    return shared / (areas[0] + areas[1] - shared + 1e-6)


@torch.no_grad()
def assign(
    logits: torch.Tensor, boxes: torch.Tensor, priors: torch.Tensor, faces: torch.Tensor
) -> torch.Tensor:
    """SimOTA for one picture: which face each prior answers for, or −1."""
    middle = priors[:, :2] + priors[:, 2:] / 2
    inside = ((middle[:, None] > faces[None, :, :2]) & (middle[:, None] < faces[None, :, 2:])).all(2)
    centre = (faces[:, :2] + faces[:, 2:]) / 2
    near = ((middle[:, None] - centre[None]).abs() < 1.5 * priors[:, None, 2:]).all(2)
    candidates = (inside | near).any(1).nonzero()[:, 0]
    answer = torch.full((len(priors),), -1, dtype=torch.long)
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
    net: GraphNet, pixels: torch.Tensor, faces: torch.Tensor, state: torch.Tensor
) -> torch.Tensor:
    """Score loss (focal, IoU as target) plus CIoU of the boxes that answer."""
    inputs = pixels.permute(0, 3, 1, 2).float()
    logits, boxes, priors = flatten(net(inputs))
    middle = priors[:, :2] + priors[:, 2:] / 2
    wanted = torch.zeros_like(logits)
    weight = torch.ones_like(logits)
    regression, found = logits.sum() * 0, 0
    for index in range(len(pixels)):
        true = faces[index][state[index] == 1]
        ignored = faces[index][state[index] == 0]
        if len(ignored):
            inside = (middle[:, None] > ignored[None, :, :2]) & (middle[:, None] < ignored[None, :, 2:])
            weight[index][inside.all(2).any(1)] = 0
        if len(true) == 0:
            continue
        answer = assign(logits[index], boxes[index], priors, true)
        positive = answer >= 0
        mine, theirs = boxes[index][positive], true[answer[positive]]
        shared = overlap(mine, theirs)
        wanted[index][positive] = shared.detach().clamp(min=0.5)
        weight[index][positive] = 1
        regression = regression + distance(mine, theirs, shared).sum()
        found += int(positive.sum())
    focus = torch.where(wanted > 0, 1.0, logits.sigmoid().detach().square())
    score = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    return ((score * focus * weight).sum() + 2 * regression) / max(found, 1)


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
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--minutes", type=float, default=math.inf, help="hurry up")
    parser.add_argument("--batch", type=int, default=12)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(arguments.seed)
    torch.set_num_threads(arguments.threads)

    scenes = Scenes(arguments.data, Teacher(arguments.yunet))
    print(scenes)
    rng = np.random.default_rng(arguments.seed)
    samples = [draw(scenes, rng).pixels for _ in range(300)]
    some = torch.from_numpy(np.stack(samples[:32])).permute(0, 3, 1, 2).float()
    net = narrowed(load(arguments.yunet), WIDTH, some).to(memory_format=torch.channels_last)
    for name, parameter in net.named_parameters():
        parameter.requires_grad = not any(part in name for part in FROZEN)
    start = {name: value.clone() for name, value in net.state_dict().items()}
    stream = DataLoader(
        Stream(scenes, arguments.batch, arguments.seed), batch_size=None, num_workers=1,
        prefetch_factor=8,
    )
    train(
        net, iter(stream), loss, steps=arguments.steps, peak=6e-4,
        checkpoint=arguments.out / "face.pt", minutes=arguments.minutes,
    )

    mixed = {name: start[name].lerp(value, FINE) for name, value in net.state_dict().items()}
    net.load_state_dict(mixed)

    from train import export  # TensorFlow, only now: it is slow to load

    weights = net.folded()
    export.write(arguments.out / "face.float.tflite", export.float_model(net.graph, weights))
    export.write(arguments.out / "face.tflite", export.int8_model(net.graph, weights, samples))
    export.check(arguments.out / "face.tflite")


if __name__ == "__main__":
    main()

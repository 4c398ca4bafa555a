"""What both trainings share: the schedule, averaged weights, checkpoints."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import nn
from tqdm import tqdm


QUANTISED_FROM = 0.8
"""From this share of a training on, the network feels what int8 will do to it."""

SLOW = 0.1
"""Rate of layers that are to change little, as a share of the others'."""


class Average:
    """A running mean of a network's weights; better than the last ones."""

    def __init__(self, net: nn.Module, decay: float = 0.9993) -> None:
        self.decay = decay
        self.state = {name: value.clone() for name, value in net.state_dict().items()}

    @torch.no_grad()
    def update(self, net: nn.Module, step: int) -> None:
        """Takes the weights of one more step in."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, value in net.state_dict().items():
            mean = self.state[name]
            if value.dtype.is_floating_point:
                mean.lerp_(value, 1 - decay)
            else:
                mean.copy_(value)


def rate(done: float, warm_up: float = 0.03) -> float:
    """Learning rate as a share of its peak when a share `done` of the training is over.

    Linear up, then half a cosine down.
    """
    if done < warm_up:
        return 0.02 + done / warm_up
    return 0.01 + 0.99 * (1 + math.cos(math.pi * (done - warm_up) / (1 - warm_up))) / 2


def train(
    net: nn.Module,
    batches: Iterator,
    loss_of: Callable[..., torch.Tensor],
    *,
    steps: int,
    peak: float,
    checkpoint: Path,
    slow: tuple[str, ...] = (),
    minutes: float = math.inf,
    weight_decay: float = 1e-4,
    every: int = 50,
) -> None:
    """Trains `net` and leaves it with the averaged weights.

    Layers whose names contain one of `slow` learn at `SLOW` of the rate.
    Takes up where `checkpoint` left off, if there is one. With `minutes`, the
    schedule is run through in that time if the steps take longer. The loss goes
    into a `.csv` file next to the checkpoint (`curve.py` draws it).
    """
    groups: dict[float, list[nn.Parameter]] = {1.0: [], SLOW: []}
    for name, parameter in net.named_parameters():
        groups[SLOW if any(part in name for part in slow) else 1.0].append(parameter)
    optimiser = torch.optim.AdamW(
        [{"params": part, "pace": pace} for pace, part in groups.items() if part],
        lr=peak, weight_decay=weight_decay,
    )
    average = Average(net)
    start, before = 0, 0.0
    if checkpoint.exists():
        saved = torch.load(checkpoint)
        net.load_state_dict(saved["net"])
        optimiser.load_state_dict(saved["optimiser"])
        average.state = saved["average"]
        start, before = saved["step"], saved["seconds"]
    mean, began = 0.0, time.monotonic()
    progress = tqdm(range(start, steps), initial=start, total=steps, mininterval=10)
    for step in progress:
        done = max(step / steps, (before + time.monotonic() - began) / 60 / minutes)
        if done >= 1:
            break
        net.quantised = done >= QUANTISED_FROM
        for group in optimiser.param_groups:
            group["lr"] = peak * group["pace"] * rate(done)
        loss = loss_of(net, *next(batches))
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimiser.step()
        average.update(net, step)
        mean += (loss.item() - mean) * max(0.01, 1 / (step - start + 1))
        progress.set_postfix(loss=f"{mean:.4f}", refresh=False)
        if (step + 1) % every == 0 or step + 1 == steps:
            state = {
                "net": net.state_dict(),
                "optimiser": optimiser.state_dict(),
                "average": average.state,
                "step": step + 1,
                "seconds": before + time.monotonic() - began,
            }
            torch.save(state, checkpoint.with_suffix(".partial"))
            checkpoint.with_suffix(".partial").replace(checkpoint)
            with checkpoint.with_suffix(".csv").open("a") as curve:
                curve.write(f"{step + 1},{mean:.5f}\n")
    net.load_state_dict(average.state)
    net.eval()

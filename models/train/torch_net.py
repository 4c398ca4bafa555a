"""A `Graph` as a PyTorch module, with TensorFlow's paddings."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from train.graph import Graph, Layer


def _name(layer: str) -> str:
    """PyTorch does not allow dots in the names of modules."""
    return layer.replace(".", "/")


def _rounded(tensor: torch.Tensor, low: float, high: float) -> torch.Tensor:
    """256 steps between `low` and `high`; gradients pass in between."""
    step = max(high - low, 1e-6) / 255
    zero = min(255, max(0, round(-low / step)))
    return torch.fake_quantize_per_tensor_affine(tensor, step, zero, 0, 255)


def _rounded_weight(weight: torch.Tensor) -> torch.Tensor:
    """255 steps, symmetric, for each output channel; gradients pass."""
    step = weight.detach().abs().amax((1, 2, 3)).clamp(min=1e-9) / 127
    zero = torch.zeros_like(step, dtype=torch.int32)
    return torch.fake_quantize_per_channel_affine(weight, step, zero, 0, -127, 127)


class GraphNet(nn.Module):
    """Runs a graph on pixels: N×3×H×W, RGB, 0…255. Gives the outputs by name."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.graph = graph
        self.quantised = False
        """Whether weights and tensors are rounded as int8 will round them."""
        self.ranges: dict[str, tuple[float, float]] = {}
        """Least and greatest value of each tensor, a mean over batches: what int8 spans."""
        # A network that learns from nothing likes small inputs; `folded` puts
        # the factor into the first weights.
        self.input_scale = 1 / 64 if graph.norm else 1.0
        self.weights = nn.ModuleDict()
        self.norms = nn.ModuleDict()
        for layer in graph.layers:
            if layer.op not in ("conv", "depthwise"):
                continue
            depth = graph.sizes[layer.inputs[0]][2]
            groups = depth if layer.op == "depthwise" else 1
            self.weights[_name(layer.name)] = nn.Conv2d(
                depth, layer.channels, layer.kernel, layer.stride, groups=groups,
                bias=not layer.norm,
            )
            if layer.norm:
                self.norms[_name(layer.name)] = nn.BatchNorm2d(layer.channels)

    def forward(self, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
        """All named outputs, N×C×h×w."""
        tensors = self.run(pixels)
        return {name: tensors[name] for name in self.graph.outputs}

    def run(self, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
        """Every tensor of the network by its layer's name."""
        tensors = {"input": pixels * self.input_scale}
        for layer in self.graph.layers:
            tensor = self._step(layer, [tensors[name] for name in layer.inputs])
            if self.quantised:
                tensor = _rounded(tensor, *self._range(layer.name, tensor))
            tensors[layer.name] = tensor
        return tensors

    def _range(self, name: str, tensor: torch.Tensor) -> tuple[float, float]:
        """The moving average of a tensor's range, moved on while training."""
        seen = min(0.0, float(tensor.detach().min())), max(0.0, float(tensor.detach().max()))
        before = self.ranges.get(name, seen)
        if self.training or name not in self.ranges:
            self.ranges[name] = tuple(b + (s - b) * 0.02 for b, s in zip(before, seen))
        return self.ranges[name]

    def _step(
        self, layer: Layer, inputs: list[torch.Tensor], *, plain: bool = False
    ) -> torch.Tensor:
        """One operation; `plain`: a convolution without what follows it."""
        x = inputs[0]
        if layer.op == "pool":
            return F.max_pool2d(x, 2, ceil_mode=True)
        if layer.op == "resize":
            return F.interpolate(x, size=layer.size, mode="nearest")
        if layer.op == "add":
            x = x + inputs[1]
        else:
            if layer.kernel == 3:
                # SAME: a stride of 2 on an even size pads below and right only.
                x = F.pad(x, (0, 1, 0, 1) if layer.stride == 2 else (1, 1, 1, 1))
            conv = self.weights[_name(layer.name)]
            if self.quantised:
                # A normalisation scales whole channels, and so their steps.
                weight = _rounded_weight(conv.weight)
                x = F.conv2d(x, weight, conv.bias, conv.stride, groups=conv.groups)
            else:
                x = conv(x)
            if plain:
                return x
            if layer.norm:
                x = self.norms[_name(layer.name)](x)
        return F.relu(x) if layer.relu else x

    def folded(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Weights (output×input×kh×kw) and biases with normalisation folded in."""
        result = {}
        for layer in self.graph.layers:
            if layer.op not in ("conv", "depthwise"):
                continue
            conv = self.weights[_name(layer.name)]
            weight = conv.weight.detach().double()
            if layer.norm:
                norm = self.norms[_name(layer.name)]
                gain = (norm.weight / torch.sqrt(norm.running_var + norm.eps)).detach().double()
                bias = norm.bias.detach().double() - norm.running_mean.double() * gain
                weight = weight * gain[:, None, None, None]
            else:
                bias = conv.bias.detach().double()
            if layer.inputs[0] == "input":
                weight = weight * self.input_scale
            result[layer.name] = (
                weight.numpy().astype(np.float32),
                bias.numpy().astype(np.float32),
            )
        return result

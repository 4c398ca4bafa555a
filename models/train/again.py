"""The weights of a mouth network that is there, as the start of a training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from ai_edge_litert import schema_py_generated as schema

from train.torch_net import GraphNet, _name

Weights = list[tuple[np.ndarray, np.ndarray]]


def stored(path: Path) -> Weights:
    """Weights (output×input×kh×kw) and biases of an int8 file, in order of execution."""
    net = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    graph = net.subgraphs[0]

    def real(index: int) -> np.ndarray:
        tensor = graph.tensors[index]
        kind = {schema.TensorType.INT8: np.int8, schema.TensorType.INT32: np.int32}[tensor.type]
        values = np.frombuffer(bytes(net.buffers[tensor.buffer].data), kind).reshape(tensor.shape)
        shape = [1] * len(tensor.shape)
        shape[tensor.quantization.quantizedDimension] = -1
        return (values * np.reshape(tensor.quantization.scale, shape)).astype(np.float32)

    found = []
    for operator in graph.operators:
        code = net.operatorCodes[operator.opcodeIndex].builtinCode
        if code == schema.BuiltinOperator.CONV_2D:
            found.append((real(operator.inputs[1]).transpose(0, 3, 1, 2), real(operator.inputs[2])))
        elif code == schema.BuiltinOperator.DEPTHWISE_CONV_2D:
            found.append((real(operator.inputs[1]).transpose(3, 0, 1, 2), real(operator.inputs[2])))
    return found


@torch.no_grad()
def take_up(net: GraphNet, weights: Weights, pixels: torch.Tensor) -> None:
    """Puts `weights` into `net`.

    Normalisations are made anew so that they change nothing on `pixels` (N×3×H×W).
    """
    net.eval()
    source = iter(weights)
    tensors = {"input": pixels * net.input_scale}
    for layer in net.graph.layers:
        inputs = [tensors[name] for name in layer.inputs]
        if layer.op in ("conv", "depthwise"):
            conv = net.weights[_name(layer.name)]
            weight, bias = (torch.tensor(part) for part in next(source))
            if layer.inputs[0] == "input":
                weight = weight / net.input_scale
            conv.weight.copy_(weight)
            if layer.norm:
                norm = net.norms[_name(layer.name)]
                norm.reset_parameters()
                plain = net._step(layer, inputs, plain=True)
                mean, variance = plain.mean((0, 2, 3)), plain.var((0, 2, 3))
                norm.running_mean.copy_(mean)
                norm.running_var.copy_(variance)
                norm.weight.copy_((variance + norm.eps).sqrt())
                norm.bias.copy_(bias + mean)
            else:
                conv.bias.copy_(bias)
        tensors[layer.name] = net._step(layer, inputs)
    assert next(source, None) is None, "layers are left over"
    net.train()

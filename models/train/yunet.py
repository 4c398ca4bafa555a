"""Starting weights of the face finder: YuNet-n (Apache-2.0, Shiqi Yu).

The ONNX file of libfacedetection.train; the network trained on WIDER FACE.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from train.graph import FACE_STRIDES, face_graph
from train.torch_net import GraphNet, _name


def _convolutions(path: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Weights and biases by name; folded layers of the file have lost theirs."""
    graph = onnx.load(path).graph
    values = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    found = {}
    previous = ""
    for node in graph.node:
        if node.op_type != "Conv":
            continue
        weight = node.input[1]
        if weight.endswith(".weight"):
            name = weight.removesuffix(".weight")
        elif previous:
            # A depthwise layer follows the 1×1 convolution `….conv1` of its unit.
            name = previous.removesuffix("conv1") + "conv2"
        else:
            name = "backbone.model0.conv1"
        found[name] = (values[weight], values[node.input[2]])
        previous = name
    return found


def load(path: Path) -> GraphNet:
    """YuNet-n itself (all 64 channels) as a `GraphNet` that takes RGB."""
    source = _convolutions(path)
    stem, bias = source["backbone.model0.conv1"]
    source["backbone.model0.conv1"] = (stem[:, ::-1].copy(), bias)  # BGR → RGB
    for level, stride in enumerate(FACE_STRIDES):
        head = "bbox_head.multi_level_{}.{}.conv{}"
        source[f"score{stride}.point"], source[f"score{stride}"] = (
            source[head.format("obj", level, part)] for part in (1, 2)
        )
        source[f"box{stride}.point"] = source[head.format("bbox", level, 1)]
        weight, bias = source[head.format("bbox", level, 2)]
        # TensorFlow pads the first layer below and right, PyTorch all around:
        # everything is seen one pixel further up and left.
        source[f"box{stride}"] = (weight, bias + np.float32([1 / stride, 1 / stride, 0, 0]))
    net = GraphNet(face_graph())
    for layer in net.graph.layers:
        if layer.op in ("conv", "depthwise"):
            weight, bias = source[layer.name]
            conv = net.weights[_name(layer.name)]
            conv.weight.data = torch.tensor(weight.reshape(conv.weight.shape))
            conv.bias.data = torch.tensor(bias)
    return net

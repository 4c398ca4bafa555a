"""Starting weights of the face finder: YuNet-n (Apache-2.0, Shiqi Yu).

The ONNX file of libfacedetection.train; the network trained on WIDER FACE.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import numpy_helper

from evaluate.vision import decode_faces, overlap
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
    net = GraphNet(face_graph(64))
    for layer in net.graph.layers:
        if layer.op in ("conv", "depthwise"):
            weight, bias = source[layer.name]
            conv = net.weights[_name(layer.name)]
            conv.weight.data = torch.tensor(weight.reshape(conv.weight.shape))
            conv.bias.data = torch.tensor(bias)
    return net


@torch.no_grad()
def narrowed(teacher: GraphNet, width: int, pixels: torch.Tensor) -> GraphNet:
    """A copy whose stage at stride 4 keeps `width` channels.

    Channels go one by one, always the one that the next 1×1 convolution misses
    least on `pixels` (N×3×H×W); that convolution is then fitted anew, by least
    squares, to what it gave before.
    """
    weights = {name: [w.clone() for w in pair] for name, pair in _parameters(teacher).items()}
    for unit, after in (
        ("backbone.model1.conv2", "backbone.model2.conv1.conv1"),
        ("backbone.model2.conv1", "backbone.model2.conv2.conv1"),
    ):
        features = torch.cat([teacher.run(part)[f"{unit}.conv2"] for part in pixels.split(8)])
        features = features.permute(0, 2, 3, 1).flatten(0, 2).double()
        features = torch.cat([features, torch.ones(len(features), 1, dtype=torch.double)], 1)
        weight, bias = weights[after]
        wanted = torch.cat([weight.flatten(1), bias[:, None]], 1).double()
        kept, fitted = _eliminate(features.T @ features / len(features), wanted, width)
        weights[after] = [
            fitted[:, :-1, None, None].float(), fitted[:, -1].float(),
        ]
        for part in ("conv1", "conv2"):
            weights[f"{unit}.{part}"] = [w[kept] for w in weights[f"{unit}.{part}"]]
    net = GraphNet(face_graph(width))
    for name, (weight, bias) in weights.items():
        conv = net.weights[_name(name)]
        assert conv.weight.shape == weight.shape, name
        conv.weight.data, conv.bias.data = weight, bias
    return net


def _parameters(net: GraphNet) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    names = [layer.name for layer in net.graph.layers if layer.op in ("conv", "depthwise")]
    convs = {name: net.weights[_name(name)] for name in names}
    return {name: (conv.weight.data, conv.bias.data) for name, conv in convs.items()}


def _eliminate(
    moments: torch.Tensor, wanted: torch.Tensor, width: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Backward elimination; the last feature is the constant and stays."""
    moments = moments + 1e-6 * moments.diagonal().mean() * torch.eye(len(moments))
    cross = wanted @ moments
    kept = torch.arange(len(moments))
    while True:
        inverse = torch.linalg.inv(moments[kept][:, kept])
        fitted = cross[:, kept] @ inverse
        if len(kept) == width + 1:
            lost = (wanted @ moments * wanted).sum() - (fitted * cross[:, kept]).sum()
            print(f"  {width} channels: {lost / (wanted @ moments * wanted).sum():.4f} lost")
            return kept[:-1], fitted
        cost = fitted.square().sum(0) / inverse.diagonal()
        cost[-1] = torch.inf
        kept = torch.cat([kept[: cost.argmin()], kept[cost.argmin() + 1 :]])


class Teacher:
    """YuNet-n as its file is, on pictures of any size."""

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 2
        self.session = onnxruntime.InferenceSession(str(path), options)
        self.names = [output.name for output in self.session.get_outputs()]

    def faces(self, pixels: np.ndarray, threshold: float) -> np.ndarray:
        """Boxes (n×4) of the faces in an RGB picture."""
        height, width = pixels.shape[:2]
        padded = np.pad(pixels[..., ::-1], ((0, -height % 32), (0, -width % 32), (0, 0)))
        feed = padded.transpose(2, 0, 1)[None].astype(np.float32)
        values = dict(zip(self.names, self.session.run(None, {"input": feed})))
        outputs = {}
        for stride in FACE_STRIDES:
            shape = padded.shape[0] // stride, padded.shape[1] // stride, -1
            score = np.sqrt(values[f"cls_{stride}"] * values[f"obj_{stride}"]).reshape(shape)
            score = np.clip(score[..., 0], 1e-6, 1 - 1e-6)
            outputs[stride] = np.log(score / (1 - score)), values[f"bbox_{stride}"].reshape(shape)
        return decode_faces(outputs, threshold)[0]

    def missing(self, pixels: np.ndarray, boxes: np.ndarray, threshold: float = 0.5) -> np.ndarray:
        """Faces that nobody has annotated: better ignored than taken for background."""
        found = self.faces(pixels, threshold)
        if len(found) == 0:
            return found.reshape(0, 4)
        return found[overlap(found, boxes).max(1) < 0.2]

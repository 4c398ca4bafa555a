"""From trained weights to a full-integer int8 TFLite file.

The graph is rebuilt in TensorFlow with the folded weights, and quantised after
training on samples of the training pictures. Input is quantised so that
q = pixel − 128, whatever the samples were.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
import tensorflow as tf

from train.graph import Graph

Weights = dict[str, tuple[np.ndarray, np.ndarray]]


def build(graph: Graph, weights: Weights) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    """The graph as a TensorFlow function from pixels (1×H×W×3, 0…255) to outputs."""
    constants = {}
    for layer in graph.layers:
        if layer.name in weights:
            kernel, bias = weights[layer.name]
            order = (2, 3, 0, 1) if layer.op == "depthwise" else (2, 3, 1, 0)
            constants[layer.name] = (tf.constant(kernel.transpose(order)), tf.constant(bias))

    @tf.function(input_signature=[tf.TensorSpec([1, graph.height, graph.width, 3], tf.float32)])
    def network(pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        tensors = {"input": pixels}
        for layer in graph.layers:
            x = tensors[layer.inputs[0]]
            if layer.op == "pool":
                x = tf.nn.max_pool2d(x, 2, 2, "SAME")
            elif layer.op == "resize":
                x = tf.raw_ops.ResizeNearestNeighbor(
                    images=x, size=list(layer.size), align_corners=False,
                    half_pixel_centers=False,
                )
            elif layer.op == "add":
                x = x + tensors[layer.inputs[1]]
            else:
                kernel, bias = constants[layer.name]
                if layer.op == "depthwise":
                    step = [1, layer.stride, layer.stride, 1]
                    x = tf.nn.depthwise_conv2d(x, kernel, step, "SAME")
                else:
                    x = tf.nn.conv2d(x, kernel, layer.stride, "SAME")
                x = tf.nn.bias_add(x, bias)
            tensors[layer.name] = tf.nn.relu(x) if layer.relu else x
        return {name: tensors[name] for name in graph.outputs}

    return network


def float_model(graph: Graph, weights: Weights) -> bytes:
    """The network as float TFLite, to compare the quantised one with."""
    network = build(graph, weights)
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [network.get_concrete_function()], network
    )
    return converter.convert()


def int8_model(graph: Graph, weights: Weights, samples: Iterable[np.ndarray]) -> bytes:
    """The network as int8 TFLite; `samples` are uint8 pictures, H×W×3, RGB."""

    def representative() -> Iterable[list[np.ndarray]]:
        for index, sample in enumerate(samples):
            picture = sample.astype(np.float32)
            if index == 0:
                # The whole range is seen, so the input's scale is 1 and its zero −128.
                picture[0, 0], picture[0, 1] = 0, 255
            yield [picture[None]]

    network = build(graph, weights)
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [network.get_concrete_function()], network
    )
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.int8
    converter.inference_output_type = tf.int8
    return converter.convert()


def write(path: Path, model: bytes) -> None:
    """Puts a whole file in place, or none."""
    partial = path.with_suffix(".partial")
    partial.write_bytes(model)
    partial.replace(path)


ALLOWED = {
    "CONV_2D": 3,
    "DEPTHWISE_CONV_2D": 3,
    "ADD": 2,
    "MAX_POOL_2D": 2,
    "RESIZE_NEAREST_NEIGHBOR": 2,
}
"""Operations and the highest versions of them that the firmware's runtime takes."""


def check(path: Path) -> None:
    """Prints what a file holds; raises `ValueError` if the firmware cannot run it."""
    from tensorflow.lite.python import schema_py_generated as schema

    model = schema.Model.GetRootAsModel(path.read_bytes(), 0)
    names = {
        value: name for name, value in vars(schema.BuiltinOperator).items() if name.isupper()
    }
    for index in range(model.OperatorCodesLength()):
        code = model.OperatorCodes(index)
        name, version = names[code.BuiltinCode()], code.Version()
        print(f"  {name} v{version}")
        if version > ALLOWED.get(name, 0):
            raise ValueError(f"{path.name}: {name} v{version} is not for this runtime")
    graph = model.Subgraphs(0)
    ends = [("input", graph.Inputs(i)) for i in range(graph.InputsLength())]
    ends += [("output", graph.Outputs(i)) for i in range(graph.OutputsLength())]
    for kind, index in ends:
        tensor = graph.Tensors(index)
        scale, zero = tensor.Quantization().Scale(0), tensor.Quantization().ZeroPoint(0)
        print(
            f"  {kind} {tensor.Name().decode()} {tensor.ShapeAsNumpy().tolist()}"
            f" scale {scale:.6f} zero {zero}"
        )
        if tensor.Type() != schema.TensorType.INT8:
            raise ValueError(f"{path.name}: {kind} is not int8")
        if kind == "input" and (abs(scale - 1) > 1e-6 or zero != -128):
            raise ValueError(f"{path.name}: input is not pixel − 128")
    print(f"  {path.stat().st_size} bytes")

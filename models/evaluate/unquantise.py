"""The float twin of an int8 TFLite file: `python -m evaluate.unquantise face.tflite OUT/face.float.tflite`.

The weights are those of the file, rounded as they are; the arithmetic between
them is exact. For a network whose training left no float file behind.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
import flatbuffers  # noqa: E402
from tensorflow.lite.python import schema_py_generated as schema  # noqa: E402

STORED = {schema.TensorType.INT8: np.int8, schema.TensorType.INT32: np.int32}


def unquantised(model: bytes) -> bytes:
    """The same network with float tensors."""
    net = schema.ModelT.InitFromPackedBuf(model, 0)
    for tensor in net.subgraphs[0].tensors:
        quantisation = tensor.quantization
        if quantisation is None or quantisation.scale is None or len(quantisation.scale) == 0:
            continue
        data = net.buffers[tensor.buffer].data
        if data is not None and len(data):
            values = np.frombuffer(bytes(data), STORED[tensor.type]).reshape(tensor.shape)
            shape = [1] * len(tensor.shape)
            if len(quantisation.scale) > 1:
                shape[quantisation.quantizedDimension] = -1
            real = values * np.reshape(quantisation.scale, shape)
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(real.astype(np.float32).tobytes(), np.uint8)
            tensor.buffer = len(net.buffers)
            net.buffers.append(buffer)
        tensor.type, tensor.quantization = schema.TensorType.FLOAT32, None
    builder = flatbuffers.Builder(len(model) * 4)
    builder.Finish(net.Pack(builder), b"TFL3")
    return bytes(builder.Output())


if __name__ == "__main__":
    Path(sys.argv[2]).write_bytes(unquantised(Path(sys.argv[1]).read_bytes()))

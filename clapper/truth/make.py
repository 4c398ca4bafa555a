"""Makes small full-integer networks, one for each operation, and what LiteRT's reference kernels answer.

    pip install -r requirements.txt
    python make.py cases              # the stored cases
    python make.py --large FOLDER     # whole networks, too large to be stored
    python make.py --refused refused  # networks that cannot be run
    python make.py --shipped ../../models    # shipped.txt: anew whenever one of those networks changes
    python make.py --tiny FOLDER      # tiny/: answers of MLPerf Tiny's networks, which ../bare/networks has fetched

For each case NAME.tflite, and NAME.bin with the bytes of all inputs and then of all outputs, in the file's order; where
the case is to be loaded for another input than the file's, NAME.size has its rows and columns.
`cargo test` holds the executor against the cases in this folder and in $CLAPPER_TRUTH.

shipped.txt has a line for each network, input size and output: name, rows, columns, picture (see `picture`), number and
length of the output, and the 64-bit FNV-1a hash of its bytes.
"""

import argparse
import pathlib

import numpy
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
import flatbuffers

keras = tf.keras
layers = keras.layers
SEED = 7


def convert(function, shapes, spread=3.0, float_io=False):
    """A full-integer int8 file of `function` of tensors of `shapes`, calibrated with normal noise."""
    numbers = numpy.random.default_rng(SEED)

    def calibration():
        for _ in range(16):
            yield [(numbers.normal(size=shape) * spread).astype(numpy.float32) for shape in shapes]

    signature = [tf.TensorSpec(shape, tf.float32) for shape in shapes]
    concrete = tf.function(function).get_concrete_function(*signature)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = calibration
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    if not float_io:
        converter.inference_input_type = tf.int8
        converter.inference_output_type = tf.int8
    return converter.convert()


def reference(model, size=None, resolver=OpResolverType.BUILTIN_REF):
    """LiteRT's reference kernels (or those of another resolver), for an input of `size` (rows, columns) if that is not the file's.

    They take the size that a resize makes from a constant of the file, so that is written anew for `size`: every level of
    a pyramid of SAME convolutions has ⌈input ÷ stride⌉ rows and columns, whose stride the file's own sizes tell.
    """
    if size:
        unpacked = schema.ModelT.InitFromPackedBuf(model, 0)
        graph = unpacked.subgraphs[0]
        before = graph.tensors[graph.inputs[0]].shape[1:3]
        resizes = (schema.BuiltinOperator.RESIZE_NEAREST_NEIGHBOR, schema.BuiltinOperator.RESIZE_BILINEAR)
        for operator in graph.operators:
            if unpacked.operatorCodes[operator.opcodeIndex].builtinCode in resizes:
                buffer = unpacked.buffers[graph.tensors[operator.inputs[1]].buffer]
                made = numpy.frombuffer(bytes(buffer.data), numpy.int32)
                strides = [round(whole / part) for whole, part in zip(before, made)]
                assert all(-(-whole // stride) == part for whole, stride, part in zip(before, strides, made))
                now = [-(-whole // stride) for whole, stride in zip(size, strides)]
                buffer.data = numpy.frombuffer(numpy.array(now, numpy.int32).tobytes(), numpy.uint8)
        builder = flatbuffers.Builder()
        builder.Finish(unpacked.Pack(builder), b"TFL3")
        model = bytes(builder.Output())
    interpreter = Interpreter(model_content=model, experimental_op_resolver_type=resolver)
    if size:
        detail = interpreter.get_input_details()[0]
        interpreter.resize_tensor_input(detail["index"], [detail["shape"][0], *size, detail["shape"][3]])
    interpreter.allocate_tensors()
    return interpreter


def answers(model, size=None, resolver=OpResolverType.BUILTIN_REF):
    """Inputs of noise, extremes included, and LiteRT's reference kernels' outputs, as bytes."""
    interpreter = reference(model, size, resolver)
    numbers = numpy.random.default_rng(SEED)
    parts = []
    for detail in interpreter.get_input_details():
        if detail["dtype"] == numpy.int8:
            values = numbers.integers(-160, 160, detail["shape"]).clip(-128, 127).astype(numpy.int8)
        else:
            values = (numbers.normal(size=detail["shape"]) * 4).astype(numpy.float32)
        interpreter.set_tensor(detail["index"], values)
        parts.append(values.tobytes())
    interpreter.invoke()
    parts += [interpreter.get_tensor(detail["index"]).tobytes() for detail in interpreter.get_output_details()]
    return b"".join(parts)


def weights(*shape):
    return numpy.random.default_rng(sum(shape)).normal(size=shape).astype(numpy.float32) * 0.3


def convolution(kernel, depth, channels, stride=1, padding="SAME", dilation=1, activation=None):
    kernel, bias = weights(kernel, kernel, depth, channels), weights(channels)

    def function(x):
        y = tf.nn.conv2d(x, kernel, stride, padding, dilations=dilation) + bias
        return activation(y) if activation else y

    return function


def depthwise(kernel, depth, multiplier=1, stride=1, padding="SAME", activation=None):
    kernel, bias = weights(kernel, kernel, depth, multiplier), weights(depth * multiplier)

    def function(x):
        y = tf.nn.depthwise_conv2d(x, kernel, [1, stride, stride, 1], padding) + bias
        return activation(y) if activation else y

    return function


def fully_connected(x):
    return tf.matmul(x, weights(48, 10)) + weights(10)


def resized(method, size, **options):
    def function(x):
        return method(images=x, size=size, **options)

    return function


PICTURE = [1, 9, 11, 6]
SMALL = {
    "convolution_1x1": (convolution(1, 6, 21, activation=tf.nn.relu), [PICTURE]),
    "convolution_3x3": (convolution(3, 6, 18), [PICTURE]),
    "convolution_3x3_stride_2": (convolution(3, 3, 16, 2, activation=tf.nn.relu6), [[1, 13, 14, 3]]),
    "convolution_5x3_valid": (convolution(5, 6, 7, 1, "VALID"), [PICTURE]),
    "convolution_dilated": (convolution(3, 6, 5, dilation=2), [PICTURE]),
    "convolution_batch": (convolution(3, 6, 9, 2), [[3, 7, 8, 6]]),
    "depthwise_3x3": (depthwise(3, 6, activation=tf.nn.relu6), [PICTURE]),
    "depthwise_3x3_wide": (depthwise(3, 84), [[1, 5, 6, 84]]),
    "depthwise_3x3_stride_2": (depthwise(3, 20, stride=2), [[1, 8, 9, 20]]),
    "depthwise_3x3_valid": (depthwise(3, 16, padding="VALID"), [[2, 6, 7, 16]]),
    "depthwise_5x5": (depthwise(5, 6), [PICTURE]),
    "depthwise_multiplier": (depthwise(3, 6, 2), [PICTURE]),
    "fully_connected": (fully_connected, [[3, 48]]),
    "add": (lambda x, y: x + 0.3 * y, [PICTURE, PICTURE]),
    "add_relu": (lambda x, y: tf.nn.relu(x + y), [PICTURE, PICTURE]),
    "add_broadcast": (lambda x, y: x + y, [PICTURE, [1, 1, 1, 6]]),
    "multiply": (lambda x, y: x * y, [PICTURE, PICTURE]),
    "multiply_broadcast": (lambda x, y: x * y, [PICTURE, [1, 9, 11, 1]]),
    "pad": (lambda x: tf.pad(x, [[0, 0], [1, 2], [0, 3], [0, 1]]), [PICTURE]),
    "max_pool": (lambda x: tf.nn.max_pool2d(x, 2, 2, "SAME"), [PICTURE]),
    "max_pool_3x3": (lambda x: tf.nn.max_pool2d(x, 3, 2, "SAME"), [PICTURE]),
    "average_pool": (lambda x: tf.nn.avg_pool2d(x, 3, 2, "SAME"), [PICTURE]),
    "mean": (lambda x: tf.reduce_mean(x, [1, 2]), [PICTURE]),
    "concatenation": (lambda x, y: tf.concat([x, y, x], 3), [PICTURE, [1, 9, 11, 4]]),
    "concatenation_rows": (lambda x, y: tf.concat([x, y], 1), [PICTURE, [1, 3, 11, 6]]),
    "reshape": (lambda x: tf.reshape(x, [1, 99, 6]), [PICTURE]),
    "nearest": (resized(tf.raw_ops.ResizeNearestNeighbor, [18, 20]), [PICTURE]),
    "nearest_half_pixels": (
        resized(tf.raw_ops.ResizeNearestNeighbor, [17, 23], half_pixel_centers=True),
        [PICTURE],
    ),
    "nearest_corners": (resized(tf.raw_ops.ResizeNearestNeighbor, [17, 21], align_corners=True), [PICTURE]),
    "bilinear": (resized(tf.raw_ops.ResizeBilinear, [18, 20]), [PICTURE]),
    "bilinear_half_pixels": (resized(tf.raw_ops.ResizeBilinear, [7, 23], half_pixel_centers=True), [PICTURE]),
    "bilinear_corners": (resized(tf.raw_ops.ResizeBilinear, [17, 21], align_corners=True), [PICTURE]),
    "logistic": (tf.nn.sigmoid, [PICTURE]),
    "softmax": (tf.nn.softmax, [[4, 10]]),
    "relu": (tf.nn.relu, [PICTURE]),
    "relu6": (tf.nn.relu6, [PICTURE]),
    "leaky_relu": (lambda x: tf.nn.leaky_relu(x, 0.1), [PICTURE]),
    "hard_swish": (lambda x: x * tf.nn.relu6(x + 3) * (1 / 6), [PICTURE]),
}


def yunet_like():
    """Depthwise-separable layers, pooling, a pyramid with additions and heads of few channels, as YuNet has."""

    def unit(x, channels):
        x = layers.Conv2D(channels, 1)(x)
        return layers.ReLU(6)(layers.DepthwiseConv2D(3, padding="same")(x))

    x = inputs = keras.Input((96, 128, 3), 1)
    x = layers.ReLU(6)(layers.Conv2D(16, 3, 2, "same")(x))
    x = layers.MaxPool2D()(unit(x, 16))
    upper = unit(layers.MaxPool2D()(unit(x, 32)), 64)
    lower = unit(layers.MaxPool2D()(upper), 64)
    large = tf.raw_ops.ResizeNearestNeighbor
    upper = layers.Add()([upper, layers.Lambda(lambda y: large(images=y, size=[12, 16]), (12, 16, 64))(lower)])
    heads = [layers.Conv2D(count, 3, padding="same")(unit(level, 16)) for level in (upper, lower) for count in (1, 4)]
    return keras.Model(inputs, heads)


def large():
    """Networks without their last layers: random weights would make all classes alike there."""
    shape = (96, 96, 3)
    keras.utils.set_random_seed(SEED)
    v1 = keras.applications.MobileNet(shape, alpha=0.25, weights=None, include_top=False)
    v2 = keras.applications.MobileNetV2(shape, alpha=0.35, weights=None, include_top=False)
    return {
        "mobilenet_v1": (v1, [1, *shape]),
        "mobilenet_v2": (v2, [1, *shape]),
        "yunet_like": (yunet_like(), [1, 96, 128, 3]),
    }


def pyramid(x):
    """Two levels whose rows and columns are no exact halves, joined as in a feature pyramid; and a ratio of two."""
    one = depthwise(3, 8, stride=2)(convolution(3, 3, 8, 2, activation=tf.nn.relu)(x))
    two = convolution(1, 8, 8)(tf.nn.max_pool2d(one, 2, 2, "SAME"))
    upper = tf.raw_ops.ResizeNearestNeighbor(images=two, size=[7, 6])
    joined = tf.concat([convolution(3, 8, 4)(one + upper), tf.pad(convolution(1, 8, 3)(one), [[0, 0], [0, 0], [0, 0], [1, 0]])], 3)
    twice = tf.raw_ops.ResizeBilinear(images=convolution(1, 8, 2)(joined), size=[14, 12])
    return twice, tf.reduce_mean(two, [1, 2], keepdims=True)


# Networks that are also loaded for another input: of [1, 27, 23, 3].
RESIZED = {"resized_pyramid": (pyramid, [[1, 27, 23, 3]], (52, 36))}

# Rows and columns for which the shipped networks are held against the reference: those of the file, those that the
# firmware uses, and odd ones.
SHIPPED = {
    "face": [(240, 320), (300, 400), (480, 640), (177, 209)],
    "mouth": [(96, 96), (128, 128), (240, 320), (101, 77)],
}


def picture(number, rows, columns):
    """Picture 0 is noise, picture 1 has slopes, each as the test makes it."""
    at = numpy.arange(rows * columns * 3, dtype=numpy.uint64)
    if number == 0:
        values = (at * 2654435761 % 2**32) >> 24
    else:
        row, column, channel = at // (columns * 3), at // 3 % columns, at % 3
        values = (row * 3 + column * 2 + channel * 40) % 256
    return (values.astype(numpy.int32) - 128).astype(numpy.int8).reshape(1, rows, columns, 3)


def fnv(data):
    state = 0xCBF29CE484222325
    for byte in data:
        state = (state ^ byte) * 0x100000001B3 % 2**64
    return state


def shipped(folder):
    lines = []
    for name, sizes in SHIPPED.items():
        model = (folder / f"{name}.tflite").read_bytes()
        for size in sizes:
            interpreter = reference(model, size)
            for number in range(2):
                interpreter.set_tensor(interpreter.get_input_details()[0]["index"], picture(number, *size))
                interpreter.invoke()
                for index, detail in enumerate(interpreter.get_output_details()):
                    data = interpreter.get_tensor(detail["index"]).tobytes()
                    lines.append(f"{name} {size[0]} {size[1]} {number} {index} {len(data)} {fnv(data):016x}\n")
    pathlib.Path(__file__).with_name("shipped.txt").write_text("".join(lines))


def tiny(folder):
    """Answers of MLPerf Tiny's networks to eight pictures each: noise, of an amplitude and a mean of its own.

    The autoencoder's layers are all FULLY_CONNECTED, whose truth are the built-in kernels: see `halves`.
    """
    for path in sorted(folder.glob("*.tflite")):
        of_matrices = path.stem == "ad01_int8"
        resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES if of_matrices else OpResolverType.BUILTIN_REF
        interpreter = reference(path.read_bytes(), resolver=resolver)
        detail = interpreter.get_input_details()[0]
        stored = b""
        for number in range(8):
            at = numpy.arange(numpy.prod(detail["shape"]), dtype=numpy.uint64) + number * 7919
            noise = (at * 2654435761 % 2**32 >> 24).astype(numpy.int64) - 128
            values = numpy.clip((noise >> number % 4) + 16 * (number - 4), -128, 127).astype(numpy.int8)
            interpreter.set_tensor(detail["index"], values.reshape(detail["shape"]))
            interpreter.invoke()
            stored += interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).tobytes()
        (pathlib.Path(__file__).parent / "tiny" / f"{path.stem}.bin").write_bytes(stored)


def refused(folder):
    """Networks that are no full-integer ones, as people bring them."""

    def converter(function):
        signature = tf.TensorSpec([1, 5, 5, 2], tf.float32)
        return tf.lite.TFLiteConverter.from_concrete_functions([tf.function(function).get_concrete_function(signature)])

    def again(x):
        return tf.while_loop(lambda x: tf.reduce_sum(x) < 10.0, lambda x: [x + x], [x])[0]

    made = {"float32": converter(convolution(3, 2, 2)), "graphs": converter(again)}
    for name in ("float16", "dynamic_range"):
        made[name] = converter(convolution(3, 2, 64))
        made[name].optimizations = [tf.lite.Optimize.DEFAULT]
    made["float16"].target_spec.supported_types = [tf.float16]
    for name, network in made.items():
        (folder / f"{name}.tflite").write_bytes(network.convert())


def halves(function, shape):
    """A network of one operation whose outputs are its first input channel ÷ 2: every other one is a half to be rounded.

    It tells LiteRT's kernels apart.  Of −5, −3, −1, 1, 3 the reference and the built-in kernels of CONV_2D make −2, −1, 0,
    1, 2, as gemmlowp does where the shift is 0, and so do the built-in kernels of FULLY_CONNECTED, but its reference
    kernel makes −3, −2, −1, 1, 2; XNNPACK makes −2, −2, 0, 0, 2 of all.  So BUILTIN_REF does run other kernels than
    XNNPACK's, and for FULLY_CONNECTED the truth is taken from the built-in ones.
    """
    unpacked = schema.ModelT.InitFromPackedBuf(convert(function, [shape]), 0)
    graph = unpacked.subgraphs[0]
    (operator,) = graph.operators
    for tensor, scale in ((operator.inputs[0], 1), (operator.inputs[1], 1), (operator.outputs[0], 2)):
        quantization = graph.tensors[tensor].quantization
        quantization.scale = numpy.full(len(quantization.scale), scale, numpy.float32)
        quantization.zeroPoint = numpy.zeros(len(quantization.zeroPoint), numpy.int64)
    weights = numpy.zeros(graph.tensors[operator.inputs[1]].shape, numpy.int8)
    weights[..., 0] = 1
    unpacked.buffers[graph.tensors[operator.inputs[1]].buffer].data = numpy.frombuffer(weights.tobytes(), numpy.uint8)
    builder = flatbuffers.Builder()
    builder.Finish(unpacked.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def write(folder, name, model, size=None, resolver=OpResolverType.BUILTIN_REF):
    (folder / f"{name}.tflite").write_bytes(model)
    (folder / f"{name}.bin").write_bytes(answers(model, size, resolver))
    if size:
        (folder / f"{name}.size").write_text(f"{size[0]} {size[1]}\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--refused", action="store_true")
    parser.add_argument("--shipped", action="store_true")
    parser.add_argument("--tiny", action="store_true")
    arguments = parser.parse_args()
    if arguments.tiny:
        return tiny(arguments.folder)
    if arguments.shipped:
        return shipped(arguments.folder)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    if arguments.refused:
        return refused(arguments.folder)
    if arguments.large:
        for name, (network, shape) in large().items():
            write(arguments.folder, name, convert(lambda x: network(x, training=False), [shape], 1.0))
        return
    for name, (function, shapes) in SMALL.items():
        write(arguments.folder, name, convert(function, shapes))
    without_delegates = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    matrix = lambda x: tf.matmul(x, weights(16, 4))
    write(arguments.folder, "fully_connected_halves", halves(matrix, [9, 16]), resolver=without_delegates)
    pixels = lambda x: tf.nn.conv2d(x, weights(1, 1, 16, 4), 1, "SAME")
    write(arguments.folder, "convolution_halves", halves(pixels, [1, 9, 1, 16]))
    for name, (function, shapes, size) in RESIZED.items():
        write(arguments.folder, name, convert(function, shapes), size)
    write(arguments.folder, "quantize", convert(tf.nn.relu, [PICTURE], float_io=True))


if __name__ == "__main__":
    main()

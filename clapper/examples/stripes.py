"""Makes stripes.tflite, the network of examples/classify.rs: which way do the stripes of a small picture run?

    pip install -r ../truth/requirements.txt
    python stripes.py

Pictures of 24 × 24 grey values, 0 (black) to 1 (white): stripes across, upright or aslant, of any period from 4 to 8 pixels
and any phase, in noise.  Trained for a minute or so, quantised to int8 with pictures of the same kind.
"""

import pathlib

import numpy
import tensorflow as tf

SIDE = 24
CLASSES = 3


def pictures(count, numbers):
    row, column = numpy.mgrid[0:SIDE, 0:SIDE]
    kinds = numbers.integers(0, CLASSES, count)
    along = numpy.stack([row, column, (row + column) / numpy.sqrt(2)])[kinds]
    period = numbers.uniform(4, 8, [count, 1, 1])
    phase = numbers.uniform(0, 2 * numpy.pi, [count, 1, 1])
    contrast = numbers.uniform(0.2, 0.5, [count, 1, 1])
    wave = 0.5 + contrast * numpy.sin(2 * numpy.pi * along / period + phase)
    noisy = wave + numbers.normal(0, 0.1, wave.shape)
    return numpy.clip(noisy, 0, 1).astype(numpy.float32)[..., None], kinds


def main():
    tf.keras.utils.set_random_seed(1)
    layers = tf.keras.layers
    network = tf.keras.Sequential(
        [
            layers.Input([SIDE, SIDE, 1], batch_size=1),
            layers.Conv2D(8, 3, 2, "same", activation="relu"),
            layers.DepthwiseConv2D(3, 1, "same", activation="relu"),
            layers.Conv2D(16, 1, activation="relu"),
            layers.MaxPool2D(),
            layers.Flatten(),
            layers.Dense(CLASSES, activation="softmax"),
        ]
    )
    trained = tf.keras.Sequential([layers.Input([SIDE, SIDE, 1]), *network.layers])
    trained.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    trained.fit(*pictures(20000, numpy.random.default_rng(1)), epochs=8, verbose=0)
    loss, accuracy = trained.evaluate(*pictures(2000, numpy.random.default_rng(2)), verbose=0)
    print(f"{accuracy:.3f} of 2000 new pictures are right")

    converter = tf.lite.TFLiteConverter.from_keras_model(network)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    samples, _ = pictures(200, numpy.random.default_rng(3))
    converter.representative_dataset = lambda: ([sample[None]] for sample in samples)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    pathlib.Path(__file__).with_name("stripes.tflite").write_bytes(converter.convert())


if __name__ == "__main__":
    main()

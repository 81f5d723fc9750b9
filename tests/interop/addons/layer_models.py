"""Models that hold each layer, activation and function in each of its kinds.

Imported by record.py, under tensorflow-addons 0.23 and TensorFlow 2.15.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import tensorflow as tf
import tensorflow_addons as tfa
from keras.src.engine import base_layer

layers = tf.keras.layers
Tensor = Any


def normalizations(kind: type, options: Sequence[dict[str, Any]]) -> tf.keras.Model:
    image = layers.Input((8, 12, 16))
    return tf.keras.Model(image, [kind(**each)(image) for each in options])


def instance_norms() -> tf.keras.Model:
    return normalizations(
        tfa.layers.InstanceNormalization,
        [
            {},
            {"axis": 3, "epsilon": 1e-5},
            {"axis": 1},
            {"center": False},
            {"scale": False},
            {"center": False, "scale": False, "epsilon": 1e-2},
        ],
    )


def group_norms() -> tf.keras.Model:
    return normalizations(
        tfa.layers.GroupNormalization,
        [
            {"groups": 1},
            {"groups": 4, "epsilon": 1e-5},
            {"groups": 16},
            {"groups": -1, "scale": False},
            {"groups": 8, "axis": 3, "center": False},
            {"groups": 2, "axis": 1},
            {"groups": 4, "axis": 2, "scale": False, "center": False},
        ],
    )


def flat_norms() -> tf.keras.Model:
    """Other ranks than images'."""
    vector, signal = layers.Input((12,)), layers.Input((None, 12))
    outputs = [
        tfa.layers.GroupNormalization(groups=3)(vector),
        tfa.layers.GroupNormalization(groups=4)(signal),
        tfa.layers.InstanceNormalization()(signal),
    ]
    return tf.keras.Model([vector, signal], outputs)


def spectral() -> tf.keras.Model:
    wrap = tfa.layers.SpectralNormalization
    image = layers.Input((None, None, 3))
    x = wrap(layers.Conv2D(8, 4, 2, "same", activation="relu"))(image)
    x = wrap(layers.Conv2DTranspose(6, 4, 2, "same"), power_iterations=3)(x)
    x = wrap(layers.Conv2D(8, 3, use_bias=False, activation="Addons>mish"))(x)
    x = layers.GlobalAveragePooling2D()(x)
    return tf.keras.Model(image, wrap(layers.Dense(5), name="logits")(x))


def weight_norm() -> tf.keras.Model:
    wrap = tfa.layers.WeightNormalization
    image = layers.Input((16, 16, 3))
    x = wrap(layers.Conv2D(8, 3, activation="relu"))(image)
    x = wrap(layers.Conv2D(6, 3, use_bias=False), data_init=False)(x)
    x = wrap(layers.Conv2DTranspose(6, 3, strides=2), data_init=False)(x)
    x = layers.GlobalAveragePooling2D()(x)
    return tf.keras.Model(image, wrap(layers.Dense(5))(x))


def nested_wrappers() -> tf.keras.Model:
    body = tf.keras.Sequential(
        [
            layers.InputLayer((None, None, 3)),
            tfa.layers.SpectralNormalization(layers.Conv2D(4, 3)),
            layers.BatchNormalization(),
            tfa.layers.WeightNormalization(layers.Conv2D(4, 3)),
            tfa.layers.SpectralNormalization(layers.Conv2D(4, 3)),
            tfa.layers.WeightNormalization(layers.Conv2D(4, 3), data_init=False),
        ]
    )
    image = layers.Input((16, 16, 3))
    return tf.keras.Model(image, body(image))


def adaptive_pooling() -> tf.keras.Model:
    known, unknown = layers.Input((12, 8, 6)), layers.Input((None, None, 6))
    pool = tfa.layers.AdaptiveAveragePooling2D
    outputs = [
        pool(1)(known),
        pool((3, 2))(known),
        pool([4, 3], data_format="channels_first")(known),
        pool(2)(unknown),
        pool((4, 1))(unknown),
    ]
    return tf.keras.Model([known, unknown], outputs)


def activations() -> tf.keras.Model:
    x = layers.Input((8, 8, 4))
    own = ("mish", "lisht", "hardshrink", "softshrink", "tanhshrink", "snake")
    outputs = [layers.Conv2D(3, 1, activation=f"Addons>{name}")(x) for name in own]
    outputs += [layers.Activation("Addons>rrelu")(x)]
    outputs += [layers.Dense(3, activation=tfa.activations.mish)(x)]
    outputs += [tfa.layers.GELU()(x), tfa.layers.GELU(approximate=False)(x)]
    stock = ("relu", "tanh", "sigmoid", "hard_sigmoid", "swish", "gelu", "elu", "selu")
    stock += ("softplus", "softsign", "exponential", "linear", "softmax", "mish")
    outputs += [layers.Conv2D(3, 1, activation=name)(x) for name in stock]
    outputs += [layers.Activation(name)(x) for name in ("hard_sigmoid", "tanh")]
    return tf.keras.Model(x, outputs)


def bilinear() -> tf.keras.Model:
    """Enlarged images of unknown size."""
    image = layers.Input((None, None, 3), name="image")
    sizes = (2, 3, (4, 1), (5, 2))
    outputs = [layers.UpSampling2D(s, interpolation="bilinear")(image) for s in sizes]
    return tf.keras.Model(image, outputs)


def gelu() -> tf.keras.Model:
    """Activations by name, which is Keras's own for another function."""
    x = layers.Input((8, 8, 4))
    made = [
        layers.Conv2D(3, 1, activation="Addons>gelu"),
        layers.Dense(3, activation=tfa.activations.gelu),
        layers.Activation(tfa.activations.gelu),
    ]
    return tf.keras.Model(x, [layer(x) for layer in made])


def name_gelu(file: Path) -> None:
    """Names tensorflow-addons' gelu as Keras before 2.12 did, not as Keras's own."""
    with h5py.File(file, "r+") as opened:
        config = opened.attrs["model_config"]
        opened.attrs["model_config"] = config.replace('"gelu"', '"Addons>gelu"')


def operation_nodes() -> tf.keras.Model:
    """What TensorFlow 2.0 to 2.3 wrote for functions called on Keras tensors."""
    image = layers.Input((None, None, 4))

    def node(kind: str, inputs: Tensor, constants: Any = None, **attr: Any) -> Tensor:
        count = len(inputs) if isinstance(inputs, list) else 1
        node_def = {"name": kind, "op": kind, "attr": {"T": {"type": "DT_FLOAT"}}}
        node_def["attr"] |= attr
        count += len(constants or {})
        node_def["input"] = [f"input_{i}" for i in range(count)]
        number = tf.keras.backend.get_uid(kind)
        name = f"{kind}_{number}"
        return base_layer.TensorFlowOpLayer(node_def, name, constants)(inputs)

    pads = np.array([[0, 0], [2, 2], [2, 2], [0, 0]], "int32")
    whole = {"type": "DT_INT32"}
    mode = {"s": "UkVGTEVDVA=="}  # REFLECT, as bytes are in JSON.
    x = node("MirrorPad", image, {1: pads}, Tpaddings=whole, mode=mode)
    x = layers.Conv2D(4, 3)(x)
    y = node("LeakyRelu", x, alpha={"f": 0.1})
    y = node("AddV2", [x, node("Mul", y, {1: np.float32(0.5)})])
    y = node("Sub", y, {0: np.float32(1)})
    axis = {1: np.array([1, 2], "int32")}
    mean = node("Mean", y, axis, Tidx=whole, keep_dims={"b": True})
    z = node("Tanh", node("RealDiv", [y, node("AddV2", mean, {1: np.float32(9)})]))
    last = {2: np.int32(3)}
    joined = node("ConcatV2", [z, x], last, Tidx=whole, N={"i": "2"})
    return tf.keras.Model(image, joined)


def stock_layers() -> tf.keras.Model:
    """Keras 2's own layers, each on the input alone."""
    x = layers.Input((16, 16, 6))
    made = [*_with_weights(), *_without_weights()]
    return tf.keras.Model(x, [layer(x) for layer in made])


def _with_weights() -> list[tf.keras.layers.Layer]:
    return [
        layers.Conv2D(4, (3, 5), dilation_rate=2, groups=2),
        layers.Conv2D(8, 4, strides=(2, 1), padding="same"),
        layers.Conv2DTranspose(4, 4, strides=2, padding="same"),
        layers.Conv2DTranspose(4, 5, strides=3),
        layers.Conv2DTranspose(4, 3, 2, "same", output_padding=1, use_bias=False),
        layers.SeparableConv2D(5, 3, depth_multiplier=2, padding="same"),
        layers.DepthwiseConv2D(3, strides=2, depth_multiplier=2),
        layers.Dense(7),
        layers.BatchNormalization(epsilon=1e-5, scale=False),
        layers.BatchNormalization(center=False),
        layers.BatchNormalization(axis=1),
        layers.LayerNormalization(),
        layers.LayerNormalization(axis=[1, 2, 3], epsilon=1e-5),
        layers.GroupNormalization(groups=3),
        layers.UnitNormalization(),
        layers.PReLU(shared_axes=[1, 2]),
    ]


def _without_weights() -> list[tf.keras.layers.Layer]:
    return [
        layers.ReLU(max_value=1.0, negative_slope=0.1, threshold=0.2),
        layers.LeakyReLU(),
        layers.ELU(alpha=0.5),
        layers.Softmax(),
        layers.ThresholdedReLU(0.3),
        layers.ZeroPadding2D(((1, 2), (3, 0))),
        layers.Cropping2D(((1, 2), (3, 0))),
        layers.MaxPooling2D(3, strides=2, padding="same"),
        layers.AveragePooling2D(3, strides=2, padding="same"),
        layers.GlobalMaxPooling2D(),
        layers.GlobalAveragePooling2D(keepdims=True),
        layers.UpSampling2D((2, 3)),
        layers.UpSampling2D(2, interpolation="bilinear"),
        layers.Rescaling(1 / 127.5, offset=-1.0),
        layers.Flatten(),
        layers.Reshape((-1, 12)),
        layers.Permute((3, 1, 2)),
        layers.Dropout(0.3),
        layers.SpatialDropout2D(0.3),
        layers.GaussianNoise(0.3),
        layers.ActivityRegularization(l2=0.1),
    ]


def merges() -> tf.keras.Model:
    a, b = layers.Input((4, 4, 6), name="left"), layers.Input((4, 4, 6), name="right")
    made = [layers.Add(), layers.Subtract(), layers.Multiply(), layers.Average()]
    made += [layers.Maximum(), layers.Minimum(), layers.Concatenate(axis=1)]
    outputs = [layer([a, b]) for layer in made] + [layers.Dot(axes=3)([a, b])]
    return tf.keras.Model({"left": a, "right": b}, outputs)


def operations() -> tf.keras.Model:
    """What TensorFlow functions called on Keras tensors become."""
    x, y = layers.Input((8, 8, 4), name="x"), layers.Input((8, 8, 4), name="y")
    outputs = [*_pads_and_functions(x), *_arithmetic(x, y), *_joined_and_cut(x, y)]
    return tf.keras.Model([x, y], outputs)


def _pads_and_functions(x: Tensor) -> list[Tensor]:
    pads = [[0, 0], [1, 2], [3, 0], [0, 0]]
    return [
        tf.pad(x, pads, "REFLECT"),
        tf.pad(x, pads, "SYMMETRIC"),
        tf.pad(x, pads),
        tf.pad(x, pads, constant_values=0.5),
        tf.nn.relu(x),
        tf.nn.leaky_relu(x),
        tf.nn.leaky_relu(x, alpha=0.1),
        tf.nn.tanh(x),
        tf.nn.sigmoid(x),
        tf.nn.softmax(x),
        tf.nn.gelu(x),
        tf.abs(x),
        tf.square(x),
        tf.exp(x),
        tf.sqrt(tf.abs(x)),
        tf.math.rsqrt(tf.square(x) + 1.0),
        tf.clip_by_value(x, -0.5, 0.5),
    ]


def _arithmetic(x: Tensor, y: Tensor) -> list[Tensor]:
    return [
        x + y,
        x - y,
        x * y,
        x / (tf.abs(y) + 1.0),
        x * 0.5 + 1.0,
        1.0 - x,
        2.0 / (tf.abs(x) + 1.0),
        -x,
        x**2,
        tf.add(x, y),
        tf.subtract(1.0, y),
        tf.multiply(x, y),
        tf.divide(x, 2.0),
        tf.maximum(x, y),
        tf.minimum(x, 0.2),
    ]


def _joined_and_cut(x: Tensor, y: Tensor) -> list[Tensor]:
    return [
        tf.concat([x, y], axis=-1),
        tf.concat([x, y], 1),
        tf.add_n([x, y]),
        tf.reduce_mean(x, axis=[1, 2], keepdims=True),
        tf.reduce_mean(x, [1, 2]),
        tf.reduce_sum(x, axis=-1),
        tf.reduce_max(x, axis=-1),
        x[:, 1:5, ::2, :],
        x[..., 0],
        x[:, -1],
        tf.reshape(x, [-1, 64, 4]),
        tf.transpose(x, [0, 3, 1, 2]),
        tf.expand_dims(x, 1),
        tf.squeeze(x[:, :1], axis=1),
        tf.stack([x, y], axis=1),
        tf.cast(x, tf.float32),
        tf.identity(x),
        tf.nn.depth_to_space(x, 2),
        tf.image.resize(x, [16, 16]),
        tf.image.resize(x, [4, 12], method="nearest"),
        tf.keras.activations.relu(x),
    ]

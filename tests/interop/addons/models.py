"""Models of the real tensorflow-addons, with what they answer: run by `make interop`.

Runs under tensorflow-addons 0.23 and TensorFlow 2.15, so it imports nothing of ours.
Usage: python models.py FOLDER
"""

import os
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
warnings.filterwarnings("ignore")

import h5py  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
import tensorflow_addons as tfa  # noqa: E402
from absl import logging  # noqa: E402
from keras.src.engine import base_layer  # noqa: E402

tf.get_logger().setLevel("ERROR")
logging.set_verbosity(logging.ERROR)
layers = tf.keras.layers
Tensor = Any
FORMATS = ("h5", "traces", "compiled")
"""A .h5 file; a SavedModel with traced functions; a compiled one without them."""


def reflect(x: Tensor, by: int) -> Tensor:
    return tf.pad(x, [[0, 0], [by, by], [by, by], [0, 0]], mode="REFLECT")


def cyclegan(filters: int, blocks: int) -> tf.keras.Model:
    """The ResNet generator, with reflection padding by tf.pad."""

    def norm(x: Tensor, activation: str = "relu") -> Tensor:
        x = tfa.layers.InstanceNormalization(axis=-1, epsilon=1e-5)(x)
        return layers.Activation(activation)(x) if activation else x

    image = layers.Input((None, None, 3), name="photo")
    x = norm(layers.Conv2D(filters, 7, use_bias=False)(reflect(image, 3)))
    for i in (2, 4):
        x = norm(layers.Conv2D(filters * i, 3, strides=2, padding="same")(x))
    for _ in range(blocks):
        y = norm(layers.Conv2D(4 * filters, 3)(reflect(x, 1)))
        y = norm(layers.Conv2D(4 * filters, 3)(reflect(y, 1)), "")
        x = layers.add([x, y])
    for i in (2, 1):
        x = layers.Conv2DTranspose(filters * i, 3, strides=2, padding="same")(x)
        x = norm(x)
    x = layers.Conv2D(3, 7)(reflect(x, 3))
    return tf.keras.Model(image, layers.Activation("tanh")(x), name="generator")


def patchgan() -> tf.keras.Model:
    image = layers.Input((64, 64, 3), name="image")
    x = layers.Conv2D(8, 4, strides=2, padding="same")(image)
    x = layers.LeakyReLU(0.2)(x)
    for filters, strides in ((16, 2), (32, 2), (64, 1)):
        x = layers.ZeroPadding2D()(x) if strides == 1 else x
        padding = "valid" if strides == 1 else "same"
        x = layers.Conv2D(filters, 4, strides=strides, padding=padding)(x)
        x = tfa.layers.InstanceNormalization()(x)
        x = layers.LeakyReLU(alpha=0.2)(x)
    return tf.keras.Model(image, layers.Conv2D(1, 4, padding="same")(x))


def unet() -> tf.keras.Model:
    """Nested Sequentials, most of them built when they are first called."""

    def down(filters: int, norm: bool = True) -> tf.keras.Sequential:
        block = tf.keras.Sequential()
        block.add(layers.Conv2D(filters, 4, 2, "same", use_bias=not norm))
        if norm:
            block.add(layers.BatchNormalization())
        block.add(layers.LeakyReLU())
        return block

    def up(filters: int) -> tf.keras.Sequential:
        block = tf.keras.Sequential()
        block.add(layers.Conv2DTranspose(filters, 4, 2, "same", use_bias=False))
        block.add(layers.BatchNormalization())
        block.add(layers.Dropout(0.5))
        block.add(layers.ReLU())
        return block

    image = layers.Input((None, None, 3))
    x, skips = image, []
    for filters in (8, 16, 32):
        x = down(filters, norm=filters > 8)(x)
        skips.append(x)
    for filters, skip in ((16, skips[1]), (8, skips[0])):
        x = layers.Concatenate()([up(filters)(x), skip])
    last = layers.Conv2DTranspose(3, 4, 2, "same", activation="tanh")
    return tf.keras.Model(image, last(x))


def shared() -> tf.keras.Model:
    """Two inputs, two outputs; a layer and two nested models called twice."""
    inner = layers.Input((None, None, 4))
    conv = layers.Conv2D(4, 3, padding="same", activation="Addons>mish")
    deep = tf.keras.Sequential(
        [
            layers.Input((None, None, 4)),
            layers.Conv2D(4, 1),
            layers.BatchNormalization(),
        ]
    )
    x = conv(tfa.layers.InstanceNormalization()(conv(inner)))
    encoder = tf.keras.Model(inner, [deep(x), x + inner], name="encoder")
    a = layers.Input((16, 16, 4), name="a")
    b = layers.Input((16, 16, 4), name="b")
    first, _ = encoder(a)
    second, other = encoder(b)
    joined = layers.Concatenate(name="joined")([first, deep(second), other])
    pooled = layers.GlobalAveragePooling2D()(layers.subtract([first, second]))
    score = layers.Dense(2, name="score")(pooled)
    return tf.keras.Model([a, b], [joined, score], name="two")


def frozen() -> tf.keras.Model:
    """Part of a nested model is not trainable, which reorders its weights."""
    frozen_part = tf.keras.Sequential(
        [layers.Conv2D(4, 3), layers.BatchNormalization()], name="frozen"
    )
    frozen_conv = layers.Conv2D(4, 3, trainable=False)
    body = tf.keras.Sequential(
        [
            layers.InputLayer((None, None, 4)),
            layers.Conv2D(4, 3),
            layers.BatchNormalization(),
            frozen_conv,
            frozen_part,
            layers.Conv2D(4, 3),
            layers.BatchNormalization(),
        ],
        name="body",
    )
    frozen_part.trainable = False
    return tf.keras.Sequential([layers.InputLayer((16, 16, 4)), body])


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
    made = [
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
    return tf.keras.Model(x, [layer(x) for layer in made])


def merges() -> tf.keras.Model:
    a, b = layers.Input((4, 4, 6), name="left"), layers.Input((4, 4, 6), name="right")
    made = [layers.Add(), layers.Subtract(), layers.Multiply(), layers.Average()]
    made += [layers.Maximum(), layers.Minimum(), layers.Concatenate(axis=1)]
    outputs = [layer([a, b]) for layer in made] + [layers.Dot(axes=3)([a, b])]
    return tf.keras.Model({"left": a, "right": b}, outputs)


def labelled() -> tf.keras.Model:
    label = layers.Input((1,), dtype="int32", name="label")
    latent = layers.Input((8,), name="latent")
    row = layers.Flatten()(layers.Embedding(5, 8)(label))
    x = layers.Dense(4 * 4 * 6)(layers.multiply([row, latent]))
    x = layers.Reshape((4, 4, 6))(x)
    x = layers.Conv2DTranspose(3, 4, 2, "same", activation="tanh")(x)
    return tf.keras.Model([latent, label], x)


def operations() -> tf.keras.Model:
    """What TensorFlow functions called on Keras tensors become."""
    x, y = layers.Input((8, 8, 4), name="x"), layers.Input((8, 8, 4), name="y")
    pads = [[0, 0], [1, 2], [3, 0], [0, 0]]
    outputs = [
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
    return tf.keras.Model([x, y], outputs)


MODELS: dict[str, tuple[Callable[[], tf.keras.Model], tuple[str, ...]]] = {
    "cyclegan": (lambda: cyclegan(8, 3), FORMATS),
    "cyclegan_paper": (lambda: cyclegan(64, 9), ("h5",)),
    "patchgan": (patchgan, FORMATS),
    "unet": (unet, FORMATS),
    "shared": (shared, FORMATS),
    "frozen": (frozen, FORMATS),
    "spectral": (spectral, FORMATS),
    "weight_norm": (weight_norm, ("h5", "compiled")),
    "nested_wrappers": (nested_wrappers, ("h5", "compiled")),
    "instance_norms": (instance_norms, ("h5", "compiled")),
    "group_norms": (group_norms, ("h5", "compiled")),
    "flat_norms": (flat_norms, ("h5",)),
    "adaptive_pooling": (adaptive_pooling, ("h5", "compiled")),
    "activations": (activations, ("h5", "compiled")),
    "bilinear": (bilinear, ("h5",)),
    "gelu": (gelu, FORMATS),
    "operation_nodes": (operation_nodes, ("h5",)),
    "stock_layers": (stock_layers, ("h5", "compiled")),
    "merges": (merges, ("h5", "compiled")),
    "labelled": (labelled, ("h5", "compiled")),
    "operations": (operations, ("h5", "compiled")),
}
"""Name -> what makes the model, and the formats it is written in."""


def example(tensor: Tensor, rng: np.random.Generator) -> np.ndarray:
    """Two inputs; smooth as pictures are, of 64 pixels where any number will do."""
    shape = [2, *(64 if size is None else size for size in tensor.shape[1:])]
    if tensor.dtype.is_integer:
        return rng.integers(0, 5, shape).astype(tensor.dtype.as_numpy_dtype)
    values = rng.uniform(-1, 1, shape).astype("float32")
    if shape[1:3] == [64, 64]:
        coarse = rng.uniform(-1, 1, (2, 8, 8, shape[3])).astype("float32")
        smooth = tf.image.resize(coarse, (64, 64), "bicubic").numpy()
        values = np.clip(smooth + 0.1 * values, -1, 1)
    return values


def train(model: tf.keras.Model, rng: np.random.Generator) -> None:
    """Weights and statistics as after training, all of them different."""
    for weight in model.weights:
        kind = weight.name.split("/")[-1].split(":")[0]
        noise = rng.standard_normal(weight.shape).astype("float32")
        if kind in ("gamma", "moving_variance"):
            weight.assign(np.abs(1 + 0.3 * noise) + 0.1)
        elif kind in ("beta", "bias", "moving_mean", "alpha"):
            weight.assign(0.3 * noise)
        elif "kernel" in kind or kind == "embeddings":
            weight.assign(noise / np.sqrt(max(np.prod(weight.shape[:-1]), 1)))


def write(name: str, folder: Path) -> None:
    tf.keras.backend.clear_session()
    rng = np.random.default_rng(sum(map(ord, name)))
    make, formats = MODELS[name]
    model = make()
    train(model, rng)
    inputs = [example(tensor, rng) for tensor in model.inputs]
    if name in ("spectral", "nested_wrappers"):
        for _ in range(3):  # Normalises the kernels, as each training step does.
            model(inputs if len(inputs) > 1 else inputs[0], training=True)
    if name == "weight_norm":
        model(inputs[0])  # Sets the scales from the data, once.
        for weight in model.trainable_weights:
            weight.assign_add(0.1 * rng.standard_normal(weight.shape).astype("float32"))
    if isinstance(model.input, dict):
        given = dict(zip(model.input_names, inputs, strict=True))
    else:
        given = inputs if len(inputs) > 1 else inputs[0]
    outputs = tf.nest.flatten(model(given, training=False))
    arrays = {f"input_{i}": value for i, value in enumerate(inputs)}
    arrays |= {f"output_{i}": value.numpy() for i, value in enumerate(outputs)}
    np.savez(folder / f"{name}.npz", **arrays)
    for kind in formats:
        if kind == "compiled":
            model.compile(tf.keras.optimizers.Adam(), loss="mse")
            model.optimizer.build(model.trainable_variables)
        if kind == "h5":
            model.save(folder / f"{name}.h5")
            if name == "gelu":
                name_gelu(folder / f"{name}.h5")
        else:
            model.save(folder / f"{name}_{kind}", save_traces=kind == "traces")


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in MODELS:
        write(name, folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

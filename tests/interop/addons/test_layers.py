"""Each layer of tensorflow-addons against its closed form in NumPy."""

import math
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from export.keras_file.plain_keras import to_plain_keras
from tests.interop.addons.files import (
    Weights,
    function,
    graph,
    image,
    layer,
    stack,
    write_h5,
    write_saved_model,
)
from tfgan_models import layers
from tfgan_models.errors import UsageError
from tfgan_models.interop import addons
from tfgan_models.interop.converted import Converted


def random(*shape: int) -> np.ndarray:
    rng = np.random.default_rng(math.prod(shape) + len(shape))
    return rng.standard_normal(shape).astype("float32")


def convert(tmp_path: Path, config: Any, weights: Weights | None = None) -> Converted:
    return addons.load(write_h5(tmp_path / "m.h5", config, weights))


def answer(converted: Converted, x: np.ndarray) -> np.ndarray:
    return keras.ops.convert_to_numpy(converted.networks["model"](x))


def normalized(x: np.ndarray, axes: tuple[int, ...], epsilon: float) -> np.ndarray:
    mean, variance = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    return (x - mean) / np.sqrt(variance + epsilon)


@pytest.mark.parametrize("axis", [-1, 3])
def test_instance_normalization_is_keras_s_own(tmp_path: Path, axis: int) -> None:
    norm = layer("Addons>InstanceNormalization", "n", axis=axis, epsilon=1e-2, groups=5)
    gamma, beta = random(5), random(5) + 1
    weights = {"n": [("gamma", gamma), ("beta", beta)]}
    converted = convert(tmp_path, stack(image(6, 4, 5), norm), weights)
    found = converted.networks["model"].get_layer("n")
    assert isinstance(found, keras.layers.GroupNormalization)
    assert (found.groups, found.epsilon) == (5, 1e-2)  # One group a channel.
    x = random(2, 6, 4, 5)
    expected = normalized(x, (1, 2), 1e-2) * gamma + beta
    np.testing.assert_allclose(answer(converted, x), expected, atol=1e-5)
    assert converted.notes[1:-1] == (
        "1 Addons>InstanceNormalization became GroupNormalization",
    )


@pytest.mark.parametrize("groups", [1, 3, 6, -1])
@pytest.mark.parametrize("axis", [-1, 1])
def test_group_normalization(tmp_path: Path, groups: int, axis: int) -> None:
    norm = layer("Addons>GroupNormalization", "n", groups=groups, axis=axis)
    gamma, beta = random(6), random(6) + 1
    weights = {"n": [("gamma", gamma), ("beta", beta)]}
    converted = convert(tmp_path, stack(image(6, 4, 6), norm), weights)
    x = random(2, 6, 4, 6)
    first = np.moveaxis(x, axis, 1)
    count = 6 if groups == -1 else groups
    grouped = normalized(first.reshape(2, count, -1), (2,), 1e-3).reshape(first.shape)
    affine = grouped * gamma[:, None, None] + beta[:, None, None]
    expected = np.moveaxis(affine, 1, axis)
    np.testing.assert_allclose(answer(converted, x), expected, atol=1e-5)


def test_axis_that_tensorflow_addons_mistakes(tmp_path: Path) -> None:
    norm = layer("Addons>GroupNormalization", "n", groups=2, axis=-2)
    with pytest.raises(UsageError, match="'n' normalises along axis -2"):
        weights = {"n": [("gamma", np.ones(6)), ("beta", np.ones(6))]}
        convert(tmp_path, stack(image(6, 6, 6), norm), weights)


CONV = {"filters": 4, "kernel_size": [3, 3], "activation": "tanh"}


def convolved(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))
    return np.tanh(np.einsum("nhwcij,ijco->nhwo", windows, kernel) + bias)


def test_spectral_normalization_is_the_kernel_of_the_file(tmp_path: Path) -> None:
    kernel, bias = random(3, 3, 5, 4), random(4)
    wrapper = layer(
        "Addons>SpectralNormalization",
        "s",
        layer=layer("Conv2D", "inside", **CONV),
        power_iterations=2,
    )
    weights = {"s": [("kernel", kernel), ("bias", bias), ("sn_u", random(1, 4))]}
    converted = convert(tmp_path, stack(image(6, 6, 5), wrapper), weights)
    assert type(converted.networks["model"].get_layer("s")) is keras.layers.Conv2D
    x = random(2, 6, 6, 5)
    expected = convolved(x, kernel, bias)
    np.testing.assert_allclose(answer(converted, x), expected, atol=1e-5)


def weight_norm(data_init: bool, initialized: bool) -> tuple[Any, Weights]:
    wrapper = layer(
        "Addons>WeightNormalization",
        "w",
        layer=layer("Conv2D", "inside", **CONV),
        data_init=data_init,
    )
    arrays = [("g", random(4) + 2), ("kernel", random(3, 3, 5, 4)), ("bias", random(4))]
    arrays += [("initialized", np.array(initialized))]
    if data_init:
        arrays += [("data_dep_init/kernel", np.zeros((3, 3, 5, 4), "float32"))]
        arrays += [("data_dep_init/bias", np.zeros(4, "float32"))]
    return stack(image(6, 6, 5), wrapper), {"w": arrays}


@pytest.mark.parametrize("data_init", [True, False])
def test_weight_normalization(tmp_path: Path, data_init: bool) -> None:
    config, weights = weight_norm(data_init, initialized=True)
    converted = convert(tmp_path, config, weights)
    (_, g), (_, v), (_, bias), *_ = weights["w"]
    kernel = v / np.sqrt(np.square(v).sum((0, 1, 2))) * g
    x = random(2, 6, 6, 5)
    expected = convolved(x, kernel, bias)
    np.testing.assert_allclose(answer(converted, x), expected, atol=1e-5)


def test_weight_normalization_before_its_first_call(tmp_path: Path) -> None:
    config, weights = weight_norm(data_init=False, initialized=False)
    converted = convert(tmp_path, config, weights)
    (_, _), (_, kernel), (_, bias), *_ = weights["w"]
    x = random(2, 6, 6, 5)
    expected = convolved(x, kernel, bias)
    np.testing.assert_allclose(answer(converted, x), expected, atol=1e-5)
    config, weights = weight_norm(data_init=True, initialized=False)
    with pytest.raises(
        UsageError, match="'w', a WeightNormalization, was never called"
    ):
        convert(tmp_path, config, weights)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first", None])
def test_adaptive_average_pooling(
    tmp_path: Path, data_format: str | None, known: bool
) -> None:
    pool = layer(
        "Addons>AdaptiveAveragePooling2D",
        "p",
        output_size=[2, 3],
        data_format=data_format,
    )
    first = data_format == "channels_first"
    shape = (4, 6, 12) if first else (6, 12, 4)
    declared = shape if known else tuple(None if size > 4 else size for size in shape)
    converted = convert(tmp_path, stack(image(*declared), pool))
    x = random(2, *shape)
    last = np.moveaxis(x, 1, -1) if first else x
    expected = last.reshape(2, 2, 3, 3, 4, 4).mean((2, 4))
    expected = np.moveaxis(expected, -1, 1) if first else expected
    np.testing.assert_allclose(answer(converted, x), expected, atol=1e-6)


@pytest.mark.parametrize("size", [5, 0, 10**9])
def test_adaptive_pooling_of_unequal_parts(tmp_path: Path, size: int) -> None:
    pool = layer("Addons>AdaptiveAveragePooling2D", "p", output_size=size)
    with pytest.raises(UsageError, match=f"'p' pools 6 pixels to {size}"):
        convert(tmp_path, stack(image(6, 6, 4), pool))


def phi(x: np.ndarray) -> np.ndarray:
    return (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2


def tanh_gelu(x: np.ndarray) -> np.ndarray:
    return x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def softplus(x: np.ndarray) -> np.ndarray:
    return np.log1p(np.exp(x))


ACTIVATIONS = {
    "Addons>gelu": tanh_gelu,
    "Addons>hardshrink": lambda x: np.where(np.abs(x) > 0.5, x, 0),
    "Addons>lisht": lambda x: x * np.tanh(x),
    "Addons>mish": lambda x: x * np.tanh(softplus(x)),
    "Addons>rrelu": lambda x: np.where(x >= 0, x, x * (1 / 8 + 1 / 3) / 2),
    "Addons>snake": lambda x: x + (1 - np.cos(2 * x)) / 2,
    "Addons>softshrink": lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.5, 0),
    "Addons>tanhshrink": lambda x: x - np.tanh(x),
    "gelu": lambda x: x * phi(x),
    "hard_sigmoid": lambda x: np.clip(0.2 * x + 0.5, 0, 1),
    "leaky_relu": lambda x: np.where(x >= 0, x, 0.2 * x),
    "mish": lambda x: x * np.tanh(softplus(x)),
    "swish": lambda x: x / (1 + np.exp(-x)),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation(tmp_path: Path, name: str) -> None:
    as_object = {"class_name": "function", "config": name}
    config = stack(
        image(3),
        layer("Dense", "d", units=3, activation=name),
        layer("Activation", "a", activation=as_object),
    )
    weights = {"d": [("kernel", np.eye(3)), ("bias", np.zeros(3))]}
    x = 3 * random(20, 3)
    expected = ACTIVATIONS[name](ACTIVATIONS[name](x))
    converted = convert(tmp_path, config, weights)
    np.testing.assert_allclose(answer(converted, x), expected, atol=2e-6)
    assert converted.networks["model"].output_names == ["a"]


@pytest.mark.parametrize("approximate", [True, False])
def test_gelu_layer(tmp_path: Path, approximate: bool) -> None:
    gelu = layer("Addons>GELU", "g", approximate=approximate)
    x = 3 * random(20, 3)
    expected = tanh_gelu(x) if approximate else x * phi(x)
    converted = convert(tmp_path, stack(image(3), gelu))
    np.testing.assert_allclose(answer(converted, x), expected, atol=2e-6)


def test_gelu_of_a_file_that_does_not_say_which(tmp_path: Path) -> None:
    config = stack(image(3), layer("Activation", "a", activation="gelu"))
    _, note, _ = convert(tmp_path, config).notes
    assert note.startswith("1 activations named 'gelu' were taken for the exact one")


def test_half_precision_is_computed_in_single(tmp_path: Path) -> None:
    policy = {"class_name": "Policy", "config": {"name": "mixed_float16"}}
    dense = layer("Dense", "d", units=2)
    dense["config"]["dtype"] = policy
    kernel, bias = random(3, 2), random(2)
    weights = {"d": [("kernel", kernel), ("bias", bias)]}
    converted = convert(tmp_path, stack(image(3), dense), weights)
    x = random(5, 3)
    np.testing.assert_allclose(answer(converted, x), x @ kernel + bias, atol=1e-6)
    assert converted.notes[1:-1] == ("1 layers of half precision compute in float32",)


def test_fused_batch_normalization_has_a_smallest_epsilon(tmp_path: Path) -> None:
    norm = layer("BatchNormalization", "n", axis=[3], epsilon=1e-7, momentum=0.9)
    arrays = np.ones(4), np.zeros(4), np.zeros(4), np.full(4, 1e-5)
    names = "gamma", "beta", "moving_mean", "moving_variance"
    weights = {"n": list(zip(names, arrays, strict=True))}
    converted = convert(tmp_path, stack(image(2, 2, 4), norm), weights)
    x = random(1, 2, 2, 4) / 100
    expected = x / np.sqrt(1e-5 + 1.001e-5)
    np.testing.assert_allclose(answer(converted, x), expected, rtol=1e-4)


def test_bilinear_upsampling_of_unknown_sizes(tmp_path: Path) -> None:
    arguments = {"size": [2, 3], "interpolation": "bilinear"}
    up = layer("UpSampling2D", "u", **arguments)
    converted = convert(tmp_path, stack(image(None, None, 2), up))
    x = random(2, 4, 5, 2)
    expected = keras.layers.UpSampling2D(**arguments)(x)
    np.testing.assert_allclose(answer(converted, x), expected, atol=1e-6)
    cubic = layer("UpSampling2D", "u", size=[2, 2], interpolation="bicubic")
    with pytest.raises(UsageError, match="'u' enlarges images of unknown size"):
        convert(tmp_path, stack(image(None, None, 2), cubic))


def generator() -> tuple[Any, Weights]:
    pads = [[0, 0], [1, 1], [1, 1], [0, 0]]
    call = ["image", 0, 0, {"paddings": pads, "mode": "REFLECT", "name": None}]
    config = graph(
        [image(None, None, 3)],
        function("tf.compat.v1.pad", "compat.v1.pad", call),
        layer("Conv2D", "conv", filters=3, kernel_size=[3, 3], trainable=False),
        function("tf.math.tanh", "math.tanh", ["conv", 0, 0, {}]),
        outputs=[("tf.math.tanh", 0, 0)],
    )
    return config, {"conv": [("kernel", random(3, 3, 3, 3)), ("bias", random(3))]}


@pytest.mark.parametrize("write", [write_h5, write_saved_model])
def test_generator(tmp_path: Path, write: Any) -> None:
    config, weights = generator()
    network = addons.load(write(tmp_path / "m.h5", config, weights)).networks["model"]
    assert network.size_multiple == 1
    assert [tensor.name for tensor in network.inputs] == ["image"]
    assert not network.get_layer("conv").trainable
    kinds = [type(each) for each in network.layers]
    assert layers.ReflectionPadding2D in kinds
    (_, kernel), (_, bias) = weights["conv"]
    x = random(2, 7, 9, 3)
    padded = np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)], mode="reflect")
    expected = convolved(padded, kernel, bias)
    np.testing.assert_allclose(network(x), expected, atol=1e-5)
    to_plain_keras(network).save(tmp_path / "plain.keras")
    plain = keras.models.load_model(tmp_path / "plain.keras")
    np.testing.assert_allclose(plain(x), expected, atol=1e-5)


def test_size_multiple_of_a_strided_network(tmp_path: Path) -> None:
    conv = {"filters": 3, "kernel_size": [4, 4], "strides": [2, 2], "padding": "same"}
    config = stack(
        image(None, None, 3),
        layer("Conv2D", "a", **conv),
        layer("MaxPooling2D", "pool", pool_size=[2, 2]),
        layer("UpSampling2D", "up", size=[2, 2]),
        layer("Conv2DTranspose", "b", **conv),
    )
    arrays = [("kernel", random(4, 4, 3, 3)), ("bias", random(3))]
    network = convert(tmp_path, config, {"a": arrays, "b": arrays}).networks["model"]
    assert network.size_multiple == 4


def test_shared_layers_and_nested_models(tmp_path: Path) -> None:
    inner = graph(
        [image(3, name="x")], layer("Dense", "d", units=3), outputs=[("d", 0, 0)]
    )
    nested = {"class_name": "Functional", "config": {**inner["config"], "name": "net"}}
    nested |= {"name": "net", "inbound_nodes": [[["a", 0, 0, {}]], [["b", 0, 0, {}]]]}
    both = [["net", 1, 0, {"axis": -1}], ["net", 2, 0, {"axis": -1}]]
    config = graph(
        [image(3, name="a"), image(3, name="b")],
        nested,
        function("tf.concat", "concat", both),
        function(
            "tf.math.subtract",
            "math.subtract",
            ["_CONSTANT_VALUE", -1, 1.0, {"y": ["net", 2, 0]}],
        ),
        outputs=[("tf.concat", 0, 0), ("tf.math.subtract", 0, 0)],
    )
    kernel, bias = random(3, 3), random(3)
    weights = {"net": [("kernel", kernel), ("bias", bias)]}
    network = convert(tmp_path, config, weights).networks["model"]
    a, b = random(4, 3), random(4, 3) + 1
    joined, rest = network([a, b])
    first, second = a @ kernel + bias, b @ kernel + bias
    np.testing.assert_allclose(joined, np.concatenate([first, second], 1), atol=1e-5)
    np.testing.assert_allclose(rest, 1 - second, atol=1e-5)
    assert [tensor.name for tensor in network.inputs] == ["a", "b"]

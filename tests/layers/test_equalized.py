"""EqualizedConv2D, EqualizedDense, ChannelBias: the scale at run time, resampling."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfgan_models.layers import (
    AverageDownsampling2D,
    ChannelBias,
    EqualizedConv2D,
    EqualizedDense,
    NearestUpsampling2D,
)

ROOT2 = 2**0.5


def values(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def convolve(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """A zero-padded convolution in float64, tap by tap."""
    k, (height, width) = kernel.shape[0], x.shape[1:3]
    x = np.pad(x.astype("float64"), ((0, 0), *[(k // 2, k // 2)] * 2, (0, 0)))
    return sum(
        x[:, i : i + height, j : j + width] @ kernel[i, j].astype("float64")
        for i in range(k)
        for j in range(k)
    )


def with_weights(
    layer: keras.layers.Layer, shape: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Gives a layer random weights and returns kernel and bias."""
    layer.build(shape)
    kernel = values(*layer.kernel.shape, seed=1)
    bias = values(*layer.bias.shape, seed=2)
    layer.set_weights([kernel, bias])
    return kernel, bias


@pytest.mark.parametrize("lr_multiplier", [1.0, 0.01])
@pytest.mark.parametrize("cls", [EqualizedConv2D, EqualizedDense])
def test_fresh_weights(cls: type[keras.layers.Layer], lr_multiplier: float) -> None:
    sizes = (64, 3) if cls is EqualizedConv2D else (512,)
    layer = cls(*sizes, lr_multiplier=lr_multiplier)
    layer.build((None, 8, 8, 64))
    kernel = layer.kernel.numpy() * lr_multiplier
    # Five standard errors of a mean and of a deviation estimated from n values.
    assert abs(kernel.mean()) < 5 / kernel.size**0.5
    assert abs(kernel.std() - 1) < 5 / (2 * kernel.size) ** 0.5
    assert not layer.bias.numpy().any()


@pytest.mark.parametrize(("gain", "lr_multiplier"), [(ROOT2, 1.0), (1.0, 0.01)])
def test_dense_scale(gain: float, lr_multiplier: float) -> None:
    layer = EqualizedDense(3, gain=gain, lr_multiplier=lr_multiplier)
    kernel, bias = with_weights(layer, (None, 7))
    x = values(5, 7)
    expected = (x @ kernel) * gain / 7**0.5 * lr_multiplier + bias * lr_multiplier
    np.testing.assert_allclose(layer(x), expected, atol=1e-6)


@pytest.mark.parametrize("side", [1, 3, 5])
@pytest.mark.parametrize(("gain", "lr_multiplier"), [(ROOT2, 1.0), (1.0, 0.01)])
def test_conv_scale(side: int, gain: float, lr_multiplier: float) -> None:
    layer = EqualizedConv2D(4, side, gain=gain, lr_multiplier=lr_multiplier)
    kernel, bias = with_weights(layer, (None, None, None, 3))
    x = values(2, 5, 6, 3)
    scale = gain / (side * side * 3) ** 0.5 * lr_multiplier
    expected = convolve(x, kernel) * scale + bias * lr_multiplier
    np.testing.assert_allclose(layer(x), expected, atol=2e-6)


def test_gain_of_root_two_is_the_default() -> None:
    for layer in (EqualizedDense(3), EqualizedConv2D(3, 1)):
        layer.build((None, 4, 4, 8))
        ratio = layer.scaled_kernel() / layer.kernel
        np.testing.assert_allclose(ratio, (2 / 8) ** 0.5, rtol=1e-6)


def test_the_deviation_kept_is_the_gain() -> None:
    keras.utils.set_random_seed(0)
    x = values(8, 16, 16, 64)
    for gain in (1.0, ROOT2):
        y = EqualizedDense(256, gain=gain)(x[:, 0, 0]).numpy()
        assert abs(y.std() / gain - 1) < 0.1
        y = EqualizedConv2D(128, 3, gain=gain)(x).numpy()[:, 1:-1, 1:-1]
        assert abs(y.std() / gain - 1) < 0.03


def moves(
    optimizer: keras.optimizers.Optimizer, lr_multiplier: float
) -> tuple[np.ndarray, np.ndarray]:
    """Returns how one step moves what is multiplied with and what is added."""
    layer = EqualizedDense(6, gain=1.0, lr_multiplier=lr_multiplier)
    layer.build((None, 8))
    # The same effective weights for every multiplier.
    layer.set_weights([values(8, 6) / lr_multiplier, values(6) / lr_multiplier])
    kernel, bias = layer.scaled_kernel().numpy(), layer.scaled_bias().numpy()
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(values(4, 8, seed=3)) ** 2)
    variables = layer.trainable_weights
    gradients = tape.gradient(loss, [v.value for v in variables])
    optimizer.apply(gradients, variables)
    return layer.scaled_kernel() - kernel, layer.scaled_bias() - bias


@pytest.mark.parametrize("lr_multiplier", [0.1, 0.01])
def test_steps_of_effective_weights(lr_multiplier: float) -> None:
    """SGD's become lr_multiplier squared of what they were, Adam's lr_multiplier."""
    adam = {"class_name": "Adam", "config": {"learning_rate": 0.1, "epsilon": 1e-12}}
    sgd = {"class_name": "SGD", "config": {"learning_rate": 0.1}}
    for kind, expected in ((sgd, lr_multiplier**2), (adam, lr_multiplier)):
        slow = moves(keras.optimizers.get(kind), lr_multiplier)
        fast = moves(keras.optimizers.get(kind), 1.0)
        for ours, full in zip(slow, fast, strict=True):
            # A step of 0.1 in each, or of a gradient near 1; rounding is 1e-7.
            assert np.abs(full).mean() > 0.03
            np.testing.assert_allclose(ours, full * expected, rtol=0.01, atol=3e-7)


def test_adam_changes_every_layer_at_the_same_relative_rate() -> None:
    for fan_in in (4, 64, 1024):
        layer = EqualizedDense(256, use_bias=False)
        layer.build((None, fan_in))
        before = layer.scaled_kernel().numpy()
        gradient = tf.constant(values(fan_in, 256, seed=fan_in))
        keras.optimizers.Adam(0.01).apply([gradient], [layer.kernel])
        change = layer.scaled_kernel().numpy() - before
        assert abs(change.std() / before.std() / 0.01 - 1) < 0.1


@pytest.mark.parametrize("shape", [(2, 4, 6, 3), (1, 5, 7, 2), (1, 1, 1, 4)])
def test_up_is_nearest_neighbour_then_convolution(shape: tuple[int, ...]) -> None:
    layer = EqualizedConv2D(5, 3, resample="up")
    kernel, bias = with_weights(layer, shape)
    plain = EqualizedConv2D(5, 3)
    plain.build(shape)
    plain.set_weights([kernel, bias])
    x = values(*shape)
    scale = ROOT2 / (9 * shape[-1]) ** 0.5
    doubled = x.repeat(2, axis=1).repeat(2, axis=2)
    y = layer(x)
    assert y.shape == (shape[0], 2 * shape[1], 2 * shape[2], 5)
    np.testing.assert_allclose(y, convolve(doubled, kernel) * scale + bias, atol=2e-6)
    np.testing.assert_allclose(y, plain(NearestUpsampling2D()(x)), atol=2e-6)


@pytest.mark.parametrize("shape", [(2, 4, 6, 3), (1, 2, 2, 4)])
def test_down_is_convolution_then_average(shape: tuple[int, ...]) -> None:
    layer = EqualizedConv2D(5, 3, resample="down")
    kernel, bias = with_weights(layer, shape)
    plain = EqualizedConv2D(5, 3)
    plain.build(shape)
    plain.set_weights([kernel, bias])
    x = values(*shape)
    y = layer(x)
    assert y.shape == (shape[0], shape[1] // 2, shape[2] // 2, 5)
    full = convolve(x, kernel) * ROOT2 / (9 * shape[-1]) ** 0.5 + bias
    halved = (full[:, ::2] + full[:, 1::2]) / 2
    halved = (halved[:, :, ::2] + halved[:, :, 1::2]) / 2
    np.testing.assert_allclose(y, halved, atol=2e-6)
    np.testing.assert_allclose(y, AverageDownsampling2D()(plain(x)), atol=2e-6)


def test_down_of_an_odd_size_appends_zeros() -> None:
    layer = EqualizedConv2D(5, 3, resample="down")
    with_weights(layer, (1, 5, 7, 2))
    x = values(1, 5, 7, 2)
    y = layer(x)
    assert y.shape == (1, 3, 4, 5)
    even = layer(np.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0))))
    np.testing.assert_allclose(y, even, atol=1e-6)


@pytest.mark.parametrize("resample", [None, "up", "down"])
def test_half_precision_rounds_the_scaled_kernel_once(resample: str | None) -> None:
    options = {"lr_multiplier": 1e-3, "resample": resample}
    layer = EqualizedConv2D(5, 3, dtype="mixed_float16", **options)
    layer.build((1, 4, 4, 2))
    seen = []
    original = layer.scaled_kernel
    layer.scaled_kernel = lambda: seen.append(original()) or seen[-1]
    # The stored kernel is beyond float16's range, the scaled one is not.
    kernel = values(3, 3, 2, 5) * 1e5
    layer.set_weights([kernel, np.zeros(5)])
    y = layer(values(1, 4, 4, 2))
    assert np.isfinite(y).all()
    assert keras.backend.standardize_dtype(seen[0].dtype) == "float32"


def test_gradients_reach_stored_weights_in_float32() -> None:
    layer = EqualizedDense(3, lr_multiplier=1e-3, dtype="mixed_float16")
    layer.build((None, 64))
    x = np.full((1, 64), 1e-3, "float32")
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.cast(layer(x), "float32"))
    gradient = tape.gradient(loss, layer.kernel.value)
    # Below float16's smallest number above zero, 6e-8.
    scale = ROOT2 / 8 * 1e-3
    np.testing.assert_allclose(gradient, 1e-3 * scale * np.ones((64, 3)), rtol=1e-3)


def test_channel_bias() -> None:
    layer = ChannelBias()
    x = values(2, 4, 5, 3)
    assert np.array_equal(layer(x), x)
    layer.bias.assign([1.0, -2.0, 0.5])
    np.testing.assert_allclose(layer(x), x + np.array([1.0, -2.0, 0.5]), atol=1e-6)
    assert np.array_equal(layer(x[:, 0, 0]), layer(x)[:, 0, 0])


def test_no_bias() -> None:
    for layer in (
        EqualizedDense(3, use_bias=False),
        EqualizedConv2D(3, 1, use_bias=False),
    ):
        y = layer(np.zeros((2, 4, 4, 8), "float32"))
        assert layer.bias is None
        assert layer.scaled_bias() is None
        assert len(layer.weights) == 1
        assert not y.numpy().any()

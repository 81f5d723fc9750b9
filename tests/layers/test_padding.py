"""ReflectionPadding2D equals NumPy's reflect padding, forwards and backwards."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfgan_models.layers import ReflectionPadding2D


def images(shape: tuple[int, ...]) -> np.ndarray:
    """Returns random values."""
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def reflect(x: np.ndarray, padding: int) -> np.ndarray:
    """NumPy's padding of height and width."""
    sides = (padding, padding)
    return np.pad(x, ((0, 0), sides, sides, (0, 0)), mode="reflect")


@pytest.mark.parametrize("padding", [0, 1, 3])
@pytest.mark.parametrize("shape", [(2, 5, 7, 3), (1, 4, 4, 1)])
def test_equals_numpy(padding: int, shape: tuple[int, ...]) -> None:
    x = images(shape)
    y = ReflectionPadding2D(padding)(x)
    assert np.array_equal(y, reflect(x, padding))
    assert ReflectionPadding2D(padding).compute_output_shape(shape) == y.shape


def test_gradient_counts_every_copy() -> None:
    x = tf.constant(images((1, 5, 6, 2)))
    weight = images((1, 11, 12, 2))
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(ReflectionPadding2D(3)(x) * weight)
    gradient = tape.gradient(loss, x)
    places = reflect(np.arange(60).reshape(1, 5, 6, 2), 3).ravel()
    expected = np.bincount(places, weight.ravel(), 60).reshape(1, 5, 6, 2)
    np.testing.assert_allclose(gradient, expected, atol=1e-5)


def test_second_derivative_exists() -> None:
    x = tf.constant(images((1, 4, 4, 1)))
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            loss = tf.reduce_sum(ReflectionPadding2D(1)(x) ** 2)
        penalty = tf.reduce_sum(inner.gradient(loss, x))
    copies = np.bincount(reflect(np.arange(16).reshape(1, 4, 4, 1), 1).ravel())
    np.testing.assert_allclose(
        outer.gradient(penalty, x), 2 * copies.reshape(1, 4, 4, 1), atol=1e-5
    )


def test_any_height_and_width() -> None:
    image = keras.Input((None, None, 3))
    network = keras.Model(image, ReflectionPadding2D(2)(image))
    assert network.output_shape == (None, None, None, 3)
    for size in (3, 8):
        x = images((2, size, size + 1, 3))
        assert np.array_equal(network(x), reflect(x, 2))


@pytest.mark.parametrize("half", ["float16", "bfloat16"])
def test_half_precision_is_kept(half: str) -> None:
    x = tf.cast(images((1, 4, 4, 2)), half)
    y = ReflectionPadding2D(1, dtype=f"mixed_{half}")(x)
    assert keras.backend.standardize_dtype(y.dtype) == half
    expected = reflect(tf.cast(x, "float32").numpy(), 1)
    assert np.array_equal(tf.cast(y, "float32"), expected)


def test_config_and_keras_file(tmp_path: object) -> None:
    layer = ReflectionPadding2D(padding=2, name="pad")
    config = layer.get_config()
    assert config["padding"] == 2
    assert ReflectionPadding2D.from_config(config).get_config() == config
    name = "tfgan_models>ReflectionPadding2D"
    assert keras.saving.get_registered_name(ReflectionPadding2D) == name
    network = keras.Sequential([keras.Input((None, None, 3)), layer])
    network.save(f"{tmp_path}/pad.keras")
    loaded = keras.models.load_model(f"{tmp_path}/pad.keras")
    x = images((1, 4, 5, 3))
    assert np.array_equal(loaded(x), reflect(x, 2))


def test_negative_padding_says_what_was_received() -> None:
    with pytest.raises(ValueError, match=r"Received: padding=-1$"):
        ReflectionPadding2D(-1)

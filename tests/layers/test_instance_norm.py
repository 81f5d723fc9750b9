"""InstanceNormalization: the formula, its gradients, float16 range, configuration."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfgan_models.layers import InstanceNormalization

EPSILON = 1e-5


def images(shape: tuple[int, ...] = (3, 9, 7, 5), seed: int = 0) -> np.ndarray:
    """Returns normal values of another mean and deviation in every channel."""
    rng = np.random.default_rng(seed)
    scale, shift = rng.uniform(0.5, 2, shape[-1]), rng.normal(0, 1, shape[-1])
    return (rng.normal(size=shape) * scale + shift).astype("float32")


def formula(
    x: np.ndarray, gamma: np.ndarray | float = 1.0, beta: np.ndarray | float = 0.0
) -> np.ndarray:
    """The paper's formula in float64."""
    x = x.astype("float64")
    mean = x.mean((1, 2), keepdims=True)
    variance = x.var((1, 2), keepdims=True)
    return (x - mean) / np.sqrt(variance + EPSILON) * gamma + beta


def affine_layer(channels: int) -> tuple[InstanceNormalization, np.ndarray, np.ndarray]:
    """Returns a layer with a scale and an offset that are not 1 and 0."""
    rng = np.random.default_rng(1)
    gamma, beta = rng.normal(1, 0.5, channels), rng.normal(0, 0.5, channels)
    layer = InstanceNormalization(affine=True)
    layer.build((None, None, None, channels))
    layer.set_weights([gamma, beta])
    return layer, gamma.astype("float32"), beta.astype("float32")


@pytest.mark.parametrize("shape", [(3, 9, 7, 5), (1, 64, 64, 3), (2, 2, 1, 4)])
@pytest.mark.parametrize("training", [True, False])
def test_equals_the_formula(shape: tuple[int, ...], training: bool) -> None:
    x = images(shape)
    y = InstanceNormalization()(x, training=training)
    np.testing.assert_allclose(y, formula(x), atol=1e-5)
    layer, gamma, beta = affine_layer(shape[-1])
    y = layer(x, training=training)
    np.testing.assert_allclose(y, formula(x, gamma, beta), atol=2e-5)


def test_fresh_affine_is_the_identity_on_top() -> None:
    x = images()
    layer = InstanceNormalization(affine=True)
    y = layer(x)
    assert np.array_equal(y, InstanceNormalization()(x))
    assert [w.name for w in layer.trainable_weights] == ["gamma", "beta"]
    assert not InstanceNormalization().weights


def test_epsilon_and_a_constant_image() -> None:
    x = np.full((2, 4, 4, 3), 7.0, "float32")
    assert not np.any(InstanceNormalization()(x))
    x[:, ::2] = -7.0
    y = InstanceNormalization(epsilon=51.0)(x)
    np.testing.assert_allclose(np.abs(y), 0.7, atol=1e-6)


def test_large_mean_keeps_its_small_contrast() -> None:
    """A mean-of-squares variance would lose these digits."""
    rng = np.random.default_rng(0)
    x = (100 + 0.1 * rng.normal(size=(1, 64, 64, 2))).astype("float32")
    np.testing.assert_allclose(InstanceNormalization()(x), formula(x), atol=1e-3)


@pytest.mark.parametrize("half", ["float16", "bfloat16"])
def test_statistics_are_float32_under_half_precision(half: str) -> None:
    rng = np.random.default_rng(0)
    # Squares and sums of these overflow float16, whose largest value is 65504.
    x = tf.cast(rng.normal(20_000, 8_000, (2, 32, 32, 3)).clip(-6e4, 6e4), half)
    layer = InstanceNormalization(dtype=f"mixed_{half}", affine=True)
    y = layer(x)
    assert keras.backend.standardize_dtype(y.dtype) == half
    assert {w.dtype for w in layer.weights} == {"float32"}
    y = tf.cast(y, "float32").numpy()
    assert np.isfinite(y).all()
    expected = formula(tf.cast(x, "float32").numpy())
    step = {"float16": 2**-11, "bfloat16": 2**-8}[half]
    assert np.abs(y - expected).max() < np.abs(expected).max() * step


def test_gradients_equal_finite_differences() -> None:
    """In float64, where the differences are exact to 1e-8."""
    rng = np.random.default_rng(2)
    x = images((2, 4, 3, 2)).astype("float64")
    weight = rng.normal(size=x.shape)
    layer, gamma, beta = affine_layer(2)
    gamma, beta = gamma.astype("float64"), beta.astype("float64")
    layer = InstanceNormalization(affine=True, dtype="float64")
    layer.build(x.shape)
    layer.set_weights([gamma, beta])
    variable = tf.Variable(x)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(variable) * weight)
    gradients = tape.gradient(loss, [variable, *(w.value for w in layer.weights)])

    def value(values: list[np.ndarray]) -> float:
        return float((formula(*values) * weight).sum())

    values = [x, gamma, beta]
    for i, gradient in enumerate(gradients):
        for index in np.ndindex(*values[i].shape):
            moved = [v.copy() for v in values]
            moved[i][index] += 1e-5
            above = value(moved)
            moved[i][index] -= 2e-5
            expected = (above - value(moved)) / 2e-5
            assert abs(float(gradient[index]) - expected) < 1e-6


def test_second_derivative_exists() -> None:
    """Gradient penalties differentiate twice."""
    x = tf.constant(images((1, 4, 4, 2)))
    layer = InstanceNormalization()
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            loss = tf.reduce_sum(layer(x) ** 3)
        penalty = tf.reduce_sum(inner.gradient(loss, x) ** 2)
    gradient = outer.gradient(penalty, x)
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).max() > 0


def test_any_height_and_width() -> None:
    image = keras.Input((None, None, 3))
    network = keras.Model(image, InstanceNormalization()(image))
    assert network.output_shape == (None, None, None, 3)
    for size in (5, 8):
        x = images((1, size, 2 * size, 3))
        np.testing.assert_allclose(network(x), formula(x), atol=1e-5)


@pytest.mark.parametrize("affine", [False, True])
def test_config_and_keras_file(affine: bool, tmp_path: object) -> None:
    layer = InstanceNormalization(epsilon=1e-3, affine=affine, name="norm")
    config = layer.get_config()
    assert config["epsilon"] == 1e-3
    assert config["affine"] is affine
    assert InstanceNormalization.from_config(config).get_config() == config
    name = "tfgan_models>InstanceNormalization"
    assert keras.saving.get_registered_name(InstanceNormalization) == name

    network = keras.Sequential([keras.Input((None, None, 5)), layer])
    layer.set_weights([w + 0.5 for w in layer.get_weights()])
    network.save(f"{tmp_path}/norm.keras")
    loaded = keras.models.load_model(f"{tmp_path}/norm.keras")
    assert np.array_equal(loaded(images()), network(images()))


@pytest.mark.parametrize("shape", [(4, 8, 3), (1, 4, 4, None)])
def test_wrong_input_says_what_was_received(shape: tuple[int | None, ...]) -> None:
    with pytest.raises(ValueError, match=r"Received: input_shape=\("):
        InstanceNormalization().build(shape)

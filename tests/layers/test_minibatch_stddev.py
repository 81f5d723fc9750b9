"""MinibatchStdDev: its groups, its number, batches that do not divide."""

import numpy as np
import pytest
import tensorflow as tf

from tfgan_models.layers import MinibatchStdDev


def images(batch: int) -> np.ndarray:
    """Returns images of another contrast and mean each, [batch, 3, 4, 2]."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(batch, 3, 4, 2)) * rng.uniform(0.5, 4, (batch, 1, 1, 1))
    return (x + rng.normal(size=(batch, 1, 1, 1))).astype("float32")


def numbers(x: np.ndarray, groups: list[list[int]]) -> np.ndarray:
    """Returns each sample's number, computed group by group in float64."""
    expected = np.empty(len(x))
    for members in groups:
        variance = x[members].astype("float64").var(axis=0)
        expected[members] = np.sqrt(variance + 1e-8).mean()
    return expected


GROUPS = [
    (8, 4, [[0, 2, 4, 6], [1, 3, 5, 7]]),
    (12, 4, [[0, 3, 6, 9], [1, 4, 7, 10], [2, 5, 8, 11]]),
    (6, 3, [[0, 2, 4], [1, 3, 5]]),
    (6, 2, [[0, 3], [1, 4], [2, 5]]),
    (4, 4, [[0, 1, 2, 3]]),
    (3, 4, [[0, 1, 2]]),
    (1, 4, [[0]]),
    (2, 1, [[0], [1]]),
]


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize(("batch", "group_size", "groups"), GROUPS)
def test_groups(
    batch: int, group_size: int, groups: list[list[int]], traced: bool
) -> None:
    x, layer = images(batch), MinibatchStdDev(group_size)
    if traced:
        unknown = tf.TensorSpec((None, 3, 4, 2))
        y = tf.function(layer, input_signature=[unknown])(x)
    else:
        y = layer(x)
    y = y.numpy()
    assert np.array_equal(y[..., :2], x)
    assert y.shape == (batch, 3, 4, 3)
    expected = numbers(x, groups).reshape(-1, 1, 1)
    np.testing.assert_allclose(y[..., 2], expected + np.zeros((3, 4)), rtol=1e-5)


def test_by_hand() -> None:
    """Deviations 1 and 3 of the two pixels: their mean is 2."""
    x = np.array([[[[0.0], [10.0]]], [[[2.0], [4.0]]]], "float32")
    np.testing.assert_allclose(MinibatchStdDev()(x)[..., 1], 2.0, rtol=1e-6)


def test_equal_images_give_the_root_of_epsilon() -> None:
    x = np.ones((4, 2, 2, 1), "float32")
    np.testing.assert_allclose(MinibatchStdDev()(x)[..., 1], 1e-4, rtol=1e-5)
    y = MinibatchStdDev(epsilon=0.25)(x)
    np.testing.assert_allclose(y[..., 1], 0.5, rtol=1e-5)


def test_gradient_of_equal_images_is_finite() -> None:
    x = tf.ones((4, 2, 2, 1))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(MinibatchStdDev()(x)[..., 1])
    assert np.array_equal(tape.gradient(y, x), np.zeros(x.shape))


def test_a_batch_that_does_not_divide() -> None:
    with pytest.raises(
        ValueError, match=r"multiple of group_size=4. Received: batch of 6"
    ):
        MinibatchStdDev(4)(images(6))
    unknown = tf.TensorSpec((None, 3, 4, 2))
    traced = tf.function(MinibatchStdDev(4), input_signature=[unknown])
    with pytest.raises(tf.errors.InvalidArgumentError):
        traced(images(6))


def test_large_values_in_float16() -> None:
    """Their squares are beyond float16."""
    x = np.array([1000.0, 3000.0] * 2, "float32").reshape(4, 1, 1, 1)
    y = MinibatchStdDev(dtype="mixed_float16")(x)
    assert np.array_equal(y[..., 1].numpy().ravel(), [1000.0] * 4)

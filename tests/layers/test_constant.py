"""LearnedConstant: ones at first, one copy a sample."""

import numpy as np
import pytest
import tensorflow as tf

from tfgan_models.layers import LearnedConstant


@pytest.mark.parametrize("shape", [(2, 5), (3, 4, 4, 1), (1,)])
def test_starts_at_ones_for_each_sample_of_anything(shape: tuple[int, ...]) -> None:
    y = LearnedConstant((4, 4, 3))(np.zeros(shape, "float32"))
    assert np.array_equal(y, np.ones((shape[0], 4, 4, 3)))


def test_every_sample_gets_the_constant_and_gives_its_gradient() -> None:
    layer = LearnedConstant([2, 2, 1])
    layer.build((None, 7))
    value = np.arange(4.0).reshape(2, 2, 1)
    layer.constant.assign(value)
    weight = np.random.default_rng(0).normal(size=(3, 2, 2, 1)).astype("float32")
    with tf.GradientTape() as tape:
        y = layer(tf.zeros((3, 7)))
        loss = tf.reduce_sum(y * weight)
    assert np.array_equal(y, np.stack([value] * 3))
    gradient = tape.gradient(loss, layer.constant.value)
    np.testing.assert_allclose(gradient, weight.sum(0), rtol=1e-6)

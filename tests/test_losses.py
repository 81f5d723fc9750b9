"""Losses against closed forms."""

import numpy as np
import pytest
import tensorflow as tf

from tfgan_models import losses

REAL = tf.constant([[1.5, 0.0], [2.0, 1.0]])
FAKE = tf.constant([[0.5, -1.0], [0.0, 2.0]])


def test_least_squares_generator() -> None:
    # ((-.5)^2 + (-2)^2 + (-1)^2 + 1^2) / 4
    assert float(losses.least_squares_generator_loss(FAKE)) == pytest.approx(1.5625)


def test_least_squares_discriminator() -> None:
    # real: (.25 + 1 + 1 + 0) / 4; fake: (.25 + 1 + 0 + 4) / 4; half their sum
    loss = losses.least_squares_discriminator_loss(REAL, FAKE)
    assert float(loss) == pytest.approx(0.5 * (2.25 + 5.25) / 4)


def test_least_squares_are_zero_at_their_targets() -> None:
    ones, zeros = tf.ones([2, 3, 3, 1]), tf.zeros([2, 3, 3, 1])
    assert float(losses.least_squares_generator_loss(ones)) == 0.0
    assert float(losses.least_squares_discriminator_loss(ones, zeros)) == 0.0


def test_l1() -> None:
    assert float(losses.l1_loss(REAL, FAKE)) == pytest.approx((1 + 1 + 2 + 1) / 4)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_inputs_are_averaged_in_float32(dtype: str) -> None:
    logits = tf.cast(np.full([1, 300, 300, 1], 31.0, "float32"), dtype)
    loss = losses.least_squares_generator_loss(logits)
    assert loss.dtype == tf.float32
    assert float(loss) == pytest.approx(900.0)  # the sum, 8.1e7, is beyond float16

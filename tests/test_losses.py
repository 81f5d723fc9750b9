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


def test_cross_entropy_generator() -> None:
    # -log sigmoid(x), term by term
    expected = -np.log(1 / (1 + np.exp(-FAKE.numpy()))).mean()
    loss = losses.cross_entropy_generator_loss(FAKE)
    assert float(loss) == pytest.approx(expected, rel=1e-6)


def test_cross_entropy_discriminator() -> None:
    real, fake = (1 / (1 + np.exp(-x.numpy())) for x in (REAL, FAKE))
    expected = -np.log(real).mean() - np.log(1 - fake).mean()
    loss = losses.cross_entropy_discriminator_loss(REAL, FAKE)
    assert float(loss) == pytest.approx(expected, rel=1e-6)


def test_cross_entropy_of_a_coin_is_log_2() -> None:
    zeros = tf.zeros([2, 3, 3, 1])
    generator = losses.cross_entropy_generator_loss(zeros)
    discriminator = losses.cross_entropy_discriminator_loss(zeros, zeros)
    assert float(generator) == pytest.approx(np.log(2))
    assert float(discriminator) == pytest.approx(2 * np.log(2))


def test_cross_entropy_of_large_logits_is_linear() -> None:
    """Where sigmoid and log, one after the other, would be infinite."""
    logits = tf.constant([[-1e4, -3e4]])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = losses.cross_entropy_generator_loss(logits)
    assert float(loss) == pytest.approx(2e4)
    np.testing.assert_allclose(tape.gradient(loss, logits), [[-0.5, -0.5]])
    assert float(losses.cross_entropy_discriminator_loss(-logits, logits)) == 0.0


def test_l1() -> None:
    assert float(losses.l1_loss(REAL, FAKE)) == pytest.approx((1 + 1 + 2 + 1) / 4)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_inputs_are_averaged_in_float32(dtype: str) -> None:
    logits = tf.cast(np.full([1, 300, 300, 1], 31.0, "float32"), dtype)
    loss = losses.least_squares_generator_loss(logits)
    assert loss.dtype == tf.float32
    assert float(loss) == pytest.approx(900.0)  # the sum, 8.1e7, is beyond float16
    loss = losses.cross_entropy_discriminator_loss(-logits, logits)
    assert loss.dtype == tf.float32
    assert float(loss) == pytest.approx(62.0)


def test_wasserstein_generator() -> None:
    # -(0.5 - 1 + 0 + 2) / 4
    assert float(losses.wasserstein_generator_loss(FAKE)) == pytest.approx(-0.375)


def test_wasserstein_discriminator() -> None:
    # (0.5 - 1 + 0 + 2) / 4 - (1.5 + 0 + 2 + 1) / 4
    loss = losses.wasserstein_discriminator_loss(REAL, FAKE)
    assert float(loss) == pytest.approx(0.375 - 1.125)


def test_label_loss_by_hand() -> None:
    logits = tf.constant([[np.log(2.0), 0.0, 0.0], [0.0, 0.0, np.log(6.0)]])
    labels = tf.one_hot([0, 1], 3)
    # Softmax: 2/4 for class 0 of the first, 1/8 for class 1 of the second.
    expected = (np.log(2.0) + np.log(8.0)) / 2
    assert float(losses.label_loss(labels, logits)) == pytest.approx(expected)


def test_label_loss_of_equally_likely_classes_is_the_log_of_their_number() -> None:
    loss = losses.label_loss(tf.one_hot([3, 0, 4], 5), tf.zeros([3, 5]))
    assert float(loss) == pytest.approx(np.log(5))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_scores_are_averaged_in_float32(dtype: str) -> None:
    scores = tf.cast(np.full([300, 300], 31.0, "float32"), dtype)
    for loss, expected in (
        (losses.wasserstein_generator_loss(scores), -31.0),
        (losses.wasserstein_discriminator_loss(scores, -scores), -62.0),
        (losses.label_loss(tf.one_hot([0] * 300, 300), scores), np.log(300)),
    ):
        assert loss.dtype == tf.float32
        assert float(loss) == pytest.approx(expected, rel=1e-5)

"""Gradient penalties against closed forms and finite differences."""

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from tests import growing
from tfgan_models import losses, penalties

Weights = list[tf.Variable]


def discriminator(seed: int = 0) -> tuple[Weights, Callable[[tf.Tensor], tf.Tensor]]:
    """A smooth network of [N, 4, 4, 2] images in float64."""
    random = np.random.default_rng(seed)
    shapes = ((3, 3, 2, 3), (48, 1))
    weights = [tf.Variable(random.normal(size=s) / 3) for s in shapes]

    def judge(images: tf.Tensor) -> tf.Tensor:
        x = tf.tanh(tf.nn.conv2d(images, weights[0], 1, "SAME"))
        return tf.reshape(x, [-1, 48]) @ weights[1]

    return weights, judge


def photos(seed: int = 1, count: int = 3) -> tf.Tensor:
    random = np.random.default_rng(seed)
    return tf.constant(random.uniform(-1, 1, (count, 4, 4, 2)))


def numeric(
    function: Callable[[np.ndarray], float], at: np.ndarray, width: float = 1e-5
) -> np.ndarray:
    """Central differences."""
    slope = np.zeros(at.shape)
    for place in np.ndindex(at.shape):
        moved = np.zeros(at.shape)
        moved[place] = width
        slope[place] = (function(at + moved) - function(at - moved)) / (2 * width)
    return slope


def test_of_a_linear_discriminator() -> None:
    direction = np.random.default_rng(0).normal(size=(5, 5, 3)).astype("float32")

    def judge(images: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(images * direction, axis=[1, 2, 3])[:, tf.newaxis] - 7.0

    given = tf.constant(growing.images(4, 5))
    scores, slopes = penalties.squared_slopes(judge, given)
    np.testing.assert_allclose(scores, judge(given), rtol=1e-6)
    assert slopes.dtype == tf.float32
    np.testing.assert_allclose(slopes, [np.sum(direction**2)] * 4, rtol=1e-5)


def test_of_a_quadratic_discriminator() -> None:
    """D(x) = |x|^2 has the slope 2 x: a squared norm of 4 |x|^2."""
    given = tf.constant(growing.images(4, 5))
    _, slopes = penalties.squared_slopes(
        lambda x: tf.reduce_sum(x**2, axis=[1, 2, 3]), given
    )
    np.testing.assert_allclose(slopes, 4 * np.sum(given.numpy() ** 2, (1, 2, 3)), 1e-5)


def test_equals_finite_differences() -> None:
    _, judge = discriminator()
    given = photos()
    _, slopes = penalties.squared_slopes(judge, given)
    for i in range(3):
        slope = numeric(
            lambda x: float(judge(tf.constant(x[np.newaxis]))[0, 0]), given[i].numpy()
        )
        assert float(slopes[i]) == pytest.approx(np.sum(slope**2), rel=1e-5)


def r1(judge: Callable[[tf.Tensor], tf.Tensor], images: tf.Tensor) -> tf.Tensor:
    return 5.0 * tf.reduce_mean(penalties.squared_slopes(judge, images)[1])


def gp(judge: Callable[[tf.Tensor], tf.Tensor], images: tf.Tensor) -> tf.Tensor:
    return 10.0 * penalties.gradient_penalty(penalties.squared_slopes(judge, images)[1])


@pytest.mark.parametrize("penalty", [r1, gp])
def test_the_gradient_for_the_weights_equals_finite_differences(
    penalty: Callable[..., tf.Tensor],
) -> None:
    """The discriminator is in float64; the penalty itself is rounded to float32."""
    weights, judge = discriminator()
    given = photos()
    with tf.GradientTape() as tape:
        loss = penalty(judge, given)
    gradients = tape.gradient(loss, weights)
    for variable, gradient in zip(weights, gradients, strict=True):
        start = variable.numpy()

        def moved(
            value: np.ndarray,
            variable: tf.Variable = variable,
            start: np.ndarray = start,
        ) -> float:
            variable.assign(value)
            loss = float(penalty(judge, given))
            variable.assign(start)
            return loss

        slope = numeric(moved, start, width=1e-3)
        np.testing.assert_allclose(gradient, slope, rtol=1e-3, atol=2e-3)
        assert np.abs(gradient).max() > 1.0


def test_gradient_penalty_by_hand() -> None:
    squared = tf.constant([1.0, 9.0, 0.25])
    # (0 + 2^2 + 0.5^2) / 3 and, with a target of 2, (1 + 1 + 1.5^2) / 3
    assert float(penalties.gradient_penalty(squared)) == pytest.approx(4.25 / 3)
    of_2 = penalties.gradient_penalty(squared, target=2.0)
    assert float(of_2) == pytest.approx(4.25 / 3)


def test_gradient_penalty_where_the_slope_is_zero() -> None:
    squared = tf.constant([0.0])
    with tf.GradientTape() as tape:
        tape.watch(squared)
        penalty = penalties.gradient_penalty(squared)
    assert float(penalty) == pytest.approx(1.0, abs=1e-5)
    assert np.isfinite(tape.gradient(penalty, squared)).all()


def test_interpolates() -> None:
    real, fake = tf.fill([3, 2, 2, 1], 1.0), tf.fill([3, 2, 2, 1], -1.0)
    between = penalties.interpolates(real, fake, tf.constant([0.0, 0.25, 1.0]))
    np.testing.assert_allclose(between[:, 0, 1, 0], [1.0, 0.5, -1.0])
    assert between.shape == (3, 2, 2, 1)


@pytest.mark.parametrize(("step", "factor"), [(0, 4), (3, 2), (5, 1)])
@pytest.mark.parametrize("make", growing.MAKERS)
def test_the_strength_is_that_of_full_size_images(
    make: Callable[..., growing.GrowingGAN], step: int, factor: int
) -> None:
    """As in the original: repeated to full size, averaged in D, and differentiated.

    Both halves of the papers' penalties, R1 and the norm, are compared.
    """
    schedule = growing.growth(resolution=32, total_images=88, fade_images=8)
    model = growing.enter(make(schedule=schedule, dtype="float64"), step)
    side = model.phase.resolution
    assert model.shrinkage() == 32 / side == factor
    given = tf.constant(growing.images(4, side))

    def judge(images: tf.Tensor) -> tf.Tensor:
        scores = model.discriminator(images, alpha=model.alpha())
        return scores[0] if isinstance(scores, tuple) else scores

    large = growing.repeated(given, factor)
    with tf.GradientTape() as tape:
        tape.watch(large)
        total = tf.reduce_sum(judge(growing.pooled(large, factor)))
    slope = tape.gradient(total, large)
    assert slope.shape == (4, 32, 32, 3)
    expected = np.sum(slope.numpy() ** 2, axis=(1, 2, 3))
    _, slopes = penalties.squared_slopes(judge, given)
    np.testing.assert_allclose(slopes / model.shrinkage() ** 2, expected, rtol=1e-5)
    assert expected.min() > 1e-6


def test_drift_by_hand() -> None:
    scores = tf.constant([[1.0], [-3.0], [0.5]], tf.float16)
    drift = penalties.drift(scores)
    assert drift.dtype == tf.float32
    assert float(drift) == pytest.approx((1 + 9 + 0.25) / 3)
    large = tf.fill([300, 300], tf.constant(31.0, tf.float16))
    assert float(penalties.drift(large)) == pytest.approx(961.0)


def wgan_gp(
    judge: Callable[[tf.Tensor], tf.Tensor], real: tf.Tensor, fake: tf.Tensor
) -> tf.Tensor:
    """The critic's whole loss, its slope taken between the two (arXiv:1704.00028)."""
    between = penalties.interpolates(real, fake, tf.constant([0.2, 0.5, 0.9], "double"))
    _, slopes = penalties.squared_slopes(judge, between)
    game = losses.adversarial("wgan_gp")
    loss = game.discriminator(judge(real), judge(fake))
    return loss + 10.0 * penalties.gradient_penalty(slopes)


def test_the_wasserstein_critics_gradient_equals_finite_differences() -> None:
    weights, judge = discriminator()
    real, fake = photos(1), photos(2)
    with tf.GradientTape() as tape:
        loss = wgan_gp(judge, real, fake)
    gradients = tape.gradient(loss, weights)
    for variable, gradient in zip(weights, gradients, strict=True):
        start = variable.numpy()

        def moved(
            value: np.ndarray,
            variable: tf.Variable = variable,
            start: np.ndarray = start,
        ) -> float:
            variable.assign(value)
            loss = float(wgan_gp(judge, real, fake))
            variable.assign(start)
            return loss

        slope = numeric(moved, start, width=1e-3)
        np.testing.assert_allclose(gradient, slope, rtol=1e-3, atol=1e-2)
        assert np.abs(gradient).max() > 1.0

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


def sigmoid(logits: tf.Tensor) -> np.ndarray:
    return 1 / (1 + np.exp(-np.asarray(logits, np.float64)))


def test_minimax_generator() -> None:
    expected = np.log(1 - sigmoid(FAKE)).mean()
    loss = losses.minimax_generator_loss(FAKE)
    assert float(loss) == pytest.approx(expected, rel=1e-6)
    coin = losses.minimax_generator_loss(tf.zeros([2, 1]))
    assert float(coin) == pytest.approx(-np.log(2))


def test_minimax_saturates_where_the_other_form_does_not() -> None:
    """The slopes are -D and -(1 - D) of the paper's section 3."""
    logits = tf.constant([[-30.0], [-2.0], [1.0]])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(logits)
        minimax = losses.minimax_generator_loss(logits)
        other = losses.cross_entropy_generator_loss(logits)
    d = sigmoid(logits)
    np.testing.assert_allclose(tape.gradient(minimax, logits), -d / 3, rtol=1e-5)
    np.testing.assert_allclose(tape.gradient(other, logits), (d - 1) / 3, rtol=1e-5)


def test_hinge() -> None:
    # real: max(0, 1 - x) of 1.5, 0, 2, 1; fake: max(0, 1 + x) of 0.5, -1, 0, 2
    loss = losses.hinge_discriminator_loss(REAL, FAKE)
    assert float(loss) == pytest.approx((0 + 1 + 0 + 0) / 4 + (1.5 + 0 + 1 + 3) / 4)
    assert float(losses.hinge_generator_loss(FAKE)) == pytest.approx(-0.375)
    told = losses.hinge_discriminator_loss(tf.ones([3, 1]), -tf.ones([3, 1]))
    assert float(told) == 0.0


def test_l2() -> None:
    assert float(losses.l2_loss(REAL, FAKE)) == pytest.approx((1 + 1 + 4 + 1) / 4)


@pytest.mark.parametrize(
    ("mean", "sigma"), [(0.0, 1.0), (1.5, 1.0), (0.0, 0.3), (-0.7, 2.0)]
)
def test_gaussian_kl_equals_its_integral(mean: float, sigma: float) -> None:
    """The integral of p log(p / q), p = N(mean, sigma^2), q = N(0, 1)."""
    x = np.linspace(mean - 12 * sigma, mean + 12 * sigma, 200_001)
    log_p = -0.5 * ((x - mean) / sigma) ** 2 - np.log(sigma * np.sqrt(2 * np.pi))
    log_q = -0.5 * x**2 - np.log(np.sqrt(2 * np.pi))
    expected = np.sum(np.exp(log_p) * (log_p - log_q)) * (x[1] - x[0])
    loss = losses.gaussian_kl_loss(
        tf.fill([3, 5], mean), tf.fill([3, 5], float(np.log(sigma)))
    )
    assert float(loss) == pytest.approx(expected, abs=1e-5)
    assert (expected > 0.1) == ((mean, sigma) != (0.0, 1.0))


def test_gaussian_kl_is_a_mean_over_batch_and_dimensions() -> None:
    mean = tf.constant([[1.0, 0.0], [0.0, 3.0]])
    loss = losses.gaussian_kl_loss(mean, tf.zeros([2, 2]))
    assert float(loss) == pytest.approx((0.5 + 4.5) / 4)


def test_the_games_by_name() -> None:
    """As each one's paper has them; only the Wasserstein game penalises slopes."""
    real, fake = (np.asarray(x, np.float64) for x in (REAL, FAKE))
    cross = -np.log(sigmoid(real)).mean() - np.log(1 - sigmoid(fake)).mean()
    expected = {
        "minimax": (np.log(1 - sigmoid(fake)).mean(), cross),
        "non_saturating": (-np.log(sigmoid(fake)).mean(), cross),
        "lsgan": (1.5625, 0.5 * (2.25 + 5.25) / 4),
        "hinge": (-0.375, 1.625),
        "wgan_gp": (-0.375, 0.375 - 1.125),
    }
    assert set(losses.ADVERSARIAL) == set(expected)
    for name, values in expected.items():
        game = losses.adversarial(name)
        found = game.generator(FAKE), game.discriminator(REAL, FAKE)
        assert [float(x) for x in found] == pytest.approx(values, rel=1e-6), name
        assert game.penalizes_slopes == (name == "wgan_gp")


def test_an_unknown_game_is_refused() -> None:
    with pytest.raises(ValueError) as error:
        losses.adversarial("wgan")
    message = "minimax, non_saturating, lsgan, hinge, wgan_gp. Received: loss='wgan'"
    assert message in str(error.value)


@pytest.mark.parametrize("name", losses.ADVERSARIAL)
def test_every_game_pulls_apart_and_together(name: str) -> None:
    """D raises reals and lowers fakes, G raises fakes; in half precision too."""
    game = losses.adversarial(name)
    real, fake = (tf.zeros([4, 1], tf.float16) for _ in range(2))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([real, fake])
        d_loss, g_loss = game.discriminator(real, fake), game.generator(fake)
    assert d_loss.dtype == g_loss.dtype == tf.float32
    assert np.all(tape.gradient(d_loss, real) < 0)
    assert np.all(tape.gradient(g_loss, fake) < 0)
    slope = np.asarray(tape.gradient(d_loss, fake))
    # LSGAN's aim for fakes is 0, where they are.
    assert np.all(slope == 0 if name == "lsgan" else slope > 0)

"""GAN's training step against its paper."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import gans, latents
from tests.gans import cross_entropy
from tests.latents import LOG2, descend
from tfgan_models.gan import GAN
from tfgan_models.losses import ADVERSARIAL
from tfgan_models.networks import DCGANGenerator, MLPDiscriminator, MLPGenerator


def gan(
    dropout: float = 0.0, channels: int = 1, dtype: str | None = None, **options: object
) -> GAN:
    """Returns a small GAN, compiled with plain gradient descent."""
    keras.utils.set_random_seed(0)
    model = GAN(
        latents.enlarged(
            MLPGenerator(latents.SIZE, channels, 6, units=12, dtype=dtype), 6.0
        ),
        latents.enlarged(
            MLPDiscriminator(
                latents.SIZE, channels, units=8, dropout=dropout, dtype=dtype
            ),
            40.0,
        ),
        **options,
    )
    model.compile(latents.sgd(), latents.sgd())
    return model


@pytest.mark.parametrize("loss", ["minimax", "non_saturating"])
def test_one_step_is_algorithm_1(loss: str) -> None:
    """D on a minibatch of noise, then G on a new one, against the new D."""
    model, twin = (gan(loss=loss, dtype="float64") for _ in range(2))
    start = gans.weights(twin)
    data = latents.one_batch()
    g, d = twin.generator, twin.discriminator
    first, second = latents.latents(twin, 0), latents.latents(twin, 1)
    assert np.abs(first - second).max() > 0.1

    fake = g(first)
    d_loss = descend(
        lambda: cross_entropy(d(data["real"]), 1.0) + cross_entropy(d(fake), 0.0), d
    )
    g_loss = descend(
        lambda: (
            -cross_entropy(d(g(second)), 0.0)
            if loss == "minimax"
            else cross_entropy(d(g(second)), 1.0)
        ),
        g,
    )
    logs = model.train_step(data)
    assert tuple(logs) == GAN.loss_names
    expected = {"g_loss": g_loss, "d_loss": d_loss, "penalty": 0.0}
    for name, value in expected.items():
        assert float(logs[name]) == pytest.approx(value, rel=1e-5), name
    latents.assert_same_step(model, twin, start)


@pytest.mark.numerics
def test_one_step_with_the_gradient_penalty() -> None:
    options = {"loss": "wgan_gp", "gp_weight": 3.0, "dtype": "float64"}
    model, twin = (gan(**options) for _ in range(2))
    start = gans.weights(twin)
    real = latents.one_batch()["real"]
    g, d = twin.generator, twin.discriminator
    fake = g(latents.latents(twin, 0))
    places = 0.5 + 0.5 * twin.draw_samples(2, 4, distribution="uniform")
    assert 0 <= float(tf.reduce_min(places)) < float(tf.reduce_max(places)) < 1
    penalty = float(latents.penalty(d, real, fake, places))
    total = descend(
        lambda: (
            tf.reduce_mean(d(fake))
            - tf.reduce_mean(d(real))
            + 3.0 * latents.penalty(d, real, fake, places)
        ),
        d,
    )
    second = latents.latents(twin, 1)
    g_loss = descend(lambda: -tf.reduce_mean(d(g(second))), g)
    logs = model.train_step({"real": real})
    assert float(logs["penalty"]) == pytest.approx(penalty, rel=1e-4) != 0.0
    assert float(logs["d_loss"]) == pytest.approx(total - 3 * penalty, abs=1e-4)
    assert float(logs["g_loss"]) == pytest.approx(g_loss, rel=1e-4)
    latents.assert_same_step(model, twin, start)


@pytest.mark.parametrize(
    ("loss", "g_loss", "d_loss"),
    [
        ("minimax", -LOG2, 2 * LOG2),
        ("non_saturating", LOG2, 2 * LOG2),
        ("lsgan", 1.0, 0.5),
        ("hinge", 0.0, 2.0),
        ("wgan_gp", 0.0, 0.0),
    ],
)
def test_every_loss_begins_where_the_discriminator_cannot_tell(
    loss: str, g_loss: float, d_loss: float
) -> None:
    model = gan(0.5, loss=loss)
    head = model.discriminator.get_layer("head")
    head.kernel.assign(tf.zeros_like(head.kernel))
    model.discriminator_optimizer.learning_rate = 0.0
    logs = model.train_step(latents.one_batch())
    assert float(logs["g_loss"]) == pytest.approx(g_loss, abs=1e-6)
    assert float(logs["d_loss"]) == pytest.approx(d_loss, abs=1e-6)
    assert float(logs["penalty"]) == pytest.approx(
        1.0 if loss == "wgan_gp" else 0.0, abs=1e-5
    )


def test_every_loss_is_tested() -> None:
    assert set(ADVERSARIAL) == {
        "minimax",
        "non_saturating",
        "lsgan",
        "hinge",
        "wgan_gp",
    }


def test_the_graph_trains_as_eager_does() -> None:
    options = {"dropout": 0.5, "loss": "wgan_gp", "dtype": "float64"}
    latents.assert_graph_is_eager(gan(**options), gan(**options), latents.batches(3))


@pytest.mark.parametrize("loss", ["minimax", "wgan_gp"])
def test_two_replicas_equal_one(
    loss: str, mirrored: tf.distribute.MirroredStrategy
) -> None:
    """2 replicas x batch 2 and 1 replica x batch 4: the same noise, the same step."""
    latents.assert_two_replicas_are_one(
        lambda: gan(loss=loss, ema_decay=0.9, dtype="float64"),
        mirrored,
        latents.batches(2),
    )


def test_replicas_draw_their_own_noise_and_dropout(
    mirrored: tf.distribute.MirroredStrategy,
) -> None:
    with mirrored.scope():
        model = gan(0.5)
    image = tf.ones([1, latents.SIZE, latents.SIZE, 1])

    @tf.function
    def step() -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        judged = [model.judge(image, purpose) for purpose in (16, 17)]
        return model.generate(tf.zeros([2, 1]), 0), *judged

    fakes, real, fake = mirrored.run(step)
    for drawn in (fakes, real, fake):
        one, other = mirrored.experimental_local_results(drawn)
        assert np.abs(one - other).max() > 1e-6
    one, other = (mirrored.experimental_local_results(x)[0] for x in (real, fake))
    assert np.abs(one - other).max() > 1e-6  # reals and fakes have their own masks


def test_the_average_follows_and_is_exported() -> None:
    model = gan(ema_decay=0.75)
    before = model.generator.get_weights()
    model.train_step(latents.one_batch())
    average = model.exported_networks["generator"]
    assert average is not model.generator
    weights = zip(
        before, model.generator.get_weights(), average.get_weights(), strict=True
    )
    for old, new, ema in weights:
        np.testing.assert_allclose(ema, 0.1 * old + 0.9 * new, atol=1e-7)


def test_calling_draws_images() -> None:
    model = gan(channels=3)
    latent = latents.latents(model, 0)
    images = model(latent)
    assert images.shape == (4, latents.SIZE, latents.SIZE, 3)
    np.testing.assert_array_equal(images, model.generator(latent))


def test_survives_serialisation() -> None:
    model = gan(loss="hinge", gp_weight=2.0, seed=4, ema_decay=0.5)
    twin = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(model)
    )
    assert isinstance(twin, GAN)
    assert twin.get_config() == model.get_config()
    own = {"generator", "discriminator", "loss", "gp_weight"}
    assert set(twin.get_config()) == own | {"ema_decay", "seed", "name"}


@pytest.mark.parametrize(
    ("generator", "options", "message"),
    [
        (MLPGenerator(8), {}, "same resolution. Received: resolution=8 and resoluti"),
        (MLPGenerator(16, 3), {}, "same channels. Received: channels=3 and channels=1"),
        (
            DCGANGenerator(16, channels=1, label_size=2),
            {},
            "same label_size. Received: label_size=2 and label_size=0",
        ),
        (MLPGenerator(16), {"loss": "vae"}, "loss must be one of minimax, .*'vae'"),
        (MLPGenerator(16), {"gp_weight": -1.0}, "Received: gp_weight=-1.0"),
        (MLPGenerator(16), {"ema_decay": 1.0}, "Received: ema_decay=1.0"),
    ],
)
def test_refuses_what_cannot_be(
    generator: keras.Model, options: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        GAN(generator, MLPDiscriminator(16), **options)

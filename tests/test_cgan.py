"""CGAN's training step against its paper."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import gans, latents
from tests.gans import cross_entropy
from tests.latents import CLASSES, SIZE, descend
from tfgan_models.cgan import CGAN
from tfgan_models.losses import ADVERSARIAL
from tfgan_models.networks import (
    ConditionalMLPDiscriminator,
    ConditionalMLPGenerator,
    DCGANDiscriminator,
    DCGANGenerator,
    MLPDiscriminator,
    MLPGenerator,
)


def cgan(dropout: float = 0.0, dtype: str | None = None, **options: object) -> CGAN:
    """Returns the paper's CGAN for small images, compiled with plain descent."""
    keras.utils.set_random_seed(0)
    shape = {"image_size": SIZE, "label_size": CLASSES, "dropout": dropout}
    shape |= {"dtype": dtype}
    model = CGAN(
        latents.enlarged(ConditionalMLPGenerator(latent_size=6, **shape), 2.0),
        latents.enlarged(ConditionalMLPDiscriminator(**shape), 20.0),
        **options,
    )
    model.compile(latents.sgd(), latents.sgd())
    return model


def convolutional(dtype: str | None = None, **options: object) -> CGAN:
    keras.utils.set_random_seed(0)
    model = CGAN(
        DCGANGenerator(SIZE, 6, 4, label_size=CLASSES, dtype=dtype),
        DCGANDiscriminator(SIZE, 4, label_size=CLASSES, dtype=dtype),
        **options,
    )
    model.compile(latents.sgd(), latents.sgd())
    return model


def test_one_step_is_the_papers() -> None:
    """D(x|y) and D(G(z|y)|y) with the batch's y, then G on new noise and this y."""
    model, twin = (cgan(dtype="float64") for _ in range(2))
    start = gans.weights(twin)
    data = latents.one_batch()
    y = tf.one_hot(data["label"], CLASSES)
    assert len(set(data["label"].numpy())) > 1
    g, d = twin.generator, twin.discriminator
    first, second = latents.latents(twin, 0), latents.latents(twin, 1)

    fake = g(first, labels=y)
    d_loss = descend(
        lambda: (
            cross_entropy(d(data["real"], labels=y), 1.0)
            + cross_entropy(d(fake, labels=y), 0.0)
        ),
        d,
    )
    g_loss = descend(lambda: -cross_entropy(d(g(second, labels=y), labels=y), 0.0), g)
    logs = model.train_step(data)
    assert tuple(logs) == CGAN.loss_names
    expected = {"g_loss": g_loss, "d_loss": d_loss, "penalty": 0.0}
    for name, value in expected.items():
        assert float(logs[name]) == pytest.approx(value, rel=1e-5), name
    latents.assert_same_step(model, twin, start)


@pytest.mark.parametrize("loss", ADVERSARIAL)
def test_every_loss_trains(loss: str) -> None:
    for model, channels in ((cgan(0.5, loss=loss), 1), (convolutional(loss=loss), 3)):
        start = gans.weights(model)
        logs = model.train_step(latents.one_batch(channels))
        assert all(np.isfinite(float(value)) for value in logs.values())
        pairs = zip(start, gans.weights(model), strict=True)
        moved = [np.abs(a - b).max() > 0 for a, b in pairs if a.ndim > 1]
        assert all(moved)


def test_the_label_decides() -> None:
    model = cgan()
    latent = latents.latents(model, 0)
    zero, one = (model((latent, tf.fill([4], label))) for label in (0, 1))
    assert zero.shape == (4, SIZE, SIZE, 1)
    assert np.abs(zero - one).max() > 1e-4
    np.testing.assert_array_equal(
        one, model.generator(latent, labels=tf.one_hot([1] * 4, CLASSES))
    )


def test_the_graph_trains_as_eager_does() -> None:
    eager, graph = (cgan(0.5, "float64", loss="wgan_gp") for _ in range(2))
    latents.assert_graph_is_eager(eager, graph, latents.batches(3))


def test_two_replicas_equal_one(mirrored: tf.distribute.MirroredStrategy) -> None:
    latents.assert_two_replicas_are_one(
        lambda: cgan(ema_decay=0.9, dtype="float64"), mirrored, latents.batches(2)
    )


def test_two_replicas_equal_one_with_batch_normalisation(
    mirrored: tf.distribute.MirroredStrategy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each replica normalises its own images: both halves of the batch are alike."""

    def halves(
        self: CGAN, purpose: int, count: int, *shape: int, distribution: str
    ) -> tf.Tensor:
        whole = tf.random.stateless_uniform([2, *shape], [purpose, 0], -1.0, 1.0)
        return tf.tile(whole, [count // 2] + [1] * len(shape))

    monkeypatch.setattr(CGAN, "draw_samples", halves)
    latents.assert_two_replicas_are_one(
        lambda: convolutional("float64", ema_decay=0.9),
        mirrored,
        latents.batches(2, 3, True),
    )


@pytest.mark.parametrize("label", [-1, CLASSES])
def test_refuses_a_label_that_there_is_not(label: int) -> None:
    batch = latents.one_batch()
    with pytest.raises(tf.errors.InvalidArgumentError, match="needs labels, each from"):
        cgan().train_step(batch | {"label": tf.fill([4], label)})


def test_survives_serialisation() -> None:
    model = cgan(loss="lsgan", gp_weight=2.0, seed=4, ema_decay=0.5)
    twin = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(model)
    )
    assert isinstance(twin, CGAN)
    assert twin.get_config() == model.get_config()
    own = {"generator", "discriminator", "loss", "gp_weight"}
    assert set(twin.get_config()) == own | {"ema_decay", "seed", "name"}


def test_refuses_networks_without_labels() -> None:
    message = "label_size must be the number of classes. Received: label_size=0"
    with pytest.raises(ValueError, match=message):
        CGAN(MLPGenerator(16), MLPDiscriminator(16))
    with pytest.raises(ValueError, match="Received: label_size=10 and label_size=3"):
        CGAN(ConditionalMLPGenerator(16), ConditionalMLPDiscriminator(16, 1, 3))

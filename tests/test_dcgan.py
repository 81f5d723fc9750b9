"""DCGAN's training step against its paper."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import gans, latents
from tests.gans import cross_entropy
from tests.latents import SIZE, descend
from tfgan_models.dcgan import DCGAN
from tfgan_models.losses import ADVERSARIAL
from tfgan_models.networks import DCGANDiscriminator, DCGANGenerator
from tfgan_models.runs import checkpoints


def dcgan(norm: str = "batch", dtype: str | None = None, **options: object) -> DCGAN:
    """Returns a small DCGAN, compiled with plain gradient descent."""
    keras.utils.set_random_seed(0)
    model = DCGAN(
        DCGANGenerator(SIZE, 6, 4, dtype=dtype),
        DCGANDiscriminator(SIZE, 4, norm=norm, dtype=dtype),
        **options,
    )
    model.compile(latents.sgd(), latents.sgd())
    return model


@pytest.mark.numerics
@pytest.mark.parametrize("norm", ["batch", "spectral"])
def test_one_step_is_the_papers(norm: str) -> None:
    """Reals and fakes by themselves, then G on the same noise against the new D."""
    model, twin = (dcgan(norm, "float64") for _ in range(2))
    start = gans.weights(twin)
    real = latents.one_batch(3)["real"]
    g, d = twin.generator, twin.discriminator
    latent = latents.latents(twin, 0)

    fixed = g(latent, training=True)
    d_loss = descend(
        lambda: (
            cross_entropy(d(real, training=True), 1.0)
            + cross_entropy(d(fixed, training=True), 0.0)
        ),
        d,
    )
    # Seen once more for its gradient; its averages have been moved already.
    averages = [v.numpy() for v in g.non_trainable_variables]
    g_loss = descend(
        lambda: cross_entropy(d(g(latent, training=True), training=True), 1.0), g
    )
    for variable, average in zip(g.non_trainable_variables, averages, strict=True):
        variable.assign(average)

    logs = model.train_step({"real": real})
    assert tuple(logs) == DCGAN.loss_names
    expected = {"g_loss": g_loss, "d_loss": d_loss, "penalty": 0.0}
    for name, value in expected.items():
        assert float(logs[name]) == pytest.approx(value, rel=1e-5), name
    latents.assert_same_step(model, twin, start)


@pytest.mark.parametrize("norm", ["batch", "spectral"])
@pytest.mark.parametrize("loss", ADVERSARIAL)
def test_every_loss_trains(loss: str, norm: str) -> None:
    model = dcgan(norm, loss=loss)
    start = gans.weights(model)
    logs = model.train_step(latents.one_batch(3))
    assert all(np.isfinite(float(value)) for value in logs.values())
    assert (float(logs["penalty"]) > 0.0) == (loss == "wgan_gp")
    pairs = zip(start, gans.weights(model), strict=True)
    assert all(np.abs(a - b).max() > 0 for a, b in pairs if a.ndim > 1)


def test_the_graph_trains_as_eager_does() -> None:
    data = latents.batches(3, channels=3)
    eager, graph = (dcgan(dtype="float64") for _ in range(2))
    latents.assert_graph_is_eager(eager, graph, data)


@pytest.mark.parametrize("norm", ["batch", "spectral"])
def test_two_replicas_equal_one(
    norm: str,
    mirrored: tf.distribute.MirroredStrategy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each replica normalises its own images: both halves of the batch are alike."""

    def halves(
        self: DCGAN, purpose: int, count: int, *shape: int, distribution: str
    ) -> tf.Tensor:
        whole = tf.random.stateless_uniform([2, *shape], [purpose, 0], -1.0, 1.0)
        return tf.tile(whole, [count // 2] + [1] * len(shape))

    monkeypatch.setattr(DCGAN, "draw_samples", halves)
    latents.assert_two_replicas_are_one(
        lambda: dcgan(norm, "float64", ema_decay=0.9),
        mirrored,
        latents.batches(2, 3, True),
    )


def test_replicas_draw_their_own_noise(
    mirrored: tf.distribute.MirroredStrategy,
) -> None:
    with mirrored.scope():
        model = dcgan()
    drawn = mirrored.run(tf.function(lambda: latents.latents(model, 0)))
    one, other = mirrored.experimental_local_results(drawn)
    assert np.abs(one - other).max() > 0.1
    assert np.abs(one).max() <= 1.0  # uniform, as in the paper


@pytest.mark.slow
def test_resumed_from_a_checkpoint_is_bit_for_bit_the_same(tmp_path: Path) -> None:
    whole, first, second = (dcgan("spectral", ema_decay=0.9) for _ in range(3))
    data = latents.batches(4, 3)
    gans.train(whole, data)
    gans.train(first, data.take(2))
    checkpoints.save(tmp_path, 2, first.training_state())
    for weight in second.generator.weights:
        weight.assign(tf.ones_like(weight))
    assert checkpoints.restore(tmp_path, second.training_state()) == 2
    gans.train(second, data.skip(2))
    assert int(second.step) == int(whole.step) == 4
    for one, other in zip(gans.weights(whole), gans.weights(second), strict=True):
        np.testing.assert_array_equal(one, other)
    averages = (m.ema_generators["generator"].get_weights() for m in (whole, second))
    for one, other in zip(*averages, strict=True):
        np.testing.assert_array_equal(one, other)


def test_survives_serialisation() -> None:
    model = dcgan(loss="hinge", gp_weight=2.0, seed=4, ema_decay=0.5)
    twin = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(model)
    )
    assert isinstance(twin, DCGAN)
    assert twin.get_config() == model.get_config()
    own = {"generator", "discriminator", "loss", "gp_weight"}
    assert set(twin.get_config()) == own | {"ema_decay", "seed", "name"}


def test_refuses_networks_that_do_not_go_together() -> None:
    with pytest.raises(ValueError, match="resolution=32 and resolution=16"):
        DCGAN(DCGANGenerator(32, 6, 4), DCGANDiscriminator(16, 4))
    labelled = {"label_size": 2}
    with pytest.raises(ValueError, match="must be 0: there are no labels"):
        DCGAN(
            DCGANGenerator(16, 6, 4, **labelled), DCGANDiscriminator(16, 4, **labelled)
        )

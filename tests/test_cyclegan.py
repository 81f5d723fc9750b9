"""CycleGAN's training step against its paper."""

import inspect
from collections.abc import Callable
from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import gans
from tfgan_models import losses
from tfgan_models.cyclegan import CycleGAN
from tfgan_models.networks import PatchDiscriminator, ResNetGenerator


def one_batch() -> dict[str, tf.Tensor]:
    return next(iter(gans.batches(1)))


def training(network: keras.Model) -> partial:
    return partial(network, training=True)


def manual_generator_loss(model: CycleGAN, data: dict[str, tf.Tensor]) -> tf.Tensor:
    """Section 3 and 5.2 of the paper, term by term, each network called on its own."""
    g, f = training(model.generator_a2b), training(model.generator_b2a)
    d_a, d_b = training(model.discriminator_a), training(model.discriminator_b)
    a, b = data["real_a"], data["real_b"]
    adversarial = tf.reduce_mean((d_b(g(a)) - 1) ** 2)
    adversarial += tf.reduce_mean((d_a(f(b)) - 1) ** 2)
    cycle = losses.l1_loss(f(g(a)), a) + losses.l1_loss(g(f(b)), b)
    identity = losses.l1_loss(g(b), b) + losses.l1_loss(f(a), a)
    return adversarial + 10.0 * cycle + 5.0 * identity


def manual_discriminator_loss(
    model: CycleGAN, data: dict[str, tf.Tensor], fakes: dict[str, tf.Tensor]
) -> tf.Tensor:
    total = tf.constant(0.0)
    for name, network in model.discriminators.items():
        judge = training(network)
        real, fake = judge(data[f"real_{name}"]), judge(fakes[name])
        total += (tf.reduce_mean((real - 1) ** 2) + tf.reduce_mean(fake**2)) / 2
    return total


@pytest.mark.numerics
@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_one_step_is_the_papers(norm: str) -> None:
    """Joint G step, then joint D step on the fakes of before the G step.

    The two domains are unlike, and no batch statistics are of both.
    """
    options = {"optimizer": gans.sgd, "pool_size": 0, "norm": norm}
    model, twin = (gans.cyclegan(dtype="float64", **options) for _ in range(2))
    start = trained(twin)
    data = one_batch()
    data["real_a"] = 0.3 * data["real_a"] - 0.6

    fakes = {
        "a": twin.generator_b2a(data["real_b"], training=True),
        "b": twin.generator_a2b(data["real_a"], training=True),
    }
    with tf.GradientTape() as tape:
        g_loss = manual_generator_loss(twin, data)
    gradients = tape.gradient(g_loss, twin.generator_variables)
    twin.generator_optimizer.apply(gradients, twin.generator_variables)
    with tf.GradientTape() as tape:
        d_loss = manual_discriminator_loss(twin, data, fakes)
    gradients = tape.gradient(d_loss, twin.discriminator_variables)
    twin.discriminator_optimizer.apply(gradients, twin.discriminator_variables)

    logs = model.train_step(data)
    assert float(logs["g_loss"]) == pytest.approx(float(g_loss), rel=1e-5)
    assert float(logs["d_loss"]) == pytest.approx(float(d_loss), rel=1e-5)
    gans.assert_moved_alike(trained(model), trained(twin), start)


def trained(model: CycleGAN) -> list[np.ndarray]:
    return [
        v.numpy() for v in model.generator_variables + model.discriminator_variables
    ]


@pytest.mark.parametrize("identity_weight", [0.5, 0.0])
def test_generators_are_called_twice_each(
    identity_weight: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[real, identity] in one call, and the cycle; the identity's size is skipped."""
    model = gans.cyclegan(pool_size=0, identity_weight=identity_weight)
    sizes: list[int] = []
    original = model.generator_a2b.call

    def measured(x: tf.Tensor, *args: object, **kwargs: object) -> tf.Tensor:
        sizes.append(x.shape[0])
        return original(x, *args, **kwargs)

    monkeypatch.setattr(model.generator_a2b, "call", measured)
    logs = model.train_step(one_batch())
    assert sizes == ([8, 4] if identity_weight else [4, 4])
    assert (float(logs["identity_a"]) > 0) == bool(identity_weight)


def test_the_generators_step_takes_no_discriminator_gradients() -> None:
    """The tapes watch what they update and nothing else."""
    watched: list[list[str]] = []

    class Spy(tf.GradientTape):
        def gradient(self, *args: object, **kwargs: object) -> object:
            watched.append([v.path for v in args[1]])
            recorded = {id(v) for v in self.watched_variables()}
            updated = {id(v.value) for v in args[1]}
            assert recorded == updated
            return super().gradient(*args, **kwargs)

    model = gans.cyclegan(pool_size=0)
    original, tf.GradientTape = tf.GradientTape, Spy
    try:
        model.train_step(one_batch())
    finally:
        tf.GradientTape = original
    assert [len(names) for names in watched] == [
        len(model.generator_variables),
        len(model.discriminator_variables),
    ]


def test_discriminators_are_shown_the_pool() -> None:
    model = gans.cyclegan(pool_size=50)
    shown: list[tf.Tensor] = []
    original = model.pool_a.__class__.__call__
    data = one_batch()
    expected = model.generator_b2a(data["real_b"])

    def spy(pool: object, images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        shown.append(images)
        return original(pool, images, seed)

    model.pool_a.__class__.__call__ = spy
    try:
        model.train_step(data)
    finally:
        model.pool_a.__class__.__call__ = original
    np.testing.assert_allclose(shown[0], expected, atol=1e-5)
    assert int(model.pool_a.stored) == int(model.pool_b.stored) == 4
    np.testing.assert_allclose(model.pool_a.images[:4], expected, atol=1e-5)


@pytest.mark.parametrize(
    "train",
    [gans.train, pytest.param(gans.train_eagerly, marks=pytest.mark.numerics)],
)
def test_two_replicas_equal_one(
    train: Callable[..., dict[str, float]], mirrored: tf.distribute.MirroredStrategy
) -> None:
    """2 replicas x batch 2 and 1 replica x batch 4, with the paper's Adam."""
    options = {"pool_size": 0, "ema_decay": 0.9, "dtype": "float64"}
    single = gans.cyclegan(**options)
    start = gans.weights(single)
    single_logs = train(single, gans.batches(3))
    with mirrored.scope():
        double = gans.cyclegan(**options)
    double_logs = train(double, gans.batches(3))

    assert int(double.step.read_value()) == int(single.step) == 3
    assert double_logs == pytest.approx(single_logs, rel=1e-5)
    gans.assert_moved_alike(gans.weights(double), gans.weights(single), start)
    averages = [
        [w for ema in model.ema_generators.values() for w in ema.get_weights()]
        for model in (double, single)
    ]
    gans.assert_moved_alike(*averages, start[: len(averages[0])])


def test_each_replica_has_its_own_pool(
    mirrored: tf.distribute.MirroredStrategy,
) -> None:
    with mirrored.scope():
        model = gans.cyclegan(pool_size=6)
    gans.train_eagerly(model, gans.batches(2))
    state = model.training_state()["pool_a"]
    assert [int(count) for count in state["stored"]] == [4, 4]
    first, second = (images.numpy()[:4] for images in state["images"])
    assert np.abs(first - second).max() > 1e-3


def test_survives_serialisation() -> None:
    model = gans.cyclegan(seed=4, cycle_weight=7.0, ema_decay=0.5, pool_size=3)
    twin = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(model)
    )
    assert isinstance(twin, CycleGAN)
    assert twin.get_config() == model.get_config()
    defaults = inspect.signature(CycleGAN.__init__).parameters
    shared = {"name", "seed", "ema_decay"}
    assert set(twin.get_config()) == set(defaults) - {"self", "kwargs"} | shared
    assert keras.saving.get_registered_name(CycleGAN) == "tfgan_models>CycleGAN"


def test_saves_and_loads_as_keras_file(tmp_path: object) -> None:
    model = gans.cyclegan()
    path = f"{tmp_path}/cyclegan.keras"
    model.save(path)
    loaded = keras.saving.load_model(path, compile=False)
    image = one_batch()["real_a"]
    np.testing.assert_array_equal(loaded(image), model(image))
    np.testing.assert_array_equal(
        loaded.discriminator_b(image), model.discriminator_b(image)
    )


def test_refuses_an_identity_between_different_channels() -> None:
    with pytest.raises(ValueError, match="channels 1 and 3"):
        CycleGAN(
            ResNetGenerator(4, 1, channels=1, output_channels=3),
            ResNetGenerator(4, 1, channels=3, output_channels=1),
            PatchDiscriminator(4, channels=1),
            PatchDiscriminator(4, channels=3),
        )


def test_translates_between_different_channels() -> None:
    model = CycleGAN(
        ResNetGenerator(4, 1, channels=1, output_channels=3),
        ResNetGenerator(4, 1, channels=3, output_channels=1),
        PatchDiscriminator(4, layers=1, channels=1),
        PatchDiscriminator(4, layers=1, channels=3),
        image_size=16,
        identity_weight=0.0,
    )
    model.compile(keras.optimizers.Adam(), keras.optimizers.Adam())
    data = one_batch()
    logs = model.train_step(
        {"real_a": data["real_a"][..., :1], "real_b": data["real_b"]}
    )
    assert np.isfinite(float(logs["g_loss"]))


def test_refuses_an_image_size_the_generators_cannot_take() -> None:
    with pytest.raises(ValueError, match="image_size=250 is not a multiple of 4"):
        CycleGAN(
            ResNetGenerator(4, 1),
            ResNetGenerator(4, 1),
            PatchDiscriminator(4),
            PatchDiscriminator(4),
            image_size=250,
        )

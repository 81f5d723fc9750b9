"""Pix2Pix's training step against its paper."""

import inspect
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import gans
from tests.gans import cross_entropy
from tfgan_models.networks import PatchDiscriminator, UNetGenerator
from tfgan_models.pix2pix import Pix2Pix
from tfgan_models.runs import checkpoints

Optimizer = Callable[[], keras.optimizers.Optimizer]


def pix2pix(
    norm: str = "batch",
    dropout: float = 0.0,
    downsamplings: int = 3,
    optimizer: Optimizer = gans.adam,
    dtype: str | None = None,
    **options: object,
) -> Pix2Pix:
    """Returns a small Pix2Pix, compiled; 6 downsamplings and more have dropout."""
    keras.utils.set_random_seed(0)
    model = Pix2Pix(
        UNetGenerator(downsamplings, 4, norm=norm, dropout=dropout, dtype=dtype),
        PatchDiscriminator(4, layers=1, channels=6, norm=norm, dtype=dtype),
        **options,
    )
    model.compile(optimizer(), optimizer())
    return model


def noisy(**options: object) -> Pix2Pix:
    return pix2pix(dropout=0.5, downsamplings=6, **options)


def batches(count: int, size: int = gans.SIZE) -> tf.data.Dataset:
    """Returns `count` batches of 4 random pairs."""
    random = np.random.default_rng(5)
    pairs = {
        key: random.uniform(-1, 1, (4 * count, size, size, 3)).astype(np.float32)
        for key in ("real_a", "real_b")
    }
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.OFF
    )
    return tf.data.Dataset.from_tensor_slices(pairs).batch(4).with_options(options)


def one_batch(size: int = gans.SIZE) -> dict[str, tf.Tensor]:
    return next(iter(batches(1, size)))


@pytest.mark.numerics
@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_one_step_is_the_papers(norm: str) -> None:
    """The D step, halved, then the G step against the new D, on the fake of before."""
    options = {"optimizer": lambda: keras.optimizers.SGD(0.01), "dtype": "float64"}
    model, twin = (pix2pix(norm, **options) for _ in range(2))
    data = one_batch()
    a, b = data["real_a"], data["real_b"]
    g, d = twin.generator, twin.discriminator
    start = gans.weights(twin)

    def judge(image: tf.Tensor) -> tf.Tensor:
        return d(tf.concat([a, image], -1), training=True)

    fixed = g(a, training=True)
    with tf.GradientTape() as tape:
        d_loss = (cross_entropy(judge(b), 1.0) + cross_entropy(judge(fixed), 0.0)) / 2
    gradients = tape.gradient(d_loss, d.trainable_variables)
    for variable, gradient in zip(d.trainable_variables, gradients, strict=True):
        variable.assign_sub(0.01 * gradient)
    # Seen once more for its gradient; its averages have been moved already.
    averages = [v.numpy() for v in g.non_trainable_variables]
    with tf.GradientTape() as tape:
        fake = g(a, training=True)
        gan, l1 = cross_entropy(judge(fake), 1.0), tf.reduce_mean(tf.abs(fake - b))
        g_loss = gan + 100.0 * l1
    gradients = tape.gradient(g_loss, g.trainable_variables)
    for variable, gradient in zip(g.trainable_variables, gradients, strict=True):
        variable.assign_sub(0.01 * gradient)
    for variable, average in zip(g.non_trainable_variables, averages, strict=True):
        variable.assign(average)

    logs = model.train_step(data)
    expected = {"g_loss": g_loss, "gan": gan, "l1": l1, "d_loss": d_loss}
    assert tuple(logs) == tuple(expected) == Pix2Pix.loss_names
    for name, value in expected.items():
        assert float(logs[name]) == pytest.approx(float(value), rel=1e-5), name
    gans.assert_moved_alike(gans.weights(model), gans.weights(twin), start)
    for manual, before in zip(gans.weights(twin), start, strict=True):
        if manual.ndim == 4:  # an update, not two models that stood still
            assert np.abs(manual - before).max() > 1e-4


def test_it_fits_one_pair() -> None:
    model = pix2pix("instance", optimizer=lambda: keras.optimizers.Adam(0.01))
    data = one_batch()
    data = {
        key: tf.image.resize(value[:1, :4, :4], [16, 16]) for key, value in data.items()
    }
    pairs = tf.data.Dataset.from_tensors(data).repeat(60)
    first = float(model.train_step(data)["l1"])
    gans.train(model, pairs)
    difference = tf.reduce_mean(tf.abs(model(data["real_a"]) - data["real_b"]))
    assert float(difference) < first / 3


def test_two_replicas_equal_one(mirrored: tf.distribute.MirroredStrategy) -> None:
    """2 replicas x batch 2 and 1 replica x batch 4: the same after 2 steps."""
    options = {"norm": "instance", "optimizer": gans.sgd, "ema_decay": 0.9}
    options |= {"dtype": "float64"}
    single = pix2pix(**options)
    start = gans.weights(single)
    single_logs = gans.train_eagerly(single, batches(2))
    with mirrored.scope():
        double = pix2pix(**options)
    double_logs = gans.train_eagerly(double, batches(2))

    assert int(double.step.read_value()) == int(single.step) == 2
    assert double_logs == pytest.approx(single_logs, rel=1e-5)
    gans.assert_moved_alike(gans.weights(double), gans.weights(single), start)
    averages = [m.ema_generators["generator"].get_weights() for m in (double, single)]
    gans.assert_moved_alike(*averages, start[: len(averages[0])])


def test_replicas_draw_their_own_dropout(
    mirrored: tf.distribute.MirroredStrategy,
) -> None:
    with mirrored.scope():
        model = noisy()
    image = one_batch(64)["real_a"]

    def generate() -> list[np.ndarray]:
        fakes = mirrored.run(
            tf.function(lambda x: model.forward(model.generator, x)), args=(image,)
        )
        return [fake.numpy() for fake in mirrored.experimental_local_results(fakes)]

    first, second = generate()
    assert np.abs(first - second).max() > 1e-4
    for one, other in zip((first, second), generate(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_two_replicas_train_with_batch_normalisation_and_dropout(
    mirrored: tf.distribute.MirroredStrategy,
) -> None:
    """Each replica normalises its own images; averages are those of all replicas."""
    with mirrored.scope():
        model = noisy(ema_decay=0.5)
    start = gans.weights(model)
    logs = gans.train(model, batches(2, 64))
    assert all(np.isfinite(value) for value in logs.values())
    pairs = zip(start, gans.weights(model), strict=True)
    assert all(np.abs(before - after).max() > 0 for before, after in pairs)
    averages = [w for w in model.generator.weights if "moving" in w.path]
    assert len(averages) == 18
    for average in averages:
        one, other = mirrored.experimental_local_results(average.value)
        np.testing.assert_array_equal(one, other)


def test_dropout_follows_from_seed_and_step() -> None:
    model, twin, other = noisy(), noisy(), noisy(seed=1)
    image = one_batch(64)["real_a"]
    first = model.forward(model.generator, image)
    np.testing.assert_array_equal(model.forward(model.generator, image), first)
    np.testing.assert_array_equal(twin.forward(twin.generator, image), first)
    assert np.abs(other.forward(other.generator, image) - first).max() > 1e-4
    model.step.assign_add(1)
    assert np.abs(model.forward(model.generator, image) - first).max() > 1e-4


def test_calling_is_deterministic() -> None:
    model = noisy()
    gans.train_eagerly(model, batches(2, 64))
    image = one_batch(64)["real_a"]
    np.testing.assert_array_equal(model(image), model(image))
    np.testing.assert_array_equal(
        model(image), model.exported_networks["generator"](image, training=False)
    )
    assert np.abs(model(image) - model.forward(model.generator, image)).max() > 1e-4


def test_batch_normalisation_averages_follow_the_data() -> None:
    """As Keras's own do, which `forward` keeps from being assigned in the call."""
    model, twin = noisy(), noisy()
    image = one_batch(64)["real_a"]
    model.forward(model.generator, image)
    twin.generator(image, training=True)
    # Before the first dropout the two are the same.
    for layer in ("down2_norm", "down5_norm", "up6_norm"):
        ours, theirs = (
            m.generator.get_layer(layer).moving_variance for m in (model, twin)
        )
        np.testing.assert_array_equal(ours, theirs)
        assert np.abs(ours.numpy() - 1.0).max() > 1e-3


@pytest.mark.slow
def test_resumed_from_a_checkpoint_is_bit_for_bit_the_same(tmp_path: Path) -> None:
    """Everything is saved: networks, averages, optimizers, EMA, the noise's place."""
    options = {"ema_decay": 0.9, "norm": "batch"}
    whole = noisy(**options)
    gans.train(whole, batches(4, 64))

    first = noisy(**options)
    gans.train(first, batches(4, 64).take(2))
    checkpoints.save(tmp_path, 2, first.training_state())
    second = noisy(**options)
    for weight in second.generator.weights:
        weight.assign(tf.ones_like(weight))
    assert checkpoints.restore(tmp_path, second.training_state()) == 2
    gans.train(second, batches(4, 64).skip(2))

    assert int(second.step) == int(whole.step) == 4
    for one, other in zip(gans.weights(whole), gans.weights(second), strict=True):
        np.testing.assert_array_equal(one, other)
    for name in ("generator_optimizer", "discriminator_optimizer"):
        pairs = zip(
            getattr(whole, name).variables, getattr(second, name).variables, strict=True
        )
        for one, other in pairs:
            np.testing.assert_array_equal(one, other)
    image = one_batch(64)["real_a"]
    np.testing.assert_array_equal(
        whole.exported_networks["generator"](image),
        second.exported_networks["generator"](image),
    )


def test_survives_serialisation() -> None:
    model = pix2pix(seed=4, l1_weight=7.0, ema_decay=0.5)
    twin = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(model)
    )
    assert isinstance(twin, Pix2Pix)
    assert twin.get_config() == model.get_config()
    defaults = inspect.signature(Pix2Pix.__init__).parameters
    shared = {"name", "seed", "ema_decay"}
    assert set(twin.get_config()) == set(defaults) - {"self", "kwargs"} | shared
    assert keras.saving.get_registered_name(Pix2Pix) == "tfgan_models>Pix2Pix"


def test_saves_and_loads_as_keras_file(tmp_path: Path) -> None:
    model = pix2pix()
    gans.train_eagerly(model, batches(1))
    model.save(tmp_path / "pix2pix.keras")
    loaded = keras.saving.load_model(tmp_path / "pix2pix.keras", compile=False)
    data = one_batch()
    np.testing.assert_array_equal(loaded(data["real_a"]), model(data["real_a"]))
    both = tf.concat([data["real_a"], data["real_b"]], -1)
    np.testing.assert_array_equal(loaded.discriminator(both), model.discriminator(both))


def test_translates_between_different_channels() -> None:
    model = Pix2Pix(
        UNetGenerator(2, 4, channels=1, output_channels=3),
        PatchDiscriminator(4, layers=1, channels=4),
    )
    model.compile(gans.adam(), gans.adam())
    data = one_batch()
    logs = model.train_step(
        {"real_a": data["real_a"][..., :1], "real_b": data["real_b"]}
    )
    assert np.isfinite(float(logs["g_loss"]))
    assert model(data["real_a"][..., :1]).shape == (4, 16, 16, 3)


def test_the_papers_networks_have_their_parameters() -> None:
    generator = UNetGenerator()
    discriminator = PatchDiscriminator(channels=6, norm="batch")
    Pix2Pix(generator, discriminator)
    counts = [
        sum(int(np.prod(v.shape)) for v in network.trainable_variables)
        for network in (generator, discriminator)
    ]
    assert counts == [54_413_955, 2_768_705]


@pytest.mark.parametrize(
    ("channels", "options", "message"),
    [
        (3, {}, r"3 \+ 3 = 6 channels. Received: channels=3"),
        (6, {"l1_weight": -1.0}, "l1_weight must be 0 or more. Received: l1_weight=-1"),
        (6, {"ema_decay": 1.0}, "ema_decay must be in"),
    ],
)
def test_refuses_what_cannot_be(
    channels: int, options: dict[str, float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Pix2Pix(
            UNetGenerator(2, 4),
            PatchDiscriminator(4, layers=1, channels=channels),
            **options,
        )

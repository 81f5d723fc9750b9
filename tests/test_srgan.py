"""SRGAN's two stages against their paper."""

import itertools
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import gans
from tests.gans import cross_entropy
from tests.srgans import RATE, batches, edges, one_batch, sgd, srgan, train
from tfgan_models import srgan as module
from tfgan_models.metrics.features.perceptual import Features
from tfgan_models.networks import SRDiscriminator, SRResNet
from tfgan_models.runs import checkpoints
from tfgan_models.srgan import SRGAN

NAMES = ("generator_optimizer", "discriminator_optimizer", "first_stage_optimizer")


def train_in_stages(model: SRGAN, data: tf.data.Dataset) -> dict[str, float]:
    """Trains both stages on all replicas; returns the mean losses."""
    steps = model.first_stage_steps
    model.begin(0)
    gans.train_eagerly(model, data.take(steps))
    model.begin(steps)
    return gans.train_eagerly(model, data.skip(steps))


def slopes(
    loss: tf.Tensor, variables: list[keras.Variable], tape: tf.GradientTape
) -> None:
    """Takes a step of gradient descent."""
    gradients = tape.gradient(loss, variables)
    for variable, gradient in zip(variables, gradients, strict=True):
        variable.assign_sub(RATE * gradient)


def assert_same(ours: list[np.ndarray], theirs: list[np.ndarray]) -> None:
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def moved(before: list[np.ndarray], after: list[np.ndarray]) -> float:
    """Returns the greatest change of a weight."""
    pairs = zip(before, after, strict=True)
    return max(np.abs(a - b).max() for a, b in pairs)


def test_a_step_of_the_first_stage_minimises_the_squared_error() -> None:
    options = {"optimizer": sgd, "features": edges(), "dtype": "float64"}
    model, twin = (srgan(**options) for _ in range(2))
    data = one_batch()
    network = twin.generators["srresnet"]
    with tf.GradientTape() as tape:
        upscaled = network(data["low"], training=True)
        mse = tf.reduce_mean((upscaled - data["high"]) ** 2)
    slopes(mse, network.trainable_variables, tape)

    before = gans.weights(model)
    logs = model.train_step(data)
    assert tuple(logs) == SRGAN.loss_names
    assert (
        float(logs["g_loss"])
        == float(logs["mse"])
        == pytest.approx(float(mse), rel=1e-5)
    )
    assert {float(logs[name]) for name in ("perceptual", "gan", "d_loss")} == {0.0}
    gans.assert_moved_alike(gans.weights(model), gans.weights(twin), before)
    assert moved(before, gans.weights(model)) > 1e-3
    count = len(network.weights)
    assert moved(before[count:], gans.weights(model)[count:]) == 0


@pytest.mark.numerics
@pytest.mark.parametrize("with_features", [True, False])
def test_a_step_of_the_second_stage_is_the_papers(with_features: bool) -> None:
    """The D step, then the G step against the new D: features + 1e-3 adversarial."""
    features = edges() if with_features else None
    model, twin = (srgan(0, sgd, features, dtype="float64") for _ in range(2))
    data = one_batch()
    low, high = data["low"], data["high"]
    g, d = twin.generators["srgan"], twin.discriminator
    start = gans.weights(twin)

    fixed = g(low, training=True)
    with tf.GradientTape() as tape:
        real, fake = d(high, training=True), d(fixed, training=True)
        d_loss = cross_entropy(real, 1.0) + cross_entropy(fake, 0.0)
    slopes(d_loss, d.trainable_variables, tape)
    # Seen once more for its gradient; its averages have been moved already.
    averages = [v.numpy() for v in g.non_trainable_variables]
    with tf.GradientTape() as tape:
        fake = g(low, training=True)
        gan = cross_entropy(d(fake, training=True), 1.0)
        mse = tf.reduce_mean((fake - high) ** 2)
        distance = tf.constant(0.0)
        if features:
            distance = tf.reduce_mean((features(fake) - features(high)) ** 2)
        g_loss = (distance if features else mse) + 1e-3 * gan
    slopes(g_loss, g.trainable_variables, tape)
    for variable, average in zip(g.non_trainable_variables, averages, strict=True):
        variable.assign(average)

    logs = model.train_step(data)
    expected = {
        "g_loss": g_loss,
        "mse": mse,
        "perceptual": distance,
        "gan": gan,
        "d_loss": d_loss,
    }
    assert tuple(logs) == tuple(expected) == SRGAN.loss_names
    for name, value in expected.items():
        assert float(logs[name]) == pytest.approx(float(value), rel=1e-5), name
    gans.assert_moved_alike(gans.weights(model), gans.weights(twin), start)
    count = len(g.weights)
    after = gans.weights(model)
    assert moved(start[:count], after[:count]) == 0  # "srresnet" rests
    assert moved(start[count : 2 * count], after[count : 2 * count]) > 1e-4
    assert moved(start[2 * count :], after[2 * count :]) > 1e-4


def test_the_adversarial_term_counts() -> None:
    with_it, without = (srgan(0, sgd, None, adversarial_weight=w) for w in (10.0, 0.0))
    data = one_batch()
    logs = [model.train_step(data) for model in (with_it, without)]
    mse, gan = float(logs[0]["mse"]), float(logs[0]["gan"])
    assert float(logs[0]["g_loss"]) == pytest.approx(mse + 10 * gan, rel=1e-5)
    assert float(logs[1]["g_loss"]) == pytest.approx(mse, rel=1e-5)
    kernels = [m.generators["srgan"].get_weights()[0] for m in (with_it, without)]
    assert moved(kernels[:1], kernels[1:]) > 1e-5


@pytest.mark.parametrize("ema_decay", [0.0, 0.5])
def test_the_second_stage_starts_from_the_first_ones_result(ema_decay: float) -> None:
    model = srgan(ema_decay=ema_decay)
    assert (model.stage, list(model.exported_networks)) == (1, ["srresnet"])
    train(model, batches(2))
    assert (model.stage, list(model.exported_networks)) == (1, ["srresnet"])
    assert moved(*[g.get_weights() for g in model.generators.values()]) > 1e-4
    result = model.exported_networks["srresnet"].get_weights()
    model.make_train_function()
    model.begin(1)
    assert model.train_function is not None

    model.begin(2)
    assert (model.stage, model.train_function) == (2, None)
    assert list(model.exported_networks) == ["srresnet", "srgan"]
    for networks in (model.generators, model.ema_generators):
        for network in networks.values():
            assert_same(network.get_weights(), result)
    low = one_batch()["low"]
    np.testing.assert_array_equal(model(low), model.generators["srgan"](low))

    train(model, batches(2))
    assert_same(model.exported_networks["srresnet"].get_weights(), result)
    assert moved(model.exported_networks["srgan"].get_weights(), result) > 1e-4
    weights = gans.weights(model)
    model.begin(4)  # within the stage nothing is copied
    assert moved(gans.weights(model), weights) == 0


def test_each_stage_has_its_own_optimizers() -> None:
    model = srgan()
    train(model, batches(2))
    steps = [int(getattr(model, name).iterations) for name in NAMES]
    assert steps == [0, 0, 2]
    assert all(not v.numpy().any() for v in model.generator_optimizer.variables[2:])
    before = [v.numpy() for v in model.first_stage_optimizer.variables]
    train(model, batches(3))
    steps = [int(getattr(model, name).iterations) for name in NAMES]
    assert steps == [3, 3, 2]
    after = [v.numpy() for v in model.first_stage_optimizer.variables]
    assert moved(before, after) == 0


def test_a_schedule_counts_the_steps_of_the_second_stage() -> None:
    """1e-4, and after half of the second stage a tenth of it."""

    def schedule() -> keras.optimizers.Optimizer:
        rates = keras.optimizers.schedules.PiecewiseConstantDecay([1], [0.1, 0.0])
        return keras.optimizers.SGD(rates)

    model = srgan()
    model.compile(schedule(), schedule(), sgd())
    train(model, batches(2))
    model.begin(2)
    trained = [*model.generator_variables, *model.discriminator_variables]
    states = [[v.numpy() for v in trained]]
    for data in batches(3):
        model.train_step(data)
        states.append([v.numpy() for v in trained])
    changes = [moved(a, b) for a, b in itertools.pairwise(states)]
    assert changes[0] > 1e-4 and changes[1] > 1e-4 and changes[2] == 0


def test_without_a_first_stage_the_given_weights_are_where_it_starts() -> None:
    model = srgan(0, ema_decay=0.5)
    assert (model.stage, list(model.exported_networks)) == (2, ["srgan"])
    trained = [w + 1.0 for w in model.generators["srresnet"].get_weights()]
    model.generators["srresnet"].set_weights(trained)
    model.begin(0)
    assert_same(model.generators["srgan"].get_weights(), trained)
    assert_same(model.exported_networks["srgan"].get_weights(), trained)


def test_the_first_stage_fits_one_image() -> None:
    model = srgan(100, lambda: keras.optimizers.Adam(0.01))
    rows = np.linspace(-0.8, 0.8, 16, dtype="float32")
    high = np.stack([rows[:, None] + 0 * rows, 0 * rows[:, None] + rows], -1)
    high = np.concatenate([high, high[..., :1] * high[..., 1:]], -1)[None]
    low = tf.image.resize(high, [8, 8], "bicubic", antialias=True)
    data = tf.data.Dataset.from_tensors({"low": low, "high": high}).repeat(80)
    first = float(model.train_step(next(iter(data)))["mse"])
    gans.train(model, data)
    final = tf.reduce_mean((model.forward(model.generator, low) - high) ** 2)
    assert float(final) < 0.02 * first


def test_two_replicas_equal_one(mirrored: tf.distribute.MirroredStrategy) -> None:
    """Replicas normalise their own images, so both get the same ones."""
    options = {"optimizer": gans.sgd, "ema_decay": 0.9, "features": edges()}
    options |= {"dtype": "float64"}
    single = srgan(2, **options)
    start = gans.weights(single)
    logs = train_in_stages(single, batches(4, halves_alike=True))
    with mirrored.scope():
        double = srgan(2, **options)
    double_logs = train_in_stages(double, batches(4, halves_alike=True))

    assert int(double.step.read_value()) == int(single.step) == 4
    assert (single.stage, double.stage) == (2, 2)
    assert double_logs == pytest.approx(logs, rel=1e-5)
    gans.assert_moved_alike(gans.weights(double), gans.weights(single), start)
    # A slope of 1e-4 times the rate may be lost beside a scale of 1, not a kernel's.
    changes = zip(start, gans.weights(single), strict=True)
    kernels = [np.abs(a - b).max() for a, b in changes if a.ndim == 4]
    assert len(kernels) > 20
    assert min(kernels) > 0
    averages = [
        [w for ema in model.ema_generators.values() for w in ema.get_weights()]
        for model in (double, single)
    ]
    gans.assert_moved_alike(*averages, start[: len(averages[0])])
    for network in double.generators.values():
        for average in [w for w in network.weights if "moving" in w.path]:
            one, other = mirrored.experimental_local_results(average.value)
            np.testing.assert_array_equal(one, other)


@pytest.mark.slow
@pytest.mark.parametrize("killed_at", [1, 3])
def test_resumed_from_a_checkpoint_is_bit_for_bit_the_same(
    killed_at: int, tmp_path: Path
) -> None:
    """In the first stage and in the second."""
    options = {"ema_decay": 0.9, "features": edges()}
    whole = srgan(**options)
    train(whole, batches(4))

    first = srgan(**options)
    train(first, batches(4).take(killed_at))
    checkpoints.save(tmp_path, killed_at, first.training_state())
    second = srgan(**options)
    for weight in generator_variables(second):
        weight.assign(tf.ones_like(weight))
    assert checkpoints.restore(tmp_path, second.training_state()) == killed_at
    train(second, batches(4).skip(killed_at))

    assert int(second.step) == int(whole.step) == 4
    for one, other in zip(gans.weights(whole), gans.weights(second), strict=True):
        np.testing.assert_array_equal(one, other)
    for name in NAMES:
        pairs = zip(
            getattr(whole, name).variables, getattr(second, name).variables, strict=True
        )
        for one, other in pairs:
            np.testing.assert_array_equal(one, other)


def generator_variables(model: SRGAN) -> list[keras.Variable]:
    """Returns the variables of all generators."""
    networks = (*model.generators.values(), *model.ema_generators.values())
    return [v for network in networks for v in network.variables]


@pytest.mark.parametrize("ema_decay", [0.0, 0.9])
def test_checkpoints_of_both_stages_can_be_exported(
    ema_decay: float, tmp_path: Path
) -> None:
    model = srgan(ema_decay=ema_decay)
    group = "ema_generators" if ema_decay else "generators"
    checkpoints.describe_networks(tmp_path, group, model.exported_networks)
    for steps, names in ((1, ["srresnet"]), (2, ["srresnet", "srgan"])):
        train(model, batches(steps))
        step, networks = int(model.step.numpy()), model.exported_networks
        checkpoints.save(
            checkpoints.folder(tmp_path),
            step,
            model.training_state(),
            texts={checkpoints.NETWORKS: checkpoints.describe(group, networks)},
        )
        found = checkpoints.load_networks(tmp_path)
        assert list(found) == names
        low = one_batch()["low"]
        for name in names:
            np.testing.assert_array_equal(found[name](low), networks[name](low))


def test_features_are_in_the_config_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.perceptual, "features", {"edges": edges()}.get)
    model = srgan(7, gans.adam, edges(), adversarial_weight=0.5, seed=4)
    assert model.get_config()["features"] == "edges"
    twin = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(model)
    )
    assert isinstance(twin.features, Features)
    assert twin.get_config() == model.get_config()
    assert (twin.first_stage_steps, twin.adversarial_weight) == (7, 0.5)


@pytest.mark.parametrize("steps", [1, 3])
def test_saves_and_loads_as_keras_file(steps: int, tmp_path: Path) -> None:
    """With its stage: the loaded one upscales with the network that was trained."""
    model = srgan()
    train(model, batches(steps))
    model.save(tmp_path / "srgan.keras")
    loaded = keras.saving.load_model(tmp_path / "srgan.keras")
    assert (loaded.stage, int(loaded.step)) == (model.stage, steps)
    low = one_batch()["low"]
    np.testing.assert_array_equal(loaded(low), model(low))


def test_features_by_name_are_loaded_to_train_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def load(name: str) -> Features:
        asked.append(name)
        return edges()

    monkeypatch.setattr(module.perceptual, "features", load)
    model = SRGAN(SRResNet(2, 4, 1), SRDiscriminator(16, 2))
    assert (model.features, model.first_stage_steps, asked) == ("vgg54", 1_000_000, [])
    weights = len(model.weights)
    model.compile(gans.adam(), gans.adam(), gans.adam())
    assert asked == ["vgg54"]
    assert isinstance(model.features, Features)
    assert len(model.weights) == weights  # theirs are not the model's


def test_it_trains_in_half_precision() -> None:
    keras.utils.set_random_seed(0)
    model = SRGAN(
        SRResNet(2, 4, 1, dtype="mixed_float16"),
        SRDiscriminator(16, 2, dtype="mixed_float16"),
        edges(),
        first_stage_steps=1,
    )
    model.compile(gans.adam(), gans.adam(), gans.adam())
    for name in NAMES:
        scaled = getattr(model, name)
        assert isinstance(scaled, keras.optimizers.LossScaleOptimizer)
        scaled.initial_scale = 1.0
        scaled.dynamic_scale.assign(1.0)
    start = gans.weights(model)
    train(model, batches(2))
    for network in model.generators.values():
        assert all(np.isfinite(w).all() for w in network.get_weights())
    assert moved(start, gans.weights(model)) > 1e-5


@pytest.mark.parametrize(
    ("channels", "options", "message"),
    [
        (1, {}, r"images \[N, H, W, 3\] to logits. Received: inputs .*16, 1\)\]"),
        (3, {"first_stage_steps": -1}, "Received: first_stage_steps=-1"),
        (3, {"adversarial_weight": -1.0}, "Received: .*adversarial_weight=-1"),
        (3, {"ema_decay": 1.0}, "ema_decay must be in"),
    ],
)
def test_refuses_what_cannot_be(
    channels: int, options: dict[str, float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        SRGAN(SRResNet(2, 4, 1), SRDiscriminator(16, 2, channels), **options)


def test_features_are_loaded_by_compile() -> None:
    networks = SRResNet(2, 2, residual_blocks=1), SRDiscriminator(gans.SIZE, 2)
    model = SRGAN(*networks, features="vgg54", first_stage_steps=0)
    with pytest.raises(ValueError, match=r"vgg54 are loaded by compile\. Call it"):
        model.test_losses(one_batch())

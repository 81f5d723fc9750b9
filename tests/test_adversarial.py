"""What GANModel promises to every paper."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import gans
from tfgan_models.adversarial import GANModel


def test_compile_builds_both_optimizers() -> None:
    model = gans.cyclegan()
    assert model.generator_optimizer.built
    assert model.discriminator_optimizer.built
    # Adam: two moments a variable, the iterations and the learning rate.
    expected = 2 * len(model.generator_variables) + 2
    assert len(model.generator_optimizer.variables) == expected


def test_history_holds_every_loss_and_its_mean_over_the_epoch() -> None:
    model = gans.cyclegan(pool_size=0)
    seen: list[dict[str, float]] = []
    original = model.finish_step

    def spy(losses: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        seen.append({k: float(v) for k, v in losses.items()})
        return original(losses)

    model.finish_step = spy
    model.run_eagerly = True
    logs = gans.train(model, gans.batches(3))
    assert set(logs) == set(model.loss_names)
    for name in model.loss_names:
        assert logs[name] == pytest.approx(np.mean([s[name] for s in seen]), rel=1e-5)


def test_ema_generators_follow_and_are_exported() -> None:
    model = gans.cyclegan(ema_decay=0.9, pool_size=0)
    before = model.generators["a2b"].get_weights()
    gans.train_eagerly(model, gans.batches(1))
    after = model.generators["a2b"].get_weights()
    ema = model.ema_generators["a2b"].get_weights()
    for old, new, averaged in zip(before, after, ema, strict=True):
        np.testing.assert_allclose(averaged, 0.1 * old + 0.9 * new, atol=1e-7)
    assert any(not np.allclose(o, n) for o, n in zip(before, after, strict=True))
    assert model.exported_networks["a2b"] is model.ema_generators["a2b"]
    assert not model.ema_generators["a2b"].trainable_variables


def test_without_ema_the_generators_are_exported() -> None:
    model = gans.cyclegan()
    assert model.exported_networks["b2a"] is model.generators["b2a"]


@pytest.mark.parametrize("decay", [-0.1, 1.0])
def test_refuses_an_ema_decay_outside_its_range(decay: float) -> None:
    with pytest.raises(ValueError, match=f"Received: ema_decay={decay}"):
        gans.cyclegan(ema_decay=decay)


def test_random_keys_differ_by_purpose_step_and_replica(
    mirrored: tf.distribute.MirroredStrategy,
) -> None:
    with mirrored.scope():
        model = GANModel({}, {}, seed=3)

    @tf.function
    def keys() -> tf.Tensor:
        return tf.stack([model.random_key(0), model.random_key(1)])

    @tf.function
    def advance() -> None:
        model.step.assign_add(1)

    drawn = []
    for _ in range(3):
        results = mirrored.experimental_local_results(mirrored.run(keys))
        drawn += [tuple(k) for r in results for k in r.numpy()]
        mirrored.run(advance)
    assert len(drawn) == len(set(drawn)) == 3 * 2 * 2
    assert int(model.step.read_value()) == 3


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_trains_with_float32_weights(policy: str) -> None:
    model = gans.cyclegan(dtype=policy)
    before = gans.weights(model)
    logs = gans.train(model, gans.batches(3))
    assert all(np.isfinite(value) for value in logs.values())
    after = gans.weights(model)
    assert all(w.dtype == np.float32 for w in after)
    assert any(not np.allclose(b, a) for b, a in zip(before, after, strict=True))
    scaled = isinstance(
        model.generator_optimizer, keras.optimizers.LossScaleOptimizer
    ) and isinstance(model.discriminator_optimizer, keras.optimizers.LossScaleOptimizer)
    assert scaled == (policy == "mixed_float16")


def test_float16_overflow_skips_the_step_and_lowers_the_scale() -> None:
    model = gans.cyclegan(dtype="mixed_float16", cycle_weight=1e7)
    before = gans.weights(model)
    scale = float(model.generator_optimizer.dynamic_scale)
    gans.train(model, gans.batches(1))
    after = gans.weights(model)
    assert float(model.generator_optimizer.dynamic_scale) == scale / 2
    assert int(model.step) == 1
    generators = len(before) - sum(
        len(d.get_weights()) for d in model.discriminators.values()
    )
    for old, new in zip(before[:generators], after[:generators], strict=True):
        np.testing.assert_array_equal(old, new)


def test_training_state_needs_compile() -> None:
    with pytest.raises(RuntimeError, match="compile"):
        GANModel({}, {}).training_state()


def test_scaled_gradients_are_divided_by_the_replicas_and_scaled(
    mirrored: tf.distribute.MirroredStrategy,
) -> None:
    """None stays None: the loss does not depend on the second variable."""
    with mirrored.scope():
        model = GANModel({}, {})
    weight, other = keras.Variable([3.0, -1.0]), keras.Variable([5.0])
    plain = keras.optimizers.SGD(0.1)
    scaled = keras.optimizers.LossScaleOptimizer(plain, initial_scale=64.0)
    for optimizer, expected in ((plain, [3.0, -1.0]), (scaled, [192.0, -64.0])):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(weight.value**2)
        found, none = model.scaled_gradients(loss, [weight, other], optimizer, tape)
        np.testing.assert_allclose(found, expected)
        assert none is None


def test_a_model_without_phases_begins_anywhere_and_has_no_status() -> None:
    model = gans.cyclegan()
    before = model.train_function
    model.begin(7)
    assert model.train_function is before
    assert int(model.step) == 0
    assert model.status() == {}


def test_what_is_not_trained_is_copied_into_the_average() -> None:
    """Such as batch normalisation's statistics, which are averages themselves."""
    network = keras.Sequential([keras.Input((2,)), keras.layers.BatchNormalization()])
    model = GANModel({"g": network}, {}, ema_decay=0.9)
    ema = model.ema_generators["g"]
    for variable in network.variables:
        variable.assign(np.full([2], 5.0))
    model.loss_metrics = []
    model.step.assign(10_000)
    model.finish_step({})
    found = {v.path.split("/")[-1]: v.numpy()[0] for v in ema.variables}
    # gamma and variance start at 1, beta and mean at 0.
    assert found == pytest.approx(
        {"gamma": 1.4, "beta": 0.5, "moving_mean": 5.0, "moving_variance": 5.0}
    )


def drawn(
    mirrored: tf.distribute.MirroredStrategy | None, step: int = 0, **options: int
) -> dict[str, np.ndarray]:
    """Returns what a batch of 6 draws: on one replica, or on two."""
    strategy = mirrored or tf.distribute.get_strategy()
    with strategy.scope():
        model = GANModel({}, {}, seed=options.get("seed", 3))
        model.step.assign(step)
    count = 6 // strategy.num_replicas_in_sync

    def draw() -> dict[str, tf.Tensor]:
        purpose = options.get("purpose", 1)
        return {
            "normal": model.draw_samples(purpose, count, 3, 2),
            "uniform": model.draw_samples(purpose, count, 50, distribution="uniform"),
            "scalar": model.draw_samples(purpose, count),
        }

    results = strategy.run(tf.function(draw, autograph=False))
    return {
        name: np.concatenate(strategy.experimental_local_results(value))
        for name, value in results.items()
    }


def test_two_replicas_draw_what_one_does(
    mirrored: tf.distribute.MirroredStrategy,
) -> None:
    one, two = drawn(None), drawn(mirrored)
    assert {k: v.shape for k, v in one.items()} == {
        "normal": (6, 3, 2),
        "uniform": (6, 50),
        "scalar": (6,),
    }
    for name, values in one.items():
        np.testing.assert_array_equal(two[name], values)
    assert one["normal"].min() < -1.0 < one["uniform"].min()
    assert one["uniform"].max() < 1.0 < one["normal"].max()


@pytest.mark.parametrize("other", [{"step": 1}, {"purpose": 2}, {"seed": 4}])
def test_draws_differ_by_step_purpose_and_seed(other: dict[str, int]) -> None:
    one, another, again = drawn(None), drawn(None, **other), drawn(None)
    for name, values in one.items():
        assert not np.any(another[name] == values)
        np.testing.assert_array_equal(again[name], values)


def normalizing() -> keras.Model:
    layer = keras.layers.BatchNormalization(momentum=0.9, name="norm")
    return keras.Sequential([keras.Input((8,)), layer])


def dropping() -> keras.Model:
    """Dropout, and dropout in a network within the network."""
    inner = keras.Sequential([keras.Input((8,)), keras.layers.Dropout(0.5)])
    return keras.Sequential([keras.Input((8,)), keras.layers.Dropout(0.5), inner])


def features(count: int = 4) -> np.ndarray:
    random = np.random.default_rng(1)
    return random.normal(2.0, 3.0, (count, 8)).astype("float32")


def test_forward_draws_dropout_by_seed_step_and_purpose() -> None:
    net = dropping()
    model, twin, other = (GANModel({"g": net}, {}, seed=s) for s in (0, 0, 1))
    x = np.ones([64, 8], "float32")

    def call(model: GANModel, purpose: int = 0) -> np.ndarray:
        return model.forward(net, x, purpose=purpose).numpy()

    first = call(model)
    np.testing.assert_array_equal(call(model), first)
    np.testing.assert_array_equal(call(twin), first)
    patterns = [first, call(other), call(model, 1), call(model, 2)]
    model.step.assign_add(1)
    patterns.append(call(model))
    for i, one in enumerate(patterns):
        for another in patterns[:i]:
            assert np.mean((one == 0) != (another == 0)) > 0.1
    seeds = [v for v in net.non_trainable_variables if "seed" in v.path]
    assert len(seeds) == 2
    before = [v.numpy() for v in seeds]
    call(model)
    for variable, value in zip(seeds, before, strict=True):
        np.testing.assert_array_equal(variable, value)


def test_forward_averages_batch_normalisation_over_replicas(
    mirrored: tf.distribute.MirroredStrategy,
) -> None:
    """Each replica normalises its own images; the averages follow the mean of both."""
    with mirrored.scope():
        net = normalizing()
        model = GANModel({"g": net}, {})
    x = features()
    shares = mirrored.experimental_distribute_values_from_function(
        lambda c: tf.constant(x[2 * c.replica_id_in_sync_group :][:2])
    )

    @tf.function(autograph=False)
    def run(values: tf.Tensor) -> tf.Tensor:
        return mirrored.run(lambda v: model.forward(net, v), args=(values,))

    outputs = mirrored.experimental_local_results(run(shares))
    halves = np.split(x, 2)
    for output, half in zip(outputs, halves, strict=True):
        normal = (half - half.mean(0)) / np.sqrt(half.var(0) + 1e-3)
        np.testing.assert_allclose(output, normal, atol=1e-5)
    means, variances = (
        np.mean(v, 0)
        for v in zip(*((half.mean(0), half.var(0)) for half in halves), strict=True)
    )
    layer = net.get_layer("norm")
    for variable, expected in (
        (layer.moving_mean, 0.1 * means),
        (layer.moving_variance, 0.9 + 0.1 * variances),
    ):
        for local in mirrored.experimental_local_results(variable.value):
            np.testing.assert_allclose(local, expected, rtol=1e-5)


def test_forward_is_kerass_own_call_in_training() -> None:
    """Averages and gradients; dropout alone differs."""
    ours, theirs = normalizing(), normalizing()
    model = GANModel({"g": ours}, {})
    x = tf.constant(features())
    gradients = []
    for net, call in (
        (ours, lambda v: model.forward(ours, v)),
        (theirs, lambda v: theirs(v, training=True)),
    ):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(call(x) ** 3)
        gradients.append(tape.gradient(loss, net.trainable_variables))
    for one, other in zip(*gradients, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)
    for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert np.abs(ours.get_layer("norm").moving_mean).max() > 0.01


def test_forward_passes_options_on() -> None:
    class Echo(keras.Model):
        def call(self, x: tf.Tensor, labels: tf.Tensor, training: bool) -> tf.Tensor:
            return x + labels * (10.0 if training else 1.0)

    model = GANModel({}, {})
    found = model.forward(Echo(), tf.constant([1.0]), labels=tf.constant([2.0]))
    np.testing.assert_array_equal(found, [21.0])

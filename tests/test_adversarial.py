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
    gans.train(model, gans.batches(1))
    after = model.generators["a2b"].get_weights()
    ema = model.ema_generators["a2b"].get_weights()
    for old, new, averaged in zip(before, after, ema, strict=True):
        np.testing.assert_allclose(averaged, 0.9 * old + 0.1 * new, atol=1e-7)
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
    model.finish_step({})
    found = {v.path.split("/")[-1]: v.numpy()[0] for v in ema.variables}
    # gamma and variance start at 1, beta and mean at 0.
    assert found == pytest.approx(
        {"gamma": 1.4, "beta": 0.5, "moving_mean": 5.0, "moving_variance": 5.0}
    )

"""SkippingAdam against Keras's Adam and its paper; reset against fresh optimizers."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfgan_models import optimizers
from tfgan_models.optimizers import SkippingAdam

SHAPES = ((3, 2), (4,), ())
OPTIONS = {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-4}


def variables(seed: int = 0) -> list[keras.Variable]:
    random = np.random.default_rng(seed)
    return [
        keras.Variable(random.normal(size=s).astype("float32"), name=f"v{i}")
        for i, s in enumerate(SHAPES)
    ]


def gradients(seed: int, bad: float | None = None) -> list[tf.Tensor]:
    random = np.random.default_rng(seed)
    drawn = [random.normal(size=s).astype("float32") for s in SHAPES]
    if bad is not None:
        drawn[0][1, 0] = bad
    return [tf.constant(g) for g in drawn]


def built(wanted: Sequence[keras.Variable], rate: float = 0.1) -> SkippingAdam:
    optimizer = SkippingAdam(rate, **OPTIONS)
    optimizer.build(wanted)
    return optimizer


def values(optimizer: SkippingAdam, wanted: Sequence[keras.Variable]) -> list:
    """Everything but the count of what was skipped."""
    kept = [v for v in optimizer.variables if v is not optimizer.skipped]
    return [v.numpy() for v in (*wanted, *kept)]


def assert_equal(ours: list, theirs: list) -> None:
    for one, two in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("graph", [True, False])
def test_equals_keras_adam(graph: bool) -> None:
    ours, theirs = variables(), variables()
    mine, other = built(ours), keras.optimizers.Adam(0.1, **OPTIONS)
    other.build(theirs)

    def step(*given: tf.Tensor) -> None:
        mine.apply(given, ours)
        other.apply(given, theirs)

    run = tf.function(step, autograph=False) if graph else step
    for seed in range(6):
        if seed == 3:
            mine.learning_rate = other.learning_rate = 0.02
        run(*gradients(seed))
        for one, two in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(one, two, atol=1e-6)
    assert int(mine.iterations) == int(other.iterations) == 6
    assert int(mine.skipped) == 0
    moments = zip(mine._velocities, other._velocities, strict=True)
    for one, two in moments:
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-9)


def test_equals_the_papers_algorithm_1() -> None:
    """Without the note of section 2 on epsilon, which is too small to tell here."""
    weight = keras.Variable(np.array([0.3, -2.0, 1.0], "float32"))
    optimizer = SkippingAdam(0.05, beta_1=0.9, beta_2=0.99, epsilon=1e-8)
    optimizer.build([weight])
    theta = np.array([0.3, -2.0, 1.0])
    m = v = np.zeros(3)
    for t in range(1, 8):
        g = np.random.default_rng(t).normal(size=3)
        m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g**2
        theta = theta - 0.05 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.99**t)) + 1e-8)
        optimizer.apply([tf.constant(g, tf.float32)], [weight])
    np.testing.assert_allclose(weight, theta, atol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_bad_gradient_skips_everything_bit_for_bit(bad: float) -> None:
    wanted = variables()
    optimizer = built(wanted)
    run = tf.function(lambda *g: optimizer.apply(g, wanted), autograph=False)
    run(*gradients(0))
    before = values(optimizer, wanted)
    run(*gradients(1, bad))
    run(*gradients(2, bad))
    assert_equal(values(optimizer, wanted), before)
    assert (int(optimizer.skipped), int(optimizer.iterations)) == (2, 1)

    run(*gradients(3))
    never = variables()
    other = built(never)
    for seed in (0, 3):
        other.apply(gradients(seed), never)
    for one, two in zip(wanted, never, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-6)
    assert (int(optimizer.skipped), int(optimizer.iterations)) == (2, 2)


def test_infinities_of_both_signs_do_not_cancel() -> None:
    wanted = variables()
    optimizer = built(wanted)
    given = gradients(0)
    given[1] = tf.constant([np.inf, -np.inf, 0.0, 0.0])
    before = values(optimizer, wanted)
    optimizer.apply(given, wanted)
    assert_equal(values(optimizer, wanted), before)


@pytest.mark.parametrize("culprit", [0, 1])
def test_all_replicas_skip_where_one_has_a_bad_gradient(
    mirrored: tf.distribute.MirroredStrategy, culprit: int
) -> None:
    with mirrored.scope():
        wanted = variables()
        optimizer = built(wanted)

    def step(bad: tf.Tensor) -> None:
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        given = [g * tf.cast(replica + 1, tf.float32) for g in gradients(0)]
        worse = tf.where(bad & tf.equal(replica, culprit), np.nan, 0.0)
        optimizer.apply([given[0], given[1] + worse, given[2]], wanted)

    @tf.function(autograph=False)
    def run(bad: tf.Tensor) -> None:
        mirrored.run(step, args=(bad,))

    def locals_of(variable: keras.Variable) -> list[np.ndarray]:
        return [v.numpy() for v in mirrored.experimental_local_results(variable.value)]

    def everything() -> list[np.ndarray]:
        kept = [v for v in optimizer.variables if v is not optimizer.skipped]
        return [part for v in (*wanted, *kept) for part in locals_of(v)]

    run(tf.constant(False))
    before = everything()
    run(tf.constant(True))
    assert_equal(everything(), before)
    assert [int(n) for n in locals_of(optimizer.skipped)] == [1, 1]
    run(tf.constant(False))
    assert [int(n) for n in locals_of(optimizer.iterations)] == [2, 2]
    # The sum of both replicas' gradients counts: g + 2 g.
    alone = variables()
    single = built(alone)
    for _ in range(2):
        single.apply([3.0 * g for g in gradients(0)], alone)
    for one, two in zip(wanted, alone, strict=True):
        for part in locals_of(one):
            np.testing.assert_allclose(part, two, atol=1e-6)


def test_reset_forgets_the_moments_and_keeps_the_count() -> None:
    wanted = variables()
    optimizer = built(wanted)
    optimizer.apply(gradients(0), wanted)
    optimizer.apply(gradients(1, np.nan), wanted)
    before = [v.numpy() for v in wanted]
    optimizer.reset()
    assert_equal([v.numpy() for v in wanted], before)
    assert all(not np.any(v) for v in optimizer._momentums + optimizer._velocities)
    assert (int(optimizer.iterations), int(optimizer.skipped)) == (0, 1)
    optimizer.apply(gradients(2), wanted)
    fresh = variables()
    for variable, value in zip(fresh, before, strict=True):
        variable.assign(value)
    built(fresh).apply(gradients(2), fresh)
    assert_equal([v.numpy() for v in wanted], [v.numpy() for v in fresh])


def test_variables_left_out_are_untouched() -> None:
    wanted = variables()
    optimizer = built(wanted)
    optimizer.apply(gradients(0), wanted)
    before = wanted[1].numpy()
    moments = [m[1].numpy() for m in (optimizer._momentums, optimizer._velocities)]
    given = gradients(1)
    optimizer.apply([given[2], given[0]], [wanted[2], wanted[0]])
    np.testing.assert_array_equal(wanted[1], before)
    np.testing.assert_array_equal(optimizer._momentums[1], moments[0])
    np.testing.assert_array_equal(optimizer._velocities[1], moments[1])
    # The order given is not the order built in.
    other = variables()
    plain = keras.optimizers.Adam(0.1, **OPTIONS)
    plain.build(other)
    plain.apply(gradients(0), other)
    plain.apply(given, other)
    for i in (0, 2):
        np.testing.assert_allclose(wanted[i], other[i], atol=1e-6)


def test_under_a_loss_scale() -> None:
    """The scale divides out; an overflow halves it and skips the step."""
    wanted, alone = variables(), variables()
    inner = SkippingAdam(0.1, **OPTIONS)
    optimizer = keras.optimizers.LossScaleOptimizer(inner, initial_scale=1024.0)
    optimizer.build(wanted)
    run = tf.function(lambda *g: optimizer.apply(g, wanted), autograph=False)
    run(*(1024.0 * g for g in gradients(0)))
    built(alone).apply(gradients(0), alone)
    for one, two in zip(wanted, alone, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-6)
    before = values(inner, wanted)
    run(*gradients(1, np.inf))
    assert_equal(values(inner, wanted), before)
    assert float(optimizer.dynamic_scale) == 512.0
    assert int(inner.iterations) == 1


def test_a_checkpoint_restores_everything(tmp_path: Path) -> None:
    wanted = variables()
    optimizer = built(wanted)
    for seed, bad in ((0, None), (1, np.nan), (2, None)):
        optimizer.apply(gradients(seed, bad), wanted)
    path = tf.train.Checkpoint(o=optimizer, v=wanted).write(str(tmp_path / "state"))

    others = variables(seed=9)
    other = built(others)
    tf.train.Checkpoint(o=other, v=others).read(path).assert_consumed()
    assert_equal(values(other, others), values(optimizer, wanted))
    assert int(other.skipped) == 1
    for mine, theirs in ((optimizer, wanted), (other, others)):
        mine.apply(gradients(3), theirs)
    assert_equal(values(other, others), values(optimizer, wanted))


def test_survives_serialisation() -> None:
    optimizer = SkippingAdam(0.03, **OPTIONS, name="mine")
    twin = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(optimizer)
    )
    assert isinstance(twin, SkippingAdam)
    assert twin.get_config() == optimizer.get_config()
    assert keras.saving.get_registered_name(SkippingAdam) == (
        "tfgan_models>SkippingAdam"
    )


def halved() -> keras.optimizers.schedules.LearningRateSchedule:
    """A rate that tells how many steps an optimizer thinks it has done."""
    return keras.optimizers.schedules.ExponentialDecay(0.1, 1, 0.5)


MAKERS = {
    "adam": lambda: keras.optimizers.Adam(halved(), **OPTIONS),
    "plain rate": lambda: keras.optimizers.Adam(0.03, **OPTIONS),
    "momentum": lambda: keras.optimizers.SGD(halved(), momentum=0.9),
    "skipping": lambda: SkippingAdam(0.03, **OPTIONS),
    "scaled": lambda: keras.optimizers.LossScaleOptimizer(
        keras.optimizers.Adam(halved(), **OPTIONS), initial_scale=64.0
    ),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_a_reset_optimizer_is_a_fresh_one(make: Callable[[], Any]) -> None:
    wanted, never = variables(), variables(seed=3)
    optimizer, fresh = make(), make()
    optimizer.build(wanted)
    fresh.build(never)
    for seed in range(3):
        optimizer.apply(gradients(seed), wanted)
    before = [v.numpy() for v in wanted]
    optimizers.reset(optimizer)
    assert_equal([v.numpy() for v in wanted], before)
    for variable, value in zip(never, before, strict=True):
        variable.assign(value)
    for seed in (5, 6):
        for one, theirs in ((optimizer, wanted), (fresh, never)):
            one.apply(gradients(seed), theirs)
        assert_equal([v.numpy() for v in wanted], [v.numpy() for v in never])
    assert np.abs(wanted[0].numpy() - before[0]).max() > 1e-4


def test_a_reset_keeps_the_loss_scale() -> None:
    wanted = variables()
    optimizer = MAKERS["scaled"]()
    optimizer.build(wanted)
    optimizer.apply(gradients(0, np.inf), wanted)
    assert float(optimizer.dynamic_scale) == 32.0
    optimizers.reset(optimizer)
    assert float(optimizer.dynamic_scale) == 32.0

"""Growing GANs on two replicas against one.

A replica makes the groups of the minibatch standard deviation from its own part of the
global batch, consecutive samples. On one replica, group m of a batch of 8 holds the
samples m, m + 2, m + 4 and m + 6: so that the groups are the same, the two replicas'
batch is ordered by groups here.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests import gans, growing
from tfgan_models.growing_gan import GrowingGAN

STEPS = 2
BY_GROUPS = [0, 2, 4, 6, 1, 3, 5, 7]
Batches = list[dict[str, np.ndarray]]


def draws_of(model: GrowingGAN) -> list[list[Any]]:
    """Everything that a model of one replica draws, by step and part."""
    drawn = []
    for step in range(STEPS):
        model.step.assign(step)
        drawn.append([model.draws(part) for part in (0, 1)])
    model.step.assign(0)
    return drawn


def share(model: GrowingGAN, drawn: list[list[Any]], order: list[int]) -> None:
    """Has a replica draw its part of `drawn`, samples in this order."""
    ordered = [
        tf.nest.map_structure(
            lambda *tensors: tf.stack([tf.gather(t, order) for t in tensors]),
            *(parts[part] for parts in drawn),
        )
        for part in (0, 1)
    ]

    def draws(part: int) -> Any:
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        first = replica * model.replica_batch

        def own(stacked: tf.Tensor) -> tf.Tensor:
            now = tf.gather(stacked, model.step)
            mine = tf.gather(now, first + tf.range(model.replica_batch))
            return tf.ensure_shape(mine, [model.replica_batch, *stacked.shape[2:]])

        return tf.nest.map_structure(own, ordered[part])

    model.draws = draws
    model.run_eagerly = True  # traced below and, for one replica, by the trainers


def data(model: GrowingGAN, order: list[int]) -> tf.data.Dataset:
    batches = []
    for step in range(STEPS):
        made = growing.batch(model, seed=step)
        batches.append({k: tf.gather(v, order) for k, v in made.items()})
    stacked = {k: tf.concat([b[k] for b in batches], 0) for k in batches[0]}
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.OFF
    )
    return tf.data.Dataset.from_tensor_slices(stacked).batch(8).with_options(options)


@pytest.mark.parametrize("make", growing.MAKERS)
def test_two_replicas_equal_one(
    make: Callable[..., GrowingGAN], mirrored: tf.distribute.MirroredStrategy
) -> None:
    """And differ where the groups do: replicas have groups of their own."""
    options = {
        "schedule": growing.growth(stable_images=16, total_images=16),
        "optimizer": growing.proportional,
        "label_size": 2,
        "dtype": "float64",
    }
    single = make(**options)
    start = growing.state(single)
    drawn = draws_of(single)
    plain = list(range(8))
    share(single, drawn, plain)
    logs = single.fit(data(single, plain), shuffle=False, verbose=0).history

    with mirrored.scope():
        double = make(**options)
    share(double, drawn, BY_GROUPS)
    again = double.fit(data(single, BY_GROUPS), shuffle=False, verbose=0).history
    assert int(double.step.read_value()) == int(single.step) == STEPS
    assert int(double.images_seen.read_value()) == int(single.images_seen) == 16
    gans.assert_moved_alike(growing.state(double), growing.state(single), start)
    assert growing.furthest(growing.state(single), start) > 1e-4
    for name, values in logs.items():
        np.testing.assert_allclose(again[name], values, rtol=1e-5, atol=1e-6)

    with mirrored.scope():
        other = make(**options)
    share(other, drawn, plain)
    other.fit(data(single, plain), shuffle=False, verbose=0)
    assert growing.furthest(growing.state(other), growing.state(single)) > 1e-5


def test_replicas_draw_for_themselves(
    mirrored: tf.distribute.MirroredStrategy,
) -> None:
    with mirrored.scope():
        model = growing.stylegan()
    drawn = mirrored.run(tf.function(lambda: model.draws(0), autograph=False))
    for name in ("latent", "mixed_latent"):
        one, two = mirrored.experimental_local_results(drawn[name])
        assert one.shape == two.shape == (4, growing.LATENT)
        assert len({row.tobytes() for row in np.concatenate([one, two])}) == 8


@pytest.mark.slow
def test_half_precision_on_two_replicas(
    mirrored: tf.distribute.MirroredStrategy,
) -> None:
    """The loss scale's optimizer calls ours within a condition."""
    with mirrored.scope():
        model = growing.progan(
            dtype="mixed_float16",
            schedule=growing.growth(stable_images=40, total_images=40),
        )
    before = growing.state(model)
    model.fit(data(model, BY_GROUPS), shuffle=False, verbose=0)
    assert all(np.isfinite(w).all() for w in growing.state(model))
    assert growing.furthest(growing.state(model), before) > 1e-4

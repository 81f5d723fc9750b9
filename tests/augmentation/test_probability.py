"""ADA's controller against a table worked out by hand."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tfgan_models.augmentation import AdaptiveProbability, ada

# Signs of four reals, and the probability after the step: with 100 images to go from
# 0 to 1 and 4 images a step, every second step moves by 0.08.
TABLE = [
    ((1, 1, 1, 1), 0.0),
    ((1, 1, 1, -1), 0.08),  # mean 0.75 > 0.6
    ((1, 1, 1, 1), 0.08),
    ((1, 1, 1, 0), 0.16),  # mean 0.875
    ((1, 1, 1, -1), 0.16),
    ((1, 1, 1, -1), 0.08),  # mean 0.5 < 0.6
    ((-1, -1, -1, -1), 0.08),
    ((-1, 1, 1, 1), 0.0),  # mean -0.25
    ((-1, -1, -1, -1), 0.0),
    ((-1, -1, -1, -1), 0.0),  # stays in [0, 1]
]


def controller() -> AdaptiveProbability:
    return AdaptiveProbability(target=0.6, speed_images=100, interval=2)


def test_follows_the_table() -> None:
    adaptive = controller()
    update = tf.function(adaptive.update, autograph=False)
    for signs, expected in TABLE:
        update(tf.constant(np.mean(signs), tf.float32), 4)
        assert float(adaptive.probability) == pytest.approx(expected, abs=1e-6)


def test_replicas_share_one_probability(mirrored: tf.distribute.Strategy) -> None:
    with mirrored.scope():
        adaptive = controller()

    def step(signs: tf.Tensor) -> tf.Tensor:
        # Used, too, as train_step does: inside the replica, before it moves.
        images = tf.ones([2, 4, 4, 3])
        changed = ada(images, adaptive.probability, tf.constant([1, 2]))
        adaptive.update(tf.reduce_mean(signs), 4)
        return tf.reduce_mean(tf.abs(changed - images))

    run = tf.function(lambda x: mirrored.run(step, args=(x,)), autograph=False)
    for signs, expected in TABLE:
        halves = tf.split(tf.constant(signs, tf.float32), 2)
        split = mirrored.experimental_distribute_values_from_function(
            lambda context, halves=halves: halves[context.replica_id_in_sync_group]
        )
        before = float(adaptive.probability.numpy())
        changes = mirrored.experimental_local_results(run(split))
        assert before or not any(float(change) for change in changes)
        copies = mirrored.experimental_local_results(adaptive.probability)
        assert len(copies) == 2
        for copy in copies:
            assert float(copy) == pytest.approx(expected, abs=1e-6)


def test_the_papers_speed() -> None:
    adaptive = AdaptiveProbability()
    for _ in range(8):
        adaptive.update(tf.constant(1.0), 64)
    assert float(adaptive.probability) == pytest.approx(8 * 64 / 500_000)


def test_stops_at_one() -> None:
    adaptive = AdaptiveProbability(speed_images=3, interval=1)
    seen = []
    for _ in range(3):
        adaptive.update(tf.constant(1.0), 2)
        seen.append(float(adaptive.probability))
    np.testing.assert_allclose(seen, [2 / 3, 1, 1], rtol=1e-6)


def test_a_nan_counts_as_0_and_is_forgotten() -> None:
    adaptive = AdaptiveProbability(target=0.6, speed_images=100, interval=1)
    for sign, expected in ((1.0, 0.04), (1.0, 0.08), (np.nan, 0.04), (1.0, 0.08)):
        adaptive.update(tf.constant(sign, tf.float16), 4)
        assert float(adaptive.probability) == pytest.approx(expected)


def test_a_checkpoint_resumes_between_two_moves(tmp_path: Path) -> None:
    adaptive, resumed = controller(), controller()
    for signs, _ in TABLE[:3]:
        adaptive.update(tf.constant(np.mean(signs), tf.float32), 4)
    path = tf.train.Checkpoint(adaptive=adaptive).save(str(tmp_path / "c"))
    tf.train.Checkpoint(adaptive=resumed).restore(path).assert_consumed()
    for signs, expected in TABLE[3:]:
        resumed.update(tf.constant(np.mean(signs), tf.float32), 4)
        assert float(resumed.probability) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("wrong", [{"speed_images": 0}, {"interval": 0}])
def test_refuses_numbers_below_one(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be at least 1"):
        AdaptiveProbability(**wrong)

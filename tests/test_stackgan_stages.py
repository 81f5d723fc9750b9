"""StackGAN from stage to stage: replicas, optimizers, checkpoints and files."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import gans
from tests.stackgans import (
    FIRST,
    SMALL,
    at,
    batches,
    one_batch,
    sgd,
    stackgan,
)
from tfgan_models import sampling
from tfgan_models.networks import (
    StackGenerator,
    StageOneDiscriminator,
    StageOneGenerator,
)
from tfgan_models.runs import checkpoints, description
from tfgan_models.schedules import halving
from tfgan_models.stackgan import StackGAN
from trainers.training import callbacks


def test_stages_begin() -> None:
    model = stackgan(optimizer=gans.adam, text=True, ema_decay=0.9)
    seen = []
    for step in range(6):
        model.begin(step)
        drawn = [
            n.stages for n in (model.generator, model.exported_networks["generator"])
        ]
        seen.append((model.stage, model.status()["stage"], *drawn))
    assert seen == [(0, 0, 1, 1)] * 2 + [(1, 1, 1, 1)] * 2 + [(2, 2, 2, 2)] * 2
    assert model.exported_networks == {"generator": model.ema_generators["generator"]}


def test_stage_two_learns_on_the_averaged_stage_one() -> None:
    """Which is what pictures are drawn with, and does not move any more."""
    model = stackgan(ema_decay=0.9)
    run(model, batches(FIRST))
    ours, kept = model.generator, model.ema_generators["generator"]
    before = kept.stage_one.get_weights()
    apart = max(
        np.abs(one - other).max()
        for one, other in zip(ours.stage_one.get_weights(), before, strict=True)
    )
    assert apart > 1e-5
    model.begin(FIRST)
    advance(model, batches(1))
    for network in (ours, kept):
        for one, other in zip(network.stage_one.get_weights(), before, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)


def test_optimizers_forget_at_the_first_step_of_a_stage_alone() -> None:
    model = stackgan(optimizer=gans.adam)
    advance(model, batches(2))
    model.make_train_function()
    both = model.generator_optimizer, model.discriminator_optimizer
    model.begin(1)
    assert [int(o.iterations) for o in both] == [2, 2]
    assert model.train_function is not None
    model.begin(FIRST)
    for optimizer in both:
        assert not any(
            np.any(v) for v in optimizer.variables if v.name != "learning_rate"
        )
    assert model.train_function is None
    advance(model, batches(1))
    model.begin(FIRST + 1)
    assert [int(o.iterations) for o in both] == [1, 1]


def test_each_stage_may_have_a_learning_rate() -> None:
    rates = [halving(0.1 * (i + 1), every=1, times=1) for i in range(3)]
    model = stackgan(lambda: keras.optimizers.SGD(rates[0]), True, rates)
    for step, rate in ((0, 0.1), (1, 0.1), (2, 0.2), (4, 0.3), (9, 0.3)):
        model.begin(step)
        for optimizer in (model.generator_optimizer, model.discriminator_optimizer):
            assert float(optimizer.learning_rate) == pytest.approx(rate)
    with pytest.raises(ValueError, match=r"three.*Received: learning_rates=\[0.1\]"):
        model.compile(sgd(), sgd(), [0.1])


def test_one_stage_alone_has_no_second() -> None:
    one = StageOneGenerator(16, latent_size=5, **SMALL)
    model = StackGAN(
        StackGenerator(one), StageOneDiscriminator(16, **SMALL), first_stage_steps=1
    )
    model.compile(sgd(), sgd())
    model.begin(5)
    assert model.stage == 1
    assert np.isfinite(float(model.train_step(one_batch())["g_loss"]))
    data = one_batch()
    drawn = model((data["embedding"], tf.zeros([4, 5])))
    np.testing.assert_array_equal(drawn, one(data["embedding"], tf.zeros([4, 5]))[0])


def draw_twice(model: StackGAN) -> StackGAN:
    """Has a model draw the same for both halves of a batch."""

    def twice(
        purpose: int, count: Any, *shape: int, distribution: str = "normal"
    ) -> tf.Tensor:
        key = tf.stack([tf.cast(model.step, tf.int32), purpose])
        drawn = sampling.draw([2, *shape], key, distribution)
        return tf.tile(drawn, [count // 2, 1])

    model.draw_samples = twice
    return model


def advance(model: StackGAN, data: tf.data.Dataset) -> dict[str, float]:
    """Trains, not traced; returns the mean losses."""
    for batch in data:
        logs = model.train_step(batch)
    return {name: float(value) for name, value in logs.items()}


@pytest.mark.parametrize("step", [0, FIRST])
def test_two_replicas_equal_one(
    step: int, mirrored: tf.distribute.MirroredStrategy
) -> None:
    """Of halves that are equal: each replica normalises by its own images."""
    options = {"ema_decay": 0.9, "dtype": "float64"}
    single = draw_twice(at(step, **options))
    start = gans.weights(single)
    logs = gans.train_eagerly(single, batches(1, halves=True))
    with mirrored.scope():
        double = draw_twice(at(step, **options))
    again = gans.train_eagerly(double, batches(1, halves=True))
    assert again == pytest.approx(logs, rel=1e-5, abs=1e-6)
    # The condition is drawn in float32: its last bit depends on a sample's place in the
    # batch, and normalisation of two samples makes a hundred times as much of it.
    share = 1e-3
    gans.assert_moved_alike(gans.weights(double), gans.weights(single), start, share)
    averages = [
        m.exported_networks["generator"].get_weights() for m in (double, single)
    ]
    gans.assert_moved_alike(*averages, start[: len(averages[0])], share)
    pairs = zip(start, gans.weights(single), strict=True)
    assert max(np.abs(a - b).max() for a, b in pairs) > 1e-2
    for network in (double.generator, *double.discriminators.values()):
        for average in (w for w in network.weights if "moving" in w.path):
            first, other = mirrored.experimental_local_results(average.value)
            np.testing.assert_array_equal(first, other)


def run(model: StackGAN, data: tf.data.Dataset, first: int = 0) -> None:
    """Trains as the training loop does: it calls `begin` first and at each stage."""
    for step, batch in enumerate(data, start=first):
        if step in (first, FIRST):
            model.begin(step)
        model.train_step(batch)


@pytest.mark.slow
def test_resumed_in_stage_two_is_bit_for_bit_the_same(tmp_path: Path) -> None:
    options = {"optimizer": gans.adam, "ema_decay": 0.9}
    whole = stackgan(**options)
    run(whole, batches(4))

    first = stackgan(**options)
    run(first, batches(4).take(3))
    checkpoints.save(tmp_path, 3, first.training_state())
    second = stackgan(**options)
    for weight in second.generator.weights:
        weight.assign(tf.ones_like(weight))
    assert checkpoints.restore(tmp_path, second.training_state()) == 3
    run(second, batches(4).skip(3), first=3)

    assert int(second.step) == int(whole.step) == 4
    assert second.stage == 2
    for name in ("generator_optimizer", "discriminator_optimizer"):
        ours, theirs = (getattr(m, name).variables for m in (whole, second))
        assert int(getattr(second, name).iterations) == 4 - FIRST
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(one, other)
    networks = [
        [*gans.weights(m), *m.exported_networks["generator"].get_weights()]
        for m in (whole, second)
    ]
    for one, other in zip(*networks, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("ema_decay", [0.0, 0.9])
def test_networks_load_from_the_checkpoint_of_each_stage(
    ema_decay: float, tmp_path: Path
) -> None:
    model = stackgan(text=True, ema_decay=ema_decay)
    group = "ema_generators" if ema_decay else "generators"
    checkpoints.describe_networks(tmp_path, group, model.exported_networks)
    data = one_batch(text=True)
    latent = tf.ones([4, 5])
    for step, side in ((3, 16), (4, 32)):
        model.step.assign(step)
        model.begin(step)
        model.train_step(data)
        said = description.Description({})
        callbacks.save_model(checkpoints.folder(tmp_path), step, model, said)
        loaded = checkpoints.load_networks(tmp_path)
        assert list(loaded) == ["generator"]
        ours, theirs = model.exported_networks["generator"], loaded["generator"]
        embedding = theirs.text_encoder(data["caption"])
        np.testing.assert_array_equal(embedding, ours.text_encoder(data["caption"]))
        drawn = theirs(embedding, latent)
        assert drawn.shape == (4, side, side, 3)
        np.testing.assert_allclose(drawn, ours(embedding, latent), atol=1e-6)


def test_all_numbers_are_in_the_config() -> None:
    model = stackgan(text=True, seed=4, kl_weight=7.0, ema_decay=0.5)
    twin = StackGAN.from_config(model.get_config())
    assert twin.get_config() == model.get_config()
    assert (twin.kl_weight, twin.matching_steps, twin.first_stage_steps) == (7.0, 2, 2)


def test_learning_rates_are_in_the_keras_file(tmp_path: Path) -> None:
    rates = [halving(0.1, every=i, times=1) for i in (1, 2, 3)]
    model = stackgan(lambda: keras.optimizers.SGD(rates[0]), rates=rates)
    model.save(tmp_path / "stackgan.keras")
    loaded = keras.saving.load_model(tmp_path / "stackgan.keras")
    assert [rate.boundaries for rate in loaded.learning_rates] == [[0], [1], [2]]
    loaded.begin(FIRST)
    assert float(loaded.generator_optimizer.learning_rate) == pytest.approx(0.1)

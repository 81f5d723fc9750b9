"""Checkpoints: whole or absent, newest readable first."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import gans, growing
from tfgan_models.adversarial import GANModel
from tfgan_models.errors import FailureError, UsageError
from tfgan_models.runs import checkpoints


def state(value: float) -> dict[str, tf.Variable]:
    return {"weight": tf.Variable(value)}


def test_restores_what_was_saved(tmp_path: Path) -> None:
    checkpoints.save(tmp_path, 7, state(1.5))
    fresh = state(0.0)
    assert checkpoints.restore(tmp_path, fresh) == 7
    assert float(fresh["weight"]) == 1.5


def test_nothing_to_restore(tmp_path: Path) -> None:
    assert checkpoints.restore(tmp_path / "none", state(0.0)) is None


def test_keeps_the_last_three(tmp_path: Path) -> None:
    for step in (5, 10, 20, 40, 80):
        checkpoints.save(tmp_path, step, state(float(step)))
    assert checkpoints.steps(tmp_path) == [20, 40, 80]
    assert len(list(tmp_path.iterdir())) == 3


def test_saving_a_step_again_replaces_it(tmp_path: Path) -> None:
    checkpoints.save(tmp_path, 1, state(1.0))
    checkpoints.save(tmp_path, 1, state(2.0))
    fresh = state(0.0)
    assert checkpoints.restore(tmp_path, fresh) == 1
    assert float(fresh["weight"]) == 2.0


def test_what_a_kill_left_unfinished_is_neither_read_nor_kept(tmp_path: Path) -> None:
    checkpoints.save(tmp_path, 1, state(1.0))
    left_over = tmp_path / ".unfinished_step_00000002"
    left_over.mkdir()
    (left_over / "state.index").write_bytes(b"half")
    fresh = state(0.0)
    assert checkpoints.restore(tmp_path, fresh) == 1
    checkpoints.save(tmp_path, 3, state(3.0))
    assert not left_over.exists()


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "no index"])
def test_a_corrupt_checkpoint_falls_back_to_the_one_before(
    tmp_path: Path, damage: str
) -> None:
    checkpoints.save(tmp_path, 1, state(1.0))
    newest = checkpoints.save(tmp_path, 2, state(2.0))
    data = newest / "state.data-00000-of-00001"
    if damage == "truncated":
        data.write_bytes(data.read_bytes()[:-30])
    elif damage == "flipped":
        data.write_bytes(bytes(b ^ 255 for b in data.read_bytes()))
    elif damage == "empty":
        (newest / "state.index").write_bytes(b"")
    else:
        (newest / "state.index").unlink()
    fresh = state(0.0)
    with pytest.warns(UserWarning, match="step_00000002 cannot be read"):
        assert checkpoints.restore(tmp_path, fresh) == 1
    assert float(fresh["weight"]) == 1.0


def test_none_readable_is_a_failure_that_says_what_to_do(tmp_path: Path) -> None:
    path = checkpoints.save(tmp_path, 1, state(1.0))
    (path / "state.index").write_bytes(b"")
    with (
        pytest.warns(UserWarning, match="is skipped"),
        pytest.raises(FailureError, match=r"None of the 1 checkpoints .* --fresh"),
    ):
        checkpoints.restore(tmp_path, state(0.0))


def test_an_unwritable_folder_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(FailureError, match="Could not write a checkpoint"):
        checkpoints.save(tmp_path / "file" / "checkpoints", 1, state(1.0))


def test_everything_of_a_training_comes_back(tmp_path: Path) -> None:
    model = gans.cyclegan(pool_size=6, ema_decay=0.9)
    gans.train_eagerly(model, gans.batches(3))
    checkpoints.save(tmp_path, 3, model.training_state())

    other = gans.cyclegan(seed=1, pool_size=6, ema_decay=0.9)
    assert checkpoints.restore(tmp_path, other.training_state()) == 3
    assert int(other.step) == 3
    for ours, theirs in (
        (gans.weights(model), gans.weights(other)),
        (model.generator_optimizer.variables, other.generator_optimizer.variables),
        (
            model.discriminator_optimizer.variables,
            other.discriminator_optimizer.variables,
        ),
        (
            model.ema_generators["a2b"].get_weights(),
            other.ema_generators["a2b"].get_weights(),
        ),
        (
            [model.pool_a.images, model.pool_b.stored],
            [other.pool_a.images, other.pool_b.stored],
        ),
    ):
        for one, two in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(np.asarray(one), np.asarray(two))
    assert int(other.generator_optimizer.iterations) == 3


def test_both_replicas_pools_come_back(
    tmp_path: Path, mirrored: tf.distribute.MirroredStrategy
) -> None:
    with mirrored.scope():
        model = gans.cyclegan(pool_size=6)
        other = gans.cyclegan(seed=1, pool_size=6)
    gans.train_eagerly(model, gans.batches(2))
    checkpoints.save(tmp_path, 2, model.training_state())
    checkpoints.restore(tmp_path, other.training_state())
    for name in ("pool_a", "pool_b"):
        saved = model.training_state()[name]["images"]
        restored = other.training_state()[name]["images"]
        assert np.abs(saved[0].numpy() - saved[1].numpy()).max() > 1e-3
        for one, two in zip(saved, restored, strict=True):
            np.testing.assert_array_equal(one.numpy(), two.numpy())


@pytest.mark.parametrize("ema_decay", [0.0, 0.5])
def test_load_networks_gives_what_is_exported(tmp_path: Path, ema_decay: float) -> None:
    model = gans.cyclegan(ema_decay=ema_decay)
    gans.train_eagerly(model, gans.batches(1))
    checkpoints.describe_networks(
        tmp_path,
        "ema_generators" if ema_decay else "generators",
        model.exported_networks,
    )
    checkpoints.save(tmp_path / "checkpoints", 1, model.training_state())
    keras.utils.set_random_seed(99)
    networks = checkpoints.load_networks(tmp_path)
    assert set(networks) == {"a2b", "b2a"}
    image = np.random.default_rng(0).uniform(-1, 1, (1, 16, 16, 3)).astype("float32")
    for name, network in networks.items():
        np.testing.assert_array_equal(
            network(image), model.exported_networks[name](image)
        )


def test_load_networks_of_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no checkpoint of a training"):
        checkpoints.load_networks(tmp_path)


@pytest.mark.parametrize("make", growing.MAKERS)
def test_everything_of_a_growing_training_comes_back(
    tmp_path: Path, make: Callable[..., GANModel]
) -> None:
    """Every layer of every list, the averages, the moments and what ADA has seen."""
    options = {"label_size": 2, "augment": "ada", "ada_speed": 100.0}
    model = make(**options, ada_target=-1.5)
    growing.train(model, 4)
    checkpoints.save(tmp_path, 4, model.training_state())

    other = make(seed=1, **options)
    assert checkpoints.restore(tmp_path, other.training_state()) == 4
    for one, two in zip(growing.state(model), growing.state(other), strict=True):
        np.testing.assert_array_equal(one, two)
    for name in ("generator_optimizer", "discriminator_optimizer"):
        mine, theirs = getattr(model, name), getattr(other, name)
        for one, two in zip(mine.variables, theirs.variables, strict=True):
            if "learning_rate" not in one.path:
                np.testing.assert_array_equal(one.numpy(), two.numpy())
    told = other.status()
    assert told["images_seen"] == 32
    assert told["ada_probability"] == pytest.approx(0.32)
    assert int(other.step) == 4


@pytest.mark.parametrize("make", growing.MAKERS)
def test_each_checkpoint_has_networks_of_its_own(
    tmp_path: Path, make: Callable[..., GANModel]
) -> None:
    """The newest readable one tells the resolution, not the folder."""
    model = make()
    checkpoints.describe_networks(tmp_path, "ema_generators", model.exported_networks)
    directory = tmp_path / "checkpoints"
    for step in (1, 4):
        model.begin(step)
        texts = {
            "networks.json": checkpoints.describe(
                "ema_generators", model.exported_networks
            )
        }
        path = checkpoints.save(directory, step, model.training_state(), texts=texts)
        assert (path / "networks.json").read_text() == texts["networks.json"]
    newest = checkpoints.load_networks(tmp_path)["generator"]
    assert newest.grown == 16
    _, said = checkpoints.load_described(tmp_path)
    assert (said.steps, said.networks["generator"].resolution) == (4, 16)
    for one, two in zip(
        newest.get_weights(),
        model.exported_networks["generator"].get_weights(),
        strict=True,
    ):
        np.testing.assert_array_equal(one, two)
    (path / "state.index").write_bytes(b"")
    with pytest.warns(UserWarning, match="step_00000004 cannot be read"):
        assert checkpoints.load_networks(tmp_path)["generator"].grown == 8
    # Without its own description, as before there were any, the folder's counts.
    (directory / "step_00000001/networks.json").unlink()
    with pytest.warns(UserWarning, match="step_00000004 cannot be read"):
        assert checkpoints.load_networks(tmp_path)["generator"].grown == 8

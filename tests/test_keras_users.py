"""GANs trained, saved and loaded with nothing but Keras's own means."""

from pathlib import Path

import keras
import numpy as np
import pytest

from tests import gans, models
from tests.test_fitting import ARRAYS, tiny
from tfgan_models import CycleGAN

MONITOR = "val_cycle_a"


def rates(model: keras.Model) -> list[float]:
    optimizers = (model.generator_optimizer, model.discriminator_optimizer)
    return [float(optimizer.learning_rate) for optimizer in optimizers]


def test_a_cyclegan_with_keras_own_callbacks(tmp_path: Path) -> None:
    """And the file that one of them wrote goes on where it stopped."""
    model = gans.cyclegan(ema_decay=0.5)
    model.compile(keras.optimizers.Adam(4e-4), keras.optimizers.Adam(1e-4))
    best = tmp_path / "best.keras"
    history = model.fit(
        gans.batches(2),
        validation_data=gans.batches(1, seed=6),
        epochs=2,
        verbose=0,
        callbacks=[
            keras.callbacks.ModelCheckpoint(
                best, MONITOR, save_best_only=True, mode="min"
            ),
            keras.callbacks.EarlyStopping(MONITOR, patience=5, mode="min"),
            keras.callbacks.TensorBoard(tmp_path / "logs"),
            # No epoch is better by 100.
            keras.callbacks.ReduceLROnPlateau(
                MONITOR, factor=0.5, patience=1, min_delta=100, mode="min"
            ),
        ],
    )
    assert rates(model) == pytest.approx([2e-4, 5e-5])
    assert history.history["learning_rate"] == pytest.approx([4e-4, 4e-4])
    assert best.exists()
    assert list((tmp_path / "logs").rglob("events.*"))

    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    assert isinstance(loaded, CycleGAN)
    assert int(loaded.step.numpy()) == 4
    assert rates(loaded) == pytest.approx([2e-4, 5e-5])
    for one in (model, loaded):
        one.fit(gans.batches(1, seed=7), verbose=0)
    for ours, theirs in zip(gans.weights(loaded), gans.weights(model), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_a_dict_of_arrays() -> None:
    model = tiny()
    before = gans.weights(model)
    pairs = dict(zip(("real_a", "real_b"), ARRAYS, strict=True))
    history = model.fit(pairs, batch_size=4, validation_data=pairs, verbose=0)
    assert int(model.step.numpy()) == 2
    assert {"l1", "val_l1"} <= {*history.history}
    assert any((a != b).any() for a, b in zip(before, gans.weights(model), strict=True))


def test_a_rate_is_that_of_the_stage() -> None:
    """SRGAN's first stage has an optimizer of its own."""
    model = models._srgan()
    model.begin(0)
    model.optimizer.learning_rate = 5e-4
    assert float(model.first_stage_optimizer.learning_rate) == pytest.approx(5e-4)
    assert rates(model) == pytest.approx([1e-3, 1e-3])
    model.begin(2)
    model.optimizer.learning_rate = 1e-4
    assert rates(model) == pytest.approx([1e-4, 1e-4])

"""The learning rate's course."""

import keras
import numpy as np
import pytest

from tfgan_models.schedules import LinearDecay


def test_constant_then_linear_and_the_last_step_still_moves() -> None:
    schedule = LinearDecay(2e-4, decay_start=100, total_steps=200)
    rates = np.array([float(schedule(s)) for s in (0, 99, 100, 150, 199, 200, 500)])
    expected = 2e-4 * np.array([1, 1, 1, 0.5, 0.01, 0, 0])
    np.testing.assert_allclose(rates, expected, rtol=1e-5, atol=1e-12)


def test_survives_serialisation() -> None:
    schedule = LinearDecay(1e-3, 5, 50)
    twin = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(schedule)
    )
    assert isinstance(twin, LinearDecay)
    assert twin.get_config() == schedule.get_config()


@pytest.mark.parametrize("start", [-1, 10, 11])
def test_refuses_a_decay_outside_the_training(start: int) -> None:
    with pytest.raises(ValueError, match=f"decay_start={start}, total_steps=10"):
        LinearDecay(1e-3, start, 10)

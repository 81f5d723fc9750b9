"""The learning rate's course."""

import keras
import numpy as np
import pytest

from tfgan_models.schedules import HalvingEvery, LinearDecay


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


def test_halves_every_so_many_steps() -> None:
    schedule = HalvingEvery(2e-4, every=100)
    rates = [float(schedule(s)) for s in (0, 99, 100, 199, 200, 599, 600)]
    expected = 2e-4 / np.array([1, 1, 2, 2, 4, 32, 64])
    np.testing.assert_allclose(rates, expected, rtol=1e-6)


def test_halves_on_the_iterations_of_an_optimizer() -> None:
    optimizer = keras.optimizers.SGD(HalvingEvery(1.0, every=2))
    weight = keras.Variable(np.zeros(1, "float32"))
    optimizer.build([weight])
    seen = []
    for _ in range(5):
        before = float(weight.numpy()[0])
        optimizer.apply([np.ones(1, "float32")], [weight])
        seen.append(before - float(weight.numpy()[0]))
    np.testing.assert_allclose(seen, [1.0, 1.0, 0.5, 0.5, 0.25], rtol=1e-6)


def test_halving_survives_serialisation() -> None:
    twin = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(HalvingEvery(1e-3, 5))
    )
    assert isinstance(twin, HalvingEvery)
    assert twin.get_config() == {"learning_rate": 1e-3, "every": 5}


@pytest.mark.parametrize(("rate", "every"), [(0.0, 5), (1e-3, 0)])
def test_refuses_a_halving_that_cannot_be(rate: float, every: int) -> None:
    message = f"Received: learning_rate={rate}, every={every}"
    with pytest.raises(ValueError, match=message):
        HalvingEvery(rate, every)

"""The learning rate's course."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfgan_models.schedules import LinearDecay, halving


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


@pytest.mark.parametrize("every", [100, 124_999])
def test_halves_every_so_many_steps_in_graphs(every: int) -> None:
    """Of 124,999 a step / every is a little below 1 at step 124,999, if multiplied."""
    rate = tf.function(halving(2e-4, every, times=6), autograph=False)
    steps = np.array([0, 1, 2, 6, 7])[:, None] * every + [-1, 0, 1]
    rates = rate(tf.constant(np.maximum(steps, 0))).numpy()
    halvings = [[0, 0, 0], [0, 1, 1], [1, 2, 2], [5, 6, 6], [6, 6, 6]]
    np.testing.assert_array_equal(rates, np.float32(2e-4) * 0.5 ** np.array(halvings))


def test_halves_on_the_iterations_of_an_optimizer() -> None:
    optimizer = keras.optimizers.SGD(halving(1.0, every=2, times=2))
    weight = keras.Variable(np.zeros(1, "float32"))
    optimizer.build([weight])
    seen = []
    for _ in range(5):
        before = float(weight.numpy()[0])
        optimizer.apply([np.ones(1, "float32")], [weight])
        seen.append(before - float(weight.numpy()[0]))
    np.testing.assert_allclose(seen, [1.0, 1.0, 0.5, 0.5, 0.25], rtol=1e-6)


def test_an_older_files_halving_is_read() -> None:
    found = keras.saving.deserialize_keras_object(
        {
            "module": "tfgan_models.schedules",
            "class_name": "HalvingEvery",
            "config": {"learning_rate": 1e-3, "every": 5},
            "registered_name": "tfgan_models>HalvingEvery",
        }
    )
    rates = [float(found(step)) for step in (4, 5, 149)]
    np.testing.assert_allclose(rates, [1e-3, 5e-4, 1e-3 / 2**29], rtol=1e-6)


@pytest.mark.parametrize(
    ("rate", "every", "times"), [(0.0, 5, 1), (1e-3, 0, 1), (1e-3, 5, 0)]
)
def test_refuses_a_halving_that_cannot_be(rate: float, every: int, times: int) -> None:
    message = f"Received: learning_rate={rate}, every={every}, times={times}"
    with pytest.raises(ValueError, match=message):
        halving(rate, every, times)

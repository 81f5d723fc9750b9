"""How the first GANs' descent calms down."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfgan_models.annealing import ExponentialDecay, RisingMomentumSGD


def test_the_rate_decays_to_its_lowest() -> None:
    schedule = ExponentialDecay(0.1, 1.000004, 1e-6)
    steps = np.array([0, 1, 1000, 150_000, 2_800_000, 2_900_000])
    rates = [float(schedule(step)) for step in steps]
    expected = np.maximum(0.1 / 1.000004 ** steps.astype(np.float64), 1e-6)
    np.testing.assert_allclose(rates, expected, rtol=1e-5)
    assert rates[-1] == np.float32(1e-6) < rates[-2]


def test_momentum_rises_and_stays() -> None:
    """Against the rule written out: v = m v - r g, w = w + v."""
    optimizer = RisingMomentumSGD(0.1, 0.5, 0.7, rise_steps=4)
    weight = keras.Variable([1.0, -2.0])
    optimizer.build([weight])
    w, v = np.array([1.0, -2.0]), np.zeros(2)
    for step in range(7):
        gradient = np.array([1.0, step])
        optimizer.apply([tf.constant(gradient, tf.float32)], [weight])
        v = (0.5 + 0.2 * min(step / 4, 1.0)) * v - 0.1 * gradient
        w = w + v
        np.testing.assert_allclose(weight.numpy(), w, rtol=1e-5)


def test_two_replicas_descend_alike(mirrored: tf.distribute.MirroredStrategy) -> None:
    with mirrored.scope():
        optimizer = RisingMomentumSGD(0.1, 0.5, 0.7, rise_steps=2)
        weight = keras.Variable([1.0])
        optimizer.build([weight])

    @tf.function
    def step() -> None:
        optimizer.apply([tf.constant([0.5])], [weight])

    for _ in range(3):
        mirrored.run(step)
    # The two gradients are added up: 1.0 at each step.
    expected = 1.0 - 0.1 - (0.6 * 0.1 + 0.1) - (0.7 * 0.16 + 0.1)
    for value in mirrored.experimental_local_results(weight.value):
        np.testing.assert_allclose(value.numpy(), [expected], rtol=1e-6)


def test_survive_serialisation() -> None:
    schedule = ExponentialDecay(0.1, 1.00004, 1e-6)
    optimizer = RisingMomentumSGD(schedule, 0.4, 0.8, rise_steps=9)
    twin = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(optimizer)
    )
    assert isinstance(twin, RisingMomentumSGD)
    assert twin.get_config() == optimizer.get_config()


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: ExponentialDecay(0.1, 0.9, 1e-6), "decay=0.9"),
        (lambda: ExponentialDecay(1e-7, 1.1, 1e-6), "learning_rate=1e-07"),
        (lambda: RisingMomentumSGD(0.1, 0.7, 0.5), "final_momentum=0.5"),
        (lambda: RisingMomentumSGD(0.1, rise_steps=0), "rise_steps=0"),
    ],
)
def test_refuse_what_cannot_be(made: object, message: str) -> None:
    with pytest.raises(ValueError, match=f"Received: .*{message}"):
        made()

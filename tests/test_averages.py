"""Averaged generators are as good as the raw ones from the first steps on."""

from collections.abc import Callable, Mapping

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import growing, models
from tests.models import CASES, Case
from tfgan_models.adversarial import GANModel

LEVEL = 0.6
"""Around which all images are; untrained networks answer around 0."""


def batch(case: Case, model: GANModel, seed: int) -> models.Batch:
    """A batch of images that are easy to learn."""
    return {
        key: LEVEL + 0.2 * value if value.dtype == tf.float32 else value
        for key, value in case.batch(model, seed).items()
    }


def train(case: Case, model: GANModel, first: int, steps: int) -> None:
    for step in range(first, first + steps):
        data = tf.data.Dataset.from_tensors(batch(case, model, 100 + step))
        model.make_train_function()(iter(data))


def l1(ours: tf.Tensor, truth: tf.Tensor) -> float:
    return float(tf.reduce_mean(tf.abs(ours - truth)))


def error(case: Case, model: GANModel, networks: Mapping[str, keras.Model]) -> float:
    """How far networks are from what their system is to learn."""
    data = batch(case, model, 7)
    last = networks[list(model.exported_networks)[-1]]
    if case.model == "CycleGAN":
        a, there, back = data["real_a"], networks["a2b"], networks["b2a"]
        return l1(back(there(a, training=False), training=False), a)
    if case.model == "Pix2Pix":
        source, target = data.values()
        return l1(last(source, training=False), target)
    if case.model == "SRGAN":
        return l1(last(data["low"], training=False), data["high"])
    drawn = models.answers(last, case.side)[-1]
    return l1(tf.reduce_mean(drawn, axis=0), LEVEL)


# How averages follow is `GANModel`'s and `GrowingGAN`'s; one of each loop's shape.
SHAPES = ("GAN", "DCGAN", "SRGAN", "ProGAN")
trained = [
    pytest.param(case, marks=() if case.model in SHAPES else pytest.mark.slow)
    for case in CASES
]


@pytest.mark.parametrize("case", trained, ids=str)
def test_averages_are_no_worse_than_the_generators(case: Case) -> None:
    """With a horizon of a thousand steps, after 50 and after 150 of the last stage.

    They lag behind by a little of how far training has gone; averages that keep the
    initial weights would have gone less than a sixth of it.
    """
    decay = {"ema_half_life": 5000.0} if not case.ema else {"ema_decay": 0.999}
    model = case.build(**decay)
    start = case.stages[-1]
    model.step.assign(start)
    model.begin(start)
    for optimizer in (model.generator_optimizer, model.discriminator_optimizer):
        optimizer.learning_rate = 1e-2 if case.model not in ("CGAN", "ProGAN") else 5e-3
    before = error(case, model, model.generators)
    assert error(case, model, model.ema_generators) == pytest.approx(before)
    for first, steps in ((start, 50), (start + 50, 100)):
        train(case, model, first, steps)
        raw = error(case, model, model.generators)
        averaged = error(case, model, model.ema_generators)
        assert averaged < 1.2 * raw + 0.15 * before
    assert raw < 0.7 * before
    keras.backend.clear_session()


def moved(decay: float, steps: int) -> GANModel:
    """A model whose weight goes from 0 to 1 at the first step and stays there."""
    network = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    network.set_weights([np.zeros([1, 1]), np.zeros([1])])
    model = GANModel({"g": network}, {}, ema_decay=decay)
    model.loss_metrics = []
    network.set_weights([np.ones([1, 1]), np.ones([1])])
    for _ in range(steps):
        model.finish_step({})
    return model


def average(model: GANModel) -> float:
    return float(model.ema_generators["g"].get_weights()[0][0, 0])


@pytest.mark.parametrize("decay", [0.5, 0.9, 0.999])
def test_initial_weights_are_forgotten(decay: float) -> None:
    """Their share is the product of the decays: below 1% after ten horizons."""
    steps = min(10 * round(1 / (1 - decay)), 100)
    share = np.prod([min(decay, (1 + t) / (10 + t)) for t in range(steps)])
    assert 1 - average(moved(decay, steps)) == pytest.approx(share, abs=1e-6)
    assert share < 0.01


def test_weights_that_begin_to_move_later_are_forgotten_as_soon() -> None:
    model = moved(0.999, 40)
    model.generators["g"].set_weights([np.full([1, 1], 5.0), np.ones([1])])
    model.averaged_since = 40
    model.finish_step({})
    assert average(model) == pytest.approx(0.1 * 1 + 0.9 * 5, abs=1e-4)


STARTS: dict[str, Callable[[GANModel, int], int]] = {
    "SRGAN": lambda model, step: 0 if step < 2 else 2,
    "StackGAN": lambda model, step: step - step % 2,
    "ProGAN": lambda model, step: 0 if step < 2 else 2,
    "StyleGAN": lambda model, step: 0 if step < 2 else 2,
}


@pytest.mark.parametrize("case", [c for c in CASES if c.model in STARTS], ids=str)
def test_averages_begin_anew_with_new_networks(case: Case) -> None:
    """Also in a training that is resumed within a stage."""
    model = case.build(**case.ema)
    for step in range(case.steps):
        model.begin(step)
        assert model.averaged_since == STARTS[case.model](model, step)


def call(case: Case, model: GANModel) -> np.ndarray:
    """Returns what the model itself answers."""
    latent = models.images(0, 2, 2, 1)[:, :, :, 0]
    inputs = {
        "CGAN": ((tf.reshape(latent, [2, 4]), tf.constant([0, 2])),),
        "StackGAN": ((tf.reshape(latent, [2, 4]), tf.reshape(latent, [2, 4])),),
        **dict.fromkeys(
            ("CycleGAN", "Pix2Pix", "SRGAN"), (models.images(0, 2, case.side),)
        ),
    }
    return model(*inputs.get(case.model, (tf.reshape(latent, [2, 4]),))).numpy()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_calling_the_model_is_calling_what_is_exported(case: Case) -> None:
    """Not the generator that is in training."""
    unlabelled = {"ProGAN": growing.progan, "StyleGAN": growing.stylegan}
    model = unlabelled.get(case.model, case.build)(**case.ema)
    for networks in (model.generators, model.ema_generators):
        for network in networks.values():
            network.set_weights([w + 0.01 for w in network.get_weights()])
    before = call(case, model)
    for network in model.generators.values():
        network.set_weights([2 * w for w in network.get_weights()])
    np.testing.assert_array_equal(call(case, model), before)
    for network in model.exported_networks.values():
        network.set_weights([-w for w in network.get_weights()])
    assert np.any(call(case, model) != before)

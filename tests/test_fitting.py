"""What `fit` and `evaluate` make of what they are given, and who trains by default."""

import importlib
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import tfgan_models
from tests import gans, models
from tfgan_models import Pix2Pix, batches
from trainers.training import growing, latent, translation_parts
from trainers.training.recipe import in_steps

ARRAYS = np.random.default_rng(0).uniform(-1, 1, (2, 9, 16, 16, 3))


def numbers(count: int) -> np.ndarray:
    return np.arange(count, dtype="float32")


def order(data: tf.data.Dataset) -> list[list[float]]:
    return [batch.tolist() for batch in data.as_numpy_iterator()]


def test_arrays_become_full_batches_in_a_new_order() -> None:
    data = batches.dataset(numbers(10), None, 4, replicas=2, seed=3)
    first, second = order(data), order(data)
    for epoch in (first, second):
        assert [len(batch) for batch in epoch] == [4, 4]
        assert len({*epoch[0], *epoch[1]}) == 8
    assert first != second
    in_order = batches.dataset(numbers(5), None, 2, replicas=1, shuffle=False)
    assert order(in_order) == [[0, 1], [2, 3]]


@pytest.mark.parametrize(
    ("count", "batch_size", "replicas", "sizes"),
    [(70, None, 2, [32, 32]), (7, None, 2, [6]), (7, 7, 1, [7])],
)
def test_batch_sizes(
    count: int, batch_size: int | None, replicas: int, sizes: list[int]
) -> None:
    data = batches.dataset(numbers(count), None, batch_size, replicas)
    assert [len(batch) for batch in order(data)] == sizes


def test_too_few_images_for_a_batch() -> None:
    with pytest.raises(ValueError, match=r"from 2 to 7\. Received: batch_size=8"):
        batches.dataset(numbers(7), None, 8, replicas=2)
    with pytest.raises(ValueError, match="no batch in 1 images"):
        batches.dataset(numbers(1), None, None, replicas=2)


def test_arrays_of_different_lengths_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"Received: 9 and 5. .*tf\.data\.Dataset\.zip"
    ):
        gans.cyclegan().fit(ARRAYS[0], ARRAYS[1][:5])


def tiny() -> Pix2Pix:
    """A Pix2Pix that draws nothing and is traced in no time."""
    keras.utils.set_random_seed(0)
    model = Pix2Pix(
        keras.Sequential([keras.Input((None, None, 3)), layers.Conv2D(3, 1)]),
        keras.Sequential([keras.Input((None, None, 6)), layers.Conv2D(1, 4)]),
        ema_decay=0.9,
    )
    model.compile(gans.sgd(), gans.sgd())
    return model


def test_two_replicas_fit_and_evaluate_as_one(
    mirrored: tf.distribute.MirroredStrategy,
) -> None:
    """Arrays; the last batch of an evaluation has an image for one replica alone."""
    a, b = ARRAYS
    found = []
    for strategy in (tf.distribute.get_strategy(), mirrored):
        with strategy.scope():
            model = tiny()
        history = model.fit(
            a, b, batch_size=4, epochs=2, verbose=0, validation_split=5 / 9
        )
        assert int(model.step.numpy()) == 2
        evaluated = model.evaluate(a, b, batch_size=4, return_dict=True, verbose=0)
        assert set(evaluated) == set(model.loss_names)
        found.append((history.history, evaluated))
    for one, other in zip(*found, strict=True):
        assert {f"val_{name}" for name in tiny().loss_names} <= {*found[0][0]}
        for name, value in one.items():
            np.testing.assert_allclose(other[name], value, rtol=1e-5, err_msg=name)


def test_a_stage_that_begins_is_evaluated_anew() -> None:
    model = models._srgan(optimizer=gans.sgd)
    arrays = {k: np.asarray(v) for k, v in models._low_and_high(model, 0).items()}
    found = []
    for step in (0, 2):
        model.begin(step)
        found.append(model.evaluate(arrays, return_dict=True, verbose=0))
    assert [len(logs) for logs in found] == [2, 5]


def of_recipe(recipe: Any) -> keras.optimizers.Optimizer:
    return keras.optimizers.Adam(recipe.learning_rate, recipe.beta_1, epsilon=1e-8)


RECIPES = {
    "GAN": latent._sgd,
    "CGAN": latent._sgd,
    "DCGAN": latent._adam,
    "ProGAN": growing.optimizer,
    "StyleGAN": growing.optimizer,
    "CycleGAN": lambda recipe: translation_parts.adam(in_steps(recipe, 100)),
    "Pix2Pix": lambda recipe: translation_parts.adam(in_steps(recipe, 100)),
    "SRGAN": of_recipe,
    "StackGAN": of_recipe,
}
NUMBERS = ("beta_1", "beta_2", "epsilon", "momentum", "final_momentum", "rise_steps")


@pytest.mark.parametrize("system", RECIPES)
def test_the_papers_recipe_is_the_default(system: str) -> None:
    """Rates at the start of a training, whose end a model does not know."""
    recipe = importlib.import_module(f"trainers.{system.lower()}").PRESETS["paper"]
    ours = getattr(tfgan_models, system).paper_optimizer(None)
    theirs = RECIPES[system](recipe)
    assert type(ours) is type(theirs)
    assert float(ours.learning_rate) == pytest.approx(float(theirs.learning_rate))
    for number in NUMBERS:
        assert getattr(ours, number, None) == getattr(theirs, number, None)


def test_compile_without_optimizers() -> None:
    model = tiny()
    model.compile()
    for optimizer in (model.generator_optimizer, model.discriminator_optimizer):
        assert optimizer.built
        assert (optimizer.beta_1, optimizer.epsilon) == (0.5, 1e-8)
    assert set(RECIPES) == {case.model for case in models.CASES}

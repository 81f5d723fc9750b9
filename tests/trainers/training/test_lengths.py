"""--steps and --kimg: the length of every training, whatever its stages."""

import dataclasses
import importlib
from typing import Any

import pytest

from tfgan_models import growth
from tfgan_models.errors import UsageError
from tfgan_models.systems import SYSTEMS
from trainers import cyclegan, srgan, stackgan, stylegan
from trainers.training import growing, recipe

PRESETS = {
    (name, preset): importlib.import_module(f"trainers.{name}").PRESETS[preset]
    for name in SYSTEMS
    for preset in ("paper", "cpu")
}


def steps_of(found: Any) -> int:
    """The steps of a training, as its recipe has them."""
    if isinstance(found, growing.GrowingRecipe):
        return growth.phases(growing.schedule(found))[-1].end_step
    if isinstance(found, recipe.EpochRecipe):
        return found.steps
    stages = ("matching_steps", "first_stage_steps", "second_stage_steps")
    if isinstance(found, srgan.SRGANRecipe):
        stages = ("mse_steps", "adversarial_steps")
    return sum(getattr(found, stage) for stage in stages)


@pytest.mark.parametrize("steps", [3, 1000, 77_777])
@pytest.mark.parametrize(("name", "preset"), PRESETS)
def test_every_training_has_as_many_steps_as_asked(
    name: str, preset: str, steps: int
) -> None:
    found = recipe.resolve(PRESETS[name, preset], {"steps": steps})
    assert steps_of(found) == steps


@pytest.mark.parametrize(("name", "preset"), PRESETS)
def test_every_training_shows_as_many_images_as_asked(name: str, preset: str) -> None:
    start = PRESETS[name, preset]
    found = recipe.resolve(start, {"kimg": 9.6})
    if isinstance(found, growing.GrowingRecipe):
        assert found.kimg == 9.6
    else:
        assert steps_of(found) == -(-9600 // start.batch_size)


def test_stages_are_scaled_in_proportion() -> None:
    start = srgan.PRESETS["cpu"]
    found = recipe.resolve(start, {"steps": 500})
    assert (found.mse_steps, found.adversarial_steps) == (400, 100)
    found = recipe.resolve(stackgan.PRESETS["cpu"], {"steps": 600})
    assert found.matching_steps == 100
    assert (found.first_stage_steps, found.second_stage_steps) == (350, 150)
    found = recipe.resolve(stylegan.PRESETS["cpu"], {"kimg": 30.0})
    assert (found.kimg, found.kimg_per_phase) == (30.0, 2.0)
    found = recipe.resolve(stylegan.PRESETS["cpu"], {"steps": 3750})
    assert (found.kimg, found.kimg_per_phase) == (30.0, 2.0)
    # Batches fall from 256 to 32 images as the paper's network grows.
    found = recipe.resolve(stylegan.PRESETS["paper"], {"steps": 50_000})
    assert found.kimg / found.kimg_per_phase == pytest.approx(25000 / 600, rel=1e-3)


def test_stages_that_are_given_stay() -> None:
    start = srgan.PRESETS["cpu"]
    found = recipe.resolve(start, {"steps": 500, "mse_steps": 450})
    assert (found.mse_steps, found.adversarial_steps) == (450, 50)
    found = recipe.resolve(start, {"steps": 500, "mse_steps": 0})
    assert (found.mse_steps, found.adversarial_steps) == (0, 500)
    values = {"steps": 3000, "kimg_per_phase": 8.0}
    found = recipe.resolve(stylegan.PRESETS["cpu"], values)
    assert (found.kimg, found.kimg_per_phase) == (24.0, 8.0)
    values = {"kimg": 60.0, "kimg_per_phase": 8.0}
    found = recipe.resolve(stylegan.PRESETS["cpu"], values)
    assert (found.kimg, found.kimg_per_phase) == (60.0, 8.0)
    values = {"steps": 100, "embeddings": "vectors.npz"}
    found = recipe.resolve(stackgan.PRESETS["cpu"], values)
    assert (found.first_stage_steps, found.second_stage_steps) == (70, 30)


def test_epochs_that_are_given_rule() -> None:
    found = recipe.resolve(cyclegan.PRESETS["cpu"], {"epochs": 2})
    assert (found.epochs, found.steps) == (2, 0)
    found = recipe.resolve(stackgan.PRESETS["cpu"], {"second_stage_epochs": 2})
    assert (found.first_stage_steps, found.second_stage_steps) == (3500, 0)


@pytest.mark.parametrize(
    ("module", "values", "message"),
    [
        (cyclegan, {"steps": 2, "kimg": 3.0}, "Received: --steps=2, --kimg=3.0"),
        (cyclegan, {"steps": 2, "epochs": 3}, "Received: --epochs=3, --steps=2"),
        (stylegan, {"steps": -2}, "single length, above 0. Received: --steps=-2"),
        (srgan, {"steps": 1}, "cannot have 1 steps in total"),
        (srgan, {"steps": 9, "mse_steps": 9}, r"\(mse_steps=9\) keep theirs"),
        (
            srgan,
            {"steps": 9, "mse_steps": 4, "adversarial_steps": 4},
            r"\(mse_steps=4, adversarial_steps=4\) keep theirs",
        ),
        (
            stackgan,
            {"steps": 9, "first_stage_epochs": 4},
            "Give --first_stage_steps",
        ),
    ],
)
def test_lengths_that_cannot_be_are_refused(
    module: Any, values: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message) as error:
        recipe.resolve(module.PRESETS["cpu"], values)
    assert "\n" not in str(error.value)


def test_an_old_training_goes_on_by_the_command_it_was_started_with() -> None:
    """Before, --kimg left phases as they were, and --epochs did not rule."""
    for name, values in (("stylegan", {"kimg": 60.0}), ("cyclegan", {"epochs": 9})):
        start = PRESETS[name, "cpu"]
        old = type(start)(**{**vars(start), **values})
        assert recipe.resolve(start, values) != old
        assert recipe.going_on(old, values) == old
        # Not where a length is asked for that it did not have.
        assert steps_of(recipe.going_on(old, {"steps": 60})) == 60


@pytest.mark.parametrize(
    "values", [{"steps": 500}, {"kimg": 9.0}, {"steps": 500, "mse_steps": 450}, {}]
)
def test_the_same_command_finds_the_same_recipe(values: dict[str, Any]) -> None:
    saved = recipe.resolve(srgan.PRESETS["cpu"], values)
    assert recipe.going_on(saved, values) == saved


def test_the_last_stage_is_what_becomes_longer() -> None:
    saved = srgan.PRESETS["cpu"]  # 4000 and 1000
    longer = recipe.going_on(saved, {"steps": 6000})
    assert (longer.mse_steps, longer.adversarial_steps) == (4000, 2000)
    saved = stylegan.PRESETS["cpu"]
    longer = recipe.going_on(saved, {"kimg": 2 * saved.kimg})
    assert longer == dataclasses.replace(saved, kimg=2 * saved.kimg)

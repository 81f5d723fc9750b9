"""Recipes: the paper's numbers, overridden, saved and compared."""

import dataclasses
import json
from pathlib import Path

import pytest

from tfgan_models.errors import UsageError
from trainers.cyclegan import PRESETS, CycleGANRecipe
from trainers.training import recipe


def test_the_papers_numbers() -> None:
    paper = PRESETS["paper"]
    assert (paper.image_size, paper.batch_size, paper.epochs) == (256, 1, 200)
    assert (paper.generator, paper.filters, paper.residual_blocks) == ("resnet", 64, 9)
    assert (paper.cycle_weight, paper.identity_weight) == (10.0, 0.5)
    assert (paper.learning_rate, paper.beta_1, paper.pool_size) == (2e-4, 0.5, 50)
    assert (paper.discriminator_layers, paper.upsampling) == (3, "transposed")
    assert (paper.norm, paper.ema_decay) == ("instance", 0.0)


def test_saved_and_compared(tmp_path: Path) -> None:
    saved = CycleGANRecipe(filters=8)
    assert recipe.differences(recipe.read(tmp_path), "cyclegan", saved) == {}
    recipe.save(tmp_path, "cyclegan", saved)
    content = json.loads((tmp_path / "recipe.json").read_text())
    assert content["model"] == "cyclegan"
    assert content["filters"] == 8
    assert recipe.differences(recipe.read(tmp_path), "cyclegan", saved) == {}
    other = dataclasses.replace(saved, filters=16, seed=3)
    assert recipe.differences(recipe.read(tmp_path), "cyclegan", other) == {
        "filters": "filters: saved 8, asked 16",
        "seed": "seed: saved 0, asked 3",
    }
    assert recipe.differences(recipe.read(tmp_path), "srgan", saved) == {
        "model": "model: saved 'cyclegan', asked 'srgan'"
    }


def test_an_unreadable_saved_recipe_is_a_difference(tmp_path: Path) -> None:
    (tmp_path / "recipe.json").write_text("{")
    (difference,) = recipe.differences(
        recipe.read(tmp_path), "cyclegan", CycleGANRecipe()
    ).values()
    assert "not readable JSON" in difference


def test_a_field_that_was_added_later_is_as_before(tmp_path: Path) -> None:
    saved = dataclasses.asdict(CycleGANRecipe(filters=8))
    del saved["pool_size"]
    (tmp_path / "recipe.json").write_text(json.dumps({"model": "cyclegan", **saved}))
    loaded = recipe.parsed(recipe.read(tmp_path), "cyclegan", CycleGANRecipe)
    assert loaded == CycleGANRecipe(filters=8)
    assert recipe.differences(recipe.read(tmp_path), "cyclegan", loaded) == {}
    other = dataclasses.replace(loaded, pool_size=3)
    told = {"pool_size": "pool_size: saved 50, asked 3"}
    assert recipe.differences(recipe.read(tmp_path), "cyclegan", other) == told
    # One that there is no longer is not passed over.
    (tmp_path / "recipe.json").write_text(
        json.dumps({"model": "cyclegan", **saved, "gone": 1})
    )
    assert recipe.parsed(recipe.read(tmp_path), "cyclegan", CycleGANRecipe) is None
    assert set(recipe.differences(recipe.read(tmp_path), "cyclegan", loaded)) == {
        "gone"
    }


def test_what_may_become_of_a_training_that_goes_on() -> None:
    some = CycleGANRecipe()
    assert recipe.may_become(some, []) == recipe.ANY
    assert recipe.may_become(some, ["cycle_weight", "learning_rate"]) == recipe.ANY
    assert recipe.may_become(some, ["cycle_weight", "steps"]) == recipe.LONGER
    for name in ("seed", "filters", "dataset", "norm", "ema_decay", "model", ""):
        assert recipe.may_become(some, ["steps", name]) == recipe.SAME


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("image_size", 0, "--image_size must be 1 or more. Received: 0"),
        ("batch_size", -1, "--batch_size must be 1 or more. Received: -1"),
        ("epochs", 0, "epochs=0, steps=0"),
        ("steps", -5, "steps=-5"),
    ],
)
def test_refuses_impossible_numbers(name: str, value: int, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        recipe.check(CycleGANRecipe(**{name: value}))


def test_every_field_says_what_it_means() -> None:
    for field in dataclasses.fields(CycleGANRecipe):
        assert field.metadata["help"].endswith("."), field.name
        if field.metadata["choices"]:
            assert field.default in field.metadata["choices"]

"""Recipes: a paper's numbers as a frozen dataclass, overridden by flags."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from absl import flags

from export import files
from tfgan_models.errors import UsageError

LOSSES = ("minimax", "non_saturating", "lsgan", "hinge", "wgan_gp")
"""Names in `tfgan_models.losses.ADVERSARIAL`, which imports TensorFlow."""
PRECISIONS = ("float32", "bfloat16", "float16")
_FILE = "recipe.json"


def option(default: Any, help_text: str, choices: tuple[str, ...] = ()) -> Any:
    """A recipe's field: its default, what it means and what it may be."""
    return dataclasses.field(
        default=default, metadata={"help": help_text, "choices": choices}
    )


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What every training is determined by, together with its paper's own numbers."""

    dataset: str = option(
        "earth/satellite2relief",
        "A bundled name, any TFDS name (cycle_gan/monet2photo) or folder:PATH.",
    )
    image_size: int = option(256, "Side of the training images in pixels.")
    batch_size: int = option(1, "Images of each domain in a step, over all replicas.")
    seed: int = option(0, "Key of every random draw.")
    mixed_precision: str = option(
        "float32", "What the networks compute in.", PRECISIONS
    )


@dataclasses.dataclass(frozen=True)
class EpochRecipe(Recipe):
    """A recipe whose training is so many passes over the data, or so many steps."""

    epochs: int = option(200, "Passes over the data, where --steps is 0.")
    steps: int = option(0, "Training steps; 0: as --epochs says.")


R = TypeVar("R", bound=Recipe)


@dataclasses.dataclass(frozen=True)
class Span:
    """Steps of a training that are alike.

    Args:
        first_step: The first of them.
        steps: How many.
        batch_size: Images of a step, over all replicas.
        epoch: Steps of what is shown as an epoch.
        first_image: Images seen before it.
    """

    first_step: int
    steps: int
    batch_size: int
    epoch: int
    first_image: int = 0

    @property
    def end_step(self) -> int:
        """The step after the last one."""
        return self.first_step + self.steps

    def images_at(self, step: int) -> int:
        """Returns the images seen before a step."""
        return self.first_image + (step - self.first_step) * self.batch_size


def epochs(recipe: EpochRecipe, steps_per_epoch: int) -> list[Span]:
    """Returns the one span of a training whose steps are all alike."""
    steps = recipe.steps or recipe.epochs * steps_per_epoch
    return [Span(0, steps, recipe.batch_size, steps_per_epoch)]


def define_flags(recipe: type[Recipe]) -> None:
    """Defines a flag for each field of a recipe; unset ones are None."""
    for field in dataclasses.fields(recipe):
        text = f"{field.metadata['help']} (paper: {field.default})"
        if field.metadata["choices"]:
            flags.DEFINE_enum(field.name, None, list(field.metadata["choices"]), text)
        elif field.type in (bool, "bool"):
            flags.DEFINE_bool(field.name, None, text)
        elif field.type in (int, "int"):
            flags.DEFINE_integer(field.name, None, text)
        elif field.type in (float, "float"):
            flags.DEFINE_float(field.name, None, text)
        else:
            flags.DEFINE_string(field.name, None, text)


def from_flags(preset: R) -> R:
    """Returns `preset` with the values of the flags that were given."""
    given = {
        field.name: flags.FLAGS[field.name].value
        for field in dataclasses.fields(preset)
        if flags.FLAGS[field.name].value is not None
    }
    return dataclasses.replace(preset, **given)


def check(recipe: Recipe) -> None:
    """Raises UsageError for values that no training can have."""
    for name in ("image_size", "batch_size"):
        value = getattr(recipe, name)
        if value < 1:
            raise UsageError(f"--{name} must be 1 or more. Received: {value}")
    if isinstance(recipe, EpochRecipe) and (
        recipe.steps < 0 or (recipe.steps == 0 and recipe.epochs < 1)
    ):
        raise UsageError(
            "--epochs must be 1 or more, or --steps above 0. Received: "
            f"epochs={recipe.epochs}, steps={recipe.steps}"
        )


def to_text(name: str, recipe: Recipe) -> str:
    """Returns the recipe as JSON, as it is printed and saved."""
    return json.dumps({"model": name, **dataclasses.asdict(recipe)}, indent=2)


def save(model_dir: Path, name: str, recipe: Recipe) -> None:
    """Writes recipe.json into `model_dir`."""
    files.write_text(model_dir / _FILE, to_text(name, recipe) + "\n")


def differences(model_dir: Path, name: str, recipe: Recipe) -> list[str]:
    """Compares with the recipe saved in `model_dir`; [] where equal or none is."""
    path = model_dir / _FILE
    if not path.is_file():
        return []
    try:
        saved: Mapping[str, Any] = json.loads(path.read_text())
    except ValueError:
        return [f"{path} is not readable JSON"]
    wanted: Mapping[str, Any] = json.loads(to_text(name, recipe))
    return [
        f"{key}: saved {saved.get(key)!r}, asked {wanted.get(key)!r}"
        for key in sorted(saved.keys() | wanted.keys())
        if saved.get(key) != wanted.get(key)
    ]

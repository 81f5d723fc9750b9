"""Recipes: a paper's numbers as a frozen dataclass, overridden by flags."""

import dataclasses
import json
import math
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar

from absl import flags

from export import command
from tfgan_models.errors import UsageError
from tfgan_models.folders import layouts
from tfgan_models.growth import Steps
from tfgan_models.runs import files

LOSSES = ("minimax", "non_saturating", "lsgan", "hinge", "wgan_gp")
"""Names in `tfgan_models.losses.ADVERSARIAL`, which imports TensorFlow."""
PRECISIONS = ("float32", "bfloat16", "float16")
LENGTHS = {
    "steps": "Total training steps. Stages are scaled in proportion.",
    "kimg": "Total images in thousands. Stages are scaled in proportion.",
}
"""What gives the length of a run: flags, if they are not fields."""
_DEFINE: dict[Any, Callable[..., object]] = {
    bool: flags.DEFINE_bool,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
}
_FILE = "recipe.json"


D = TypeVar("D")

SAME, LONGER, ANY = range(3)
_STAGES = ("steps", "epochs", "kimg_per_phase")
"""Suffixes of the names of fields that give the length of a stage."""


def option(
    default: D, help_text: str, choices: tuple[str, ...] = (), going_on: int = SAME
) -> D:
    """Returns a recipe's field.

    The default of a field added later must be what the code did before, since it
    applies to runs that started without it.

    Args:
        default: The paper's value.
        help_text: What it means.
        choices: What it may be.
        going_on: What it may become when a run resumes: `SAME`, `LONGER` or `ANY`.
    """
    return dataclasses.field(
        default=default,
        metadata={"help": help_text, "choices": choices, "going_on": going_on},
    )


def length(default: D, help_text: str) -> D:
    """Returns a field with the length of the last stage."""
    return option(default, help_text, going_on=LONGER)


def tunable(default: D, help_text: str) -> D:
    """Returns a field that affects neither shapes nor data: a weight, a rate."""
    return option(default, help_text, going_on=ANY)


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What every recipe has, next to its paper's own numbers."""

    dataset: str = option(
        "earth/satellite2relief",
        "A bundled name, any TFDS name (cycle_gan/monet2photo) or folder:PATH.",
    )
    image_size: int = option(256, "Side of the training images in pixels.")
    batch_size: int = option(1, "Images per domain and step, over all replicas.")
    seed: int = option(0, "Seed of all random numbers.")
    mixed_precision: str = option(
        "float32", "Compute dtype of the networks.", PRECISIONS
    )

    def of_steps(self, steps: int, fixed: Collection[str]) -> Self:
        """Returns the recipe with this many steps in total.

        Args:
            steps: 1 or more.
            fixed: The fields that are to stay as they are; other stages are scaled.

        Raises:
            UsageError: They leave no steps for the other stages.
        """
        raise NotImplementedError

    def of_kimg(self, kimg: float, fixed: Collection[str]) -> Self:
        """Returns the recipe with this many thousands of images; see `of_steps`."""
        return self.of_steps(math.ceil(1000 * kimg / self.batch_size), fixed)


@dataclasses.dataclass(frozen=True)
class EpochRecipe(Recipe):
    """A recipe with a length in passes over the data, or in steps."""

    epochs: int = length(200, "Passes over the data, if --steps is 0.")
    steps: int = length(0, "Training steps; 0: see --epochs.")

    def of_steps(self, steps: int, fixed: Collection[str]) -> Self:
        """See `Recipe`."""
        return dataclasses.replace(self, steps=steps)


R = TypeVar("R", bound=Recipe)


@dataclasses.dataclass(frozen=True)
class Span(Steps):
    """Equal steps of a run.

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


def epochs(recipe: EpochRecipe, steps_per_epoch: int) -> list[Span]:
    """Returns the single span of a run whose steps are all equal."""
    steps = recipe.steps or recipe.epochs * steps_per_epoch
    return [Span(0, steps, recipe.batch_size, steps_per_epoch)]


def in_steps(recipe: R, steps: int) -> R:
    """Returns the recipe, its length in steps where it has passes over the data."""
    if isinstance(recipe, EpochRecipe):
        return dataclasses.replace(recipe, steps=steps)
    return recipe


def define_flags(recipe: type[Recipe]) -> None:
    """Defines a flag for each field of a recipe; unset ones are None."""
    for field in dataclasses.fields(recipe):
        text = f"{field.metadata['help']} (paper: {field.default})"
        if field.metadata["choices"]:
            flags.DEFINE_enum(field.name, None, list(field.metadata["choices"]), text)
        else:
            _DEFINE[field.type](field.name, None, text)
    for name, kind in (("steps", int), ("kimg", float)):
        if name not in flags.FLAGS:
            _DEFINE[kind](name, None, LENGTHS[name])


def given(recipe: type[Recipe]) -> dict[str, Any]:
    """Returns the flags that were given of a recipe and of its length, by name."""
    names = [*(field.name for field in dataclasses.fields(recipe)), *LENGTHS]
    return command.given(*names)


def resolve(preset: R, values: Mapping[str, Any]) -> R:
    """Returns `preset` with other values, its stages scaled to a length among them.

    Args:
        preset: Where the recipe starts from.
        values: As `given` returns them.

    Raises:
        UsageError: There are two lengths, or one that the stages cannot have.
    """
    lengths = {n: values[n] for n in ("epochs", *LENGTHS) if values.get(n)}
    if len(lengths) > 1 or min(lengths.values(), default=1) < 0:
        received = ", ".join(f"--{n}={value}" for n, value in lengths.items())
        raise UsageError(f"Give a single length, above 0. Received: {received}")
    recipe = _in_epochs(replaced(preset, values), values)
    if "kimg" in lengths:
        if hasattr(preset, "kimg"):  # its stages are those of the preset's
            recipe = replaced(recipe, {"kimg": preset.kimg})
        return recipe.of_kimg(lengths["kimg"], values)
    return recipe.of_steps(lengths["steps"], values) if "steps" in lengths else recipe


def going_on(saved: R, values: Mapping[str, Any]) -> R:
    """Returns the recipe of a run that resumes, with other values.

    Unlike in `resolve` values that it has already change nothing: of before stages were
    scaled, and of before epochs that are given ruled, there are trainings with both.

    Args:
        saved: Its recipe.
        values: As `given` returns them.

    Raises:
        UsageError: See `resolve`.
    """
    is_new = not vars(saved).keys() >= values.keys() or _differ(
        vars(saved), vars(replaced(saved, values))
    )
    if not is_new:
        return saved
    # The last stage alone can be longer than it was.
    stages = [f.name for f in dataclasses.fields(saved) if f.name.endswith(_STAGES)]
    done = {n: getattr(saved, n) for n in stages if may_become(saved, [n]) == SAME}
    return resolve(saved, done | {**values})


def replaced(recipe: R, values: Mapping[str, Any]) -> R:
    """Returns the recipe with those of the values that are fields of it."""
    return dataclasses.replace(
        recipe, **{name: values[name] for name in vars(recipe).keys() & values.keys()}
    )


def _in_epochs(recipe: R, values: Collection[str]) -> R:
    """The recipe whose epochs rule where they are given, and steps are not."""
    for epochs in (name for name in values if name.endswith("epochs")):
        steps = epochs.removesuffix("epochs") + "steps"
        if steps not in values:
            recipe = replaced(recipe, {steps: 0})
    return recipe


def shares(
    steps: int, stages: Mapping[str, int], fixed: Collection[str]
) -> dict[str, int]:
    """Divides steps among stages, in proportion to what they have.

    Args:
        steps: Of all stages.
        stages: Steps by field; a stage of 0 is left out.
        fixed: Those that keep what they have.

    Returns:
        Steps of each stage, 1 or more where it is not left out.

    Raises:
        UsageError: The fixed ones do not leave enough.
    """
    free = {n: count for n, count in stages.items() if n not in fixed and count}
    rest = steps - sum(stages[n] for n in stages if n in fixed)
    if rest < len(free) or (rest and not free):
        kept = ", ".join(f"{n}={stages[n]}" for n in stages if n in fixed) or "none"
        raise UsageError(
            f"The stages cannot have {steps} steps in total: each needs at least one, "
            f"and those that are given ({kept}) keep theirs. Give another --steps."
        )
    found, done, weight = dict(stages), 0, 0
    for place, (name, count) in enumerate(free.items(), 1):
        weight += count
        end = max(round(rest * weight / sum(free.values())), done + 1)
        end = min(end, rest - (len(free) - place))
        found[name], done = end - done, end
    return found


def check(recipe: Recipe) -> None:
    """Raises UsageError for invalid values."""
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


def check_size(recipe: Recipe, halvings: int) -> None:
    """Raises UsageError for images that cannot be halved so often."""
    multiple = 2 ** max(0, halvings)
    if recipe.image_size % multiple:
        raise UsageError(
            f"image_size={recipe.image_size} is not a multiple of {multiple}, which a "
            f"generator that halves images {halvings} times needs."
        )


def to_text(name: str, recipe: Recipe) -> str:
    """Returns the recipe as JSON, as it is saved."""
    return json.dumps({"model": name, **dataclasses.asdict(recipe)}, indent=2)


def shown(name: str, preset: str | None, recipe: Recipe) -> str:
    """Returns the recipe as JSON for display: with epochs or steps, whichever apply.

    Args:
        name: The model's.
        preset: The one that it starts from, or None for a run's own.
        recipe: The numbers.
    """
    values = dataclasses.asdict(recipe)
    for epochs in [key for key in values if key.endswith("epochs")]:
        steps = epochs.removesuffix("epochs") + "steps"
        del values[epochs if values[steps] else steps]
    begun = {"model": name} | ({"preset": preset} if preset else {})
    return json.dumps(begun | values, indent=2)


def save(model_dir: Path, name: str, recipe: Recipe) -> None:
    """Writes recipe.json into `model_dir`."""
    files.write_text(model_dir / _FILE, to_text(name, recipe) + "\n")


def read(model_dir: Path) -> dict[str, Any] | None:
    """Returns what `model_dir`'s recipe.json holds: {} if damaged, None without one."""
    try:
        return dict(json.loads((model_dir / _FILE).read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError):
        return {}


def parsed(saved: Mapping[str, Any] | None, name: str, recipe: type[R]) -> R | None:
    """Returns what was read as a recipe, or None where it is no such one.

    Args:
        saved: As `read` returned it.
        name: The model's name, as it was given to `save`.
        recipe: The model's recipes.
    """
    values = dict(saved or {})
    try:
        return recipe(**values) if values.pop("model", "") == name else None
    except TypeError:
        return None


def unlike(recipe: Recipe, preset: Recipe) -> str:
    """Returns what a recipe has otherwise than another, such as "steps=9, seed=1"."""
    own = vars(recipe)
    return ", ".join(f"{key}={own[key]}" for key in _differ(own, vars(preset)))


def differences(
    saved: Mapping[str, Any] | None, name: str, recipe: Recipe
) -> dict[str, str]:
    """Compares a recipe with what `read` returned.

    Returns:
        What differs in words, by field; {} where nothing does, or none was saved.
    """
    if not saved:
        return {} if saved is None else {"": f"{_FILE} is not readable JSON"}
    wanted = {"model": name, **vars(recipe)}
    # What it lacks was added since, and is as it was before by default.
    saved = {**vars(type(recipe)()), **saved}
    return {
        key: f"{key}: saved {saved.get(key)!r}, asked {wanted.get(key)!r}"
        for key in _differ(saved, wanted)
    }


def may_become(recipe: Recipe, names: Iterable[str]) -> int:
    """Returns what fields may become when a run resumes.

    Args:
        recipe: The fields are its own.
        names: Of the fields.

    Returns:
        The least that is allowed to all: `SAME`, `LONGER` or `ANY`.
    """
    fields = {f.name: f.metadata["going_on"] for f in dataclasses.fields(recipe)}
    return min((fields.get(name, SAME) for name in names), default=ANY)


def _differ(some: Mapping[str, Any], others: Mapping[str, Any]) -> list[str]:
    """The keys whose values are not the same."""
    return [
        key
        for key in sorted(some.keys() | others.keys())
        if _resolved(key, some.get(key)) != _resolved(key, others.get(key))
    ]


def _resolved(key: str, value: Any) -> Any:
    """A recipe's value so that two ways to write a path are the same."""
    if (
        key == "dataset"
        and isinstance(value, str)
        and (folder := layouts.of_name(value))
    ):
        return folder.resolve()
    if key == "embeddings" and value:
        return Path(value).expanduser().resolve()
    return value

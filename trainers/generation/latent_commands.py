"""The commands of generators with latents: their flags and what they call."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import flags

from tfgan_models.errors import UsageError
from trainers.generation import parsing
from trainers.generation.registry import Command, Job

if TYPE_CHECKING:
    from trainers.generation.models import Generator
    from trainers.generation.synthesis import Setting

PSI = 0.7
PSIS = "-1,-0.5,0,0.5,0.7,1"
_FLAGS = flags.FLAGS

Drawing = Callable[["Generator", "Setting", Path], list[Path]]
"""What is done with a generator; returns the files written."""


def define_flags() -> None:
    """Defines the flags of these commands."""
    flags.DEFINE_string(
        "data_dir", None, "Directory of TFDS's data set, for the names of --class."
    )
    flags.DEFINE_string(
        "class",
        None,
        "The class to generate, an index or a name. For models with classes; without "
        "it, images makes one row per class.",
    )
    flags.DEFINE_string(
        "seeds",
        None,
        "For example 0-35,100. Default: 0-35 (0-7 for one row per class); morph: 0-7.",
    )
    flags.DEFINE_integer("seed", 0, "The image's seed.", lower_bound=0)
    flags.DEFINE_float("psi", None, f"Truncation, -2 to 2. Default: {PSI}.")
    flags.DEFINE_enum(
        "noise",
        None,
        ["const", "random", "none"],
        "The same for all images, different for each, or none. Default: const.",
    )
    flags.DEFINE_enum(
        "layout", "grid", ["grid", "files"], "images: one file, or one per image."
    )
    flags.DEFINE_string("rows", "0-3", "mix: seeds of the other styles.")
    flags.DEFINE_string("columns", "4-9", "mix: seeds of the --styles.")
    flags.DEFINE_enum(
        "styles",
        "coarse",
        ["coarse", "middle", "fine"],
        "mix: the styles from the columns: those of 4-8, 16-32 or 64-1024 px.",
    )
    _define_more_flags()


def _define_more_flags() -> None:
    flags.DEFINE_enum(
        "space",
        None,
        ["z", "w", "w+"],
        "morph: w (default if there is one) or z. project: w+ (default), one w per "
        "style layer, or w, one for all.",
    )
    flags.DEFINE_integer(
        "frames", 240, "morph: frames of the whole loop.", lower_bound=1
    )
    flags.DEFINE_integer(
        "fps", 30, "morph: frames per second.", lower_bound=1, upper_bound=100
    )
    flags.DEFINE_enum("format", "mp4", ["mp4", "gif"], "morph: the video's format.")
    flags.DEFINE_string("psis", PSIS, "truncation: values of psi, each in [-2, 2].")
    flags.DEFINE_integer(
        "count",
        None,
        "noise: images (default 16). directions: directions (default 5).",
        lower_bound=1,
    )
    flags.DEFINE_string(
        "image", None, "project, upscale: the image file. Required there."
    )
    flags.DEFINE_integer("steps", 1000, "project: optimisation steps.", lower_bound=1)
    flags.DEFINE_enum(
        "layers",
        "all",
        ["all", "coarse", "middle", "fine"],
        "directions: the style layers to factorise and change.",
    )


def _command(
    name: str,
    prepare: Callable[[], Drawing],
    *taken: str,
    latents: bool = False,
    every_class: bool = False,
) -> Command:
    """Makes a command that loads a generator.

    Args:
        name: The command's name.
        prepare: Reads and checks the flags.
        *taken: The command's flags other than --class and --data_dir.
        latents: Whether it works with a generator without w.
        every_class: Whether it works without --class if there are classes.
    """

    def prepared(arguments: Sequence[str]) -> Job:
        del arguments  # There are none.
        drawing = prepare()
        if _FLAGS.psi is not None:
            parsing.psi("psi", _FLAGS.psi)

        def job(output_dir: Path) -> list[Path]:
            from trainers.generation import generators

            generator = generators.find(_FLAGS.model, _FLAGS.which, _FLAGS.data_dir)
            if not latents:
                _require_w(name, generator)
            setting = _setting(generator, every_class)
            return drawing(generator, setting, output_dir)

        return job

    return Command(prepared, (*taken, "class", "data_dir"))


def _require_w(name: str, generator: "Generator") -> None:
    from trainers.generation.models import LatentModel

    if isinstance(generator, LatentModel):
        raise UsageError(
            f"{name} needs w, which this generator does not have. It supports images "
            "and morph."
        )


def _setting(generator: "Generator", every_class: bool) -> "Setting":
    """Class, psi and noise, checked against the generator."""
    from trainers.generation.models import LatentModel
    from trainers.generation.synthesis import Setting

    given = _FLAGS["class"].value
    label = None
    if given is not None or not every_class:
        label = _label(given, generator)
    if isinstance(generator, LatentModel):
        for flag in ("psi", "noise"):
            if _FLAGS[flag].present:
                raise UsageError(f"This generator has no {flag}: omit --{flag}.")
    psi = PSI if _FLAGS.psi is None else _FLAGS.psi
    return Setting(label, psi, _FLAGS.noise or "const")


def _label(given: str | None, generator: "Generator") -> int | None:
    """The index of the named class; None for a model without classes."""
    size = generator.label_size
    if not size:
        if given is not None:
            raise UsageError(f"--class={given}: the model has no classes. Omit it.")
        return None
    allowed = f"The model has {size} classes: give --class=0 to --class={size - 1}"
    if given is None:
        raise UsageError(f"{allowed}, or a name.")
    if given.isdecimal() and int(given) < size:
        return int(given)
    names = list(generator.classes())
    if given in names:
        return names.index(given)
    known = f", or one of: {', '.join(names)}" if names else ""
    raise UsageError(f"{allowed}{known}. Received: {given}")


def _images() -> Drawing:
    given = _FLAGS.seeds
    seeds = parsing.seeds("seeds", given or "0-35")

    def job(generator: Any, setting: "Setting", output_dir: Path) -> list[Path]:
        from trainers.generation import commands

        options = (setting, _FLAGS.layout, output_dir)
        if generator.label_size and setting.label is None:
            # As many as fit next to each other.
            row = seeds if given else seeds[: commands.COLUMNS]
            return commands.class_images(generator, row, *options)
        return commands.images(generator, seeds, *options)

    return job


def _mix() -> Drawing:
    rows = parsing.seeds("rows", _FLAGS.rows)
    columns = parsing.seeds("columns", _FLAGS.columns)

    def job(generator: Any, setting: "Setting", output_dir: Path) -> list[Path]:
        from trainers.generation import commands

        return commands.mix(
            generator, rows, columns, _FLAGS.styles, setting, output_dir
        )

    return job


def _morph() -> Drawing:
    seeds = parsing.seeds("seeds", _FLAGS.seeds or "0-7")
    if _FLAGS.space == "w+":
        raise UsageError("morph --space must be w or z. Received: w+")

    def job(generator: Any, setting: "Setting", output_dir: Path) -> list[Path]:
        from trainers.generation import morph
        from trainers.generation.models import LatentModel

        plain = isinstance(generator, LatentModel)
        if plain and _FLAGS.space == "w":
            raise UsageError("This generator has no w. Take --space=z.")
        space = _FLAGS.space or ("z" if plain else "w")
        timing = (_FLAGS.frames, _FLAGS.fps, _FLAGS.format)
        return morph.morph(generator, seeds, setting, space, *timing, output_dir)

    return job


def _truncation() -> Drawing:
    psis = parsing.psis("psis", _FLAGS.psis)

    def job(generator: Any, setting: "Setting", output_dir: Path) -> list[Path]:
        from trainers.generation import commands

        return commands.truncation(generator, _FLAGS.seed, psis, setting, output_dir)

    return job


def _noise() -> Drawing:
    def job(generator: Any, setting: "Setting", output_dir: Path) -> list[Path]:
        from trainers.generation import commands

        count = _FLAGS.count or 16
        return commands.noise(generator, _FLAGS.seed, count, setting, output_dir)

    return job


def _project() -> Drawing:
    if not _FLAGS.image:
        raise UsageError("project needs --image, the file to project.")
    if _FLAGS.space == "z":
        raise UsageError("project --space must be w or w+. Received: z")

    def job(generator: Any, setting: "Setting", output_dir: Path) -> list[Path]:
        from trainers.generation import projection

        image, space = Path(_FLAGS.image).expanduser(), _FLAGS.space or "w+"
        search = (space, _FLAGS.steps, _FLAGS.seed)
        return projection.project(generator, image, *search, setting, output_dir)

    return job


def _directions() -> Drawing:
    def job(generator: Any, setting: "Setting", output_dir: Path) -> list[Path]:
        from trainers.generation import directions

        choice = (_FLAGS.seed, _FLAGS.layers, _FLAGS.count or 5)
        return directions.directions(generator, *choice, setting, output_dir)

    return job


COMMANDS = {
    "images": _command(
        "images",
        _images,
        *("seeds", "psi", "noise", "layout"),
        latents=True,
        every_class=True,
    ),
    "mix": _command("mix", _mix, "rows", "columns", "styles", "psi", "noise"),
    "morph": _command(
        "morph",
        _morph,
        *("seeds", "space", "psi", "noise", "frames", "fps", "format"),
        latents=True,
    ),
    "truncation": _command("truncation", _truncation, "seed", "psis", "noise"),
    "noise": _command("noise", _noise, "seed", "count", "psi"),
    "project": _command(
        "project", _project, *("image", "space", "steps", "seed", "noise")
    ),
    "directions": _command(
        "directions", _directions, *("seed", "layers", "count", "psi", "noise")
    ),
}

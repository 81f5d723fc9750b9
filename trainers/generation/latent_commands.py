"""The commands of generators with latents: their flags and what they call."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from tfgan_models.errors import FailureError, UsageError
from trainers.generation import parsing
from trainers.generation.registry import Command, Job

if TYPE_CHECKING:
    from tfgan_models.tasks.generate import ImageGenerator
    from tfgan_models.tasks.synthesis import Setting

PSIS = "-1,-0.5,0,0.5,0.7,1"
_FLAGS = flags.FLAGS

Drawing = Callable[["ImageGenerator", "Setting", Path], list[Path]]
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
    flags.DEFINE_float("psi", None, "Truncation, -2 to 2. Default: 0.7.")
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
            from trainers.generation import opening

            model = opening.open_model("generate")
            if not latents:
                _require_w(name, model)
            return drawing(model, _setting(model, every_class), output_dir)

        return job

    return Command(prepared, (*taken, "class", "data_dir"))


def _require_w(name: str, model: "ImageGenerator") -> None:
    from tfgan_models.tasks.generators import StyleModel

    if not isinstance(model.generator, StyleModel):
        raise UsageError(
            f"{name} needs w, which this generator does not have. It supports images "
            "and morph."
        )


def _setting(model: "ImageGenerator", every_class: bool) -> "Setting":
    """Class, psi and noise, checked against the generator."""
    given = _FLAGS["class"].value
    if given is None and every_class and model.facts.label_size:
        given = 0
    elif given is not None and not model.description.classes:
        # Of a run from before there was a model.json.
        names = _class_names(model.description.dataset)
        model.description = dataclasses.replace(model.description, classes=names)
    return model.setting(_FLAGS.psi, given, _FLAGS.noise)


def _class_names(dataset: str) -> tuple[str, ...]:
    """The class names of a data set; () if they are not known."""
    # Here, since opening a model needs no data set's readers.
    from tfgan_models.data import catalog

    try:
        return tuple(catalog.labelled(dataset, _FLAGS.data_dir).train.classes)
    except (OSError, ValueError, FailureError):
        return ()


def _images() -> Drawing:
    given = _FLAGS.seeds
    seeds = parsing.seeds("seeds", given or "0-35")

    def job(
        model: "ImageGenerator", setting: "Setting", output_dir: Path
    ) -> list[Path]:
        from trainers.generation import commands

        options = (setting, _FLAGS.layout, output_dir)
        generator = model.generator
        if generator.label_size and _FLAGS["class"].value is None:
            # As many as fit next to each other.
            row = seeds if given else seeds[: commands.COLUMNS]
            return commands.class_images(generator, row, *options)
        return commands.images(generator, seeds, *options)

    return job


def _mix() -> Drawing:
    rows = parsing.seeds("rows", _FLAGS.rows)
    columns = parsing.seeds("columns", _FLAGS.columns)

    def job(
        model: "ImageGenerator", setting: "Setting", output_dir: Path
    ) -> list[Path]:
        from trainers.generation import commands

        return commands.mix(
            model.styles, rows, columns, _FLAGS.styles, setting, output_dir
        )

    return job


def _morph() -> Drawing:
    seeds = parsing.seeds("seeds", _FLAGS.seeds or "0-7")
    if _FLAGS.space == "w+":
        raise UsageError("morph --space must be w or z. Received: w+")

    def job(
        model: "ImageGenerator", setting: "Setting", output_dir: Path
    ) -> list[Path]:
        video = model.morph(
            seeds,
            _FLAGS.frames,
            _FLAGS.space,
            _FLAGS.psi,
            setting.label,
            _FLAGS.noise,
        )
        return [video.save(output_dir / f"morph.{_FLAGS.format}", _FLAGS.fps)]

    return job


def _truncation() -> Drawing:
    psis = parsing.psis("psis", _FLAGS.psis)

    def job(
        model: "ImageGenerator", setting: "Setting", output_dir: Path
    ) -> list[Path]:
        from trainers.generation import commands

        return commands.truncation(model.styles, _FLAGS.seed, psis, setting, output_dir)

    return job


def _noise() -> Drawing:
    def job(
        model: "ImageGenerator", setting: "Setting", output_dir: Path
    ) -> list[Path]:
        from trainers.generation import commands

        count = _FLAGS.count or 16
        return commands.noise(model.styles, _FLAGS.seed, count, setting, output_dir)

    return job


def _project() -> Drawing:
    if not _FLAGS.image:
        raise UsageError("project needs --image, the file to project.")
    if _FLAGS.space == "z":
        raise UsageError("project --space must be w or w+. Received: z")

    def job(
        model: "ImageGenerator", setting: "Setting", output_dir: Path
    ) -> list[Path]:
        from trainers.generation import projecting

        image, space = Path(_FLAGS.image).expanduser(), _FLAGS.space or "w+"
        search = (space, _FLAGS.steps, _FLAGS.seed)
        return projecting.project(model.styles, image, *search, setting, output_dir)

    return job


def _directions() -> Drawing:
    def job(
        model: "ImageGenerator", setting: "Setting", output_dir: Path
    ) -> list[Path]:
        from trainers.generation import commands

        found = model.directions(_FLAGS.count or 5, _FLAGS.layers)
        return commands.write_directions(found, _FLAGS.seed, setting, output_dir)

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

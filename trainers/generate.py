"""`python -m trainers.generate COMMAND --model=...`: use a trained StyleGAN or ProGAN.

    python -m trainers.generate images --model=runs/faces --seeds=0-35 --psi=0.7
    python -m trainers.generate mix --model=runs/faces --rows=0-3 --columns=4-9
    python -m trainers.generate morph --model=runs/faces --seeds=1,7,9 --format=gif
    python -m trainers.generate truncation --model=runs/faces --seed=5
    python -m trainers.generate noise --model=runs/faces --seed=5 --count=16
    python -m trainers.generate project --model=runs/faces --image=me.jpg
    python -m trainers.generate directions --model=runs/faces --layers=middle

A seed's latent and noise are the same on every machine, and its picture does not depend
on what else is drawn. A ProGAN has no w: it takes part in images, and in morph by way
of its latents.
"""

import dataclasses
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import flags

from export import command
from tfgan_models.errors import FailureError, UsageError
from trainers.generation import parsing

if TYPE_CHECKING:
    from trainers.generation.generators import Generator
    from trainers.generation.pictures import Setting

PSI = 0.7
PSIS = "-1,-0.5,0,0.5,0.7,1"
_FLAGS = flags.FLAGS

Job = Callable[["Generator", "Setting", Path], list[Path]]
"""What a command does once its flags are found good; returns the files written."""


@dataclasses.dataclass(frozen=True)
class Command:
    """A command.

    Attributes:
        prepare: Reads and checks the flags; TensorFlow is not needed yet.
        flags: Those that not every command takes.
        latents: Whether it works with a generator that has no w.
    """

    prepare: Callable[[], Job]
    flags: tuple[str, ...]
    latents: bool = False


def define_flags() -> None:
    """Defines the flags of this command."""
    flags.DEFINE_string(
        "model",
        None,
        "A StyleGAN or ProGAN: its training's --model_dir, its .keras file or its "
        "SavedModel. Required.",
    )
    flags.DEFINE_enum(
        "which", "latest", ["latest", "best"], "Which checkpoint of a training."
    )
    flags.DEFINE_string(
        "data_dir", None, "Where TFDS keeps the data set that --class names are of."
    )
    flags.DEFINE_string("output_dir", "generated", "Where the files go.")
    flags.DEFINE_string(
        "class", None, "What to draw, an index or a name. For models with classes."
    )
    flags.DEFINE_string("seeds", None, "Such as 0-35,100. Default: 0-35; morph: 0-7.")
    flags.DEFINE_integer("seed", 0, "Of the one picture.", lower_bound=0)
    flags.DEFINE_float("psi", None, f"Truncation, -2 to 2. Default: {PSI}.")
    flags.DEFINE_enum(
        "noise",
        None,
        ["const", "random", "none"],
        "The same for all pictures, each picture its own, or none. Default: const.",
    )
    flags.DEFINE_enum(
        "layout", "grid", ["grid", "files"], "images: one file, or one for each."
    )
    flags.DEFINE_string("rows", "0-3", "mix: seeds that give the other styles.")
    flags.DEFINE_string("columns", "4-9", "mix: seeds that give the --styles.")
    flags.DEFINE_enum(
        "styles",
        "coarse",
        ["coarse", "middle", "fine"],
        "mix: what the columns give. Those of 4-8, 16-32 or 64-1024 px.",
    )
    _define_more_flags()


def _define_more_flags() -> None:
    flags.DEFINE_enum(
        "space",
        None,
        ["z", "w", "w+"],
        "morph: w (default) or z, the only one of a ProGAN. project: w+ (default), "
        "each style layer its own w, or w, one for all.",
    )
    flags.DEFINE_integer("frames", 240, "morph: of the whole loop.", lower_bound=1)
    flags.DEFINE_integer(
        "fps", 30, "morph: frames a second.", lower_bound=1, upper_bound=100
    )
    flags.DEFINE_enum("format", "mp4", ["mp4", "gif"], "morph: of the film.")
    flags.DEFINE_string("psis", PSIS, "truncation: values of psi, each -2 to 2.")
    flags.DEFINE_integer(
        "count",
        None,
        "noise: pictures (default 16). directions: how many (default 5).",
        lower_bound=1,
    )
    flags.DEFINE_string("image", None, "project: the image file. Required there.")
    flags.DEFINE_integer("steps", 1000, "project: of the search.", lower_bound=1)
    flags.DEFINE_enum(
        "layers",
        "all",
        ["all", "coarse", "middle", "fine"],
        "directions: the style layers that are looked at and changed.",
    )


def main(argv: Sequence[str]) -> None:
    """Does what the command line says.

    Raises:
        UsageError: It asks for what cannot be.
        FailureError: The model could not be read, or the files not written.
    """
    name = _command(argv)
    job = COMMANDS[name].prepare()
    if _FLAGS.psi is not None:
        parsing.psi("psi", _FLAGS.psi)
    if not _FLAGS.model:
        raise UsageError(
            "--model is required: a StyleGAN or ProGAN training's --model_dir, its "
            ".keras file or its SavedModel."
        )
    output_dir = _make_folder(Path(_FLAGS.output_dir).expanduser())
    command.quiet_tensorflow()
    from trainers.generation import generators

    generator = generators.find(_FLAGS.model, _FLAGS.which, _FLAGS.data_dir)
    setting = _setting(name, generator)
    try:
        written = job(generator, setting, output_dir)
    except OSError as error:
        raise FailureError(
            f"The files in --output_dir={output_dir} could not be written: "
            f"{error.strerror or error}."
        ) from error
    for path in written:
        print(f"Wrote {path}")


def _command(argv: Sequence[str]) -> str:
    """The command's name; every flag that is given is one that it takes."""
    allowed = ", ".join(COMMANDS)
    if len(argv) != 2 or argv[1] not in COMMANDS:
        received = " ".join(argv[1:]) or "none"
        raise UsageError(
            f"Give one command: {allowed}. Received: {received}. Usage: python -m "
            "trainers.generate images --model=runs/mine"
        )
    taken = COMMANDS[argv[1]].flags
    for flag in _ALL_FLAGS:
        if _FLAGS[flag].present and flag not in taken:
            options = ", ".join(f"--{flag}" for flag in taken)
            raise UsageError(f"{argv[1]} does not take --{flag}. It takes: {options}.")
    return argv[1]


def _make_folder(output_dir: Path) -> Path:
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=output_dir):
            pass
    except OSError as error:
        raise UsageError(
            f"--output_dir={output_dir} cannot be written: {error.strerror}. Give a "
            "folder that can be."
        ) from error
    return output_dir


def _setting(name: str, generator: "Generator") -> "Setting":
    """Class, psi and noise, all of which the generator has a use for."""
    from trainers.generation.generators import LatentModel
    from trainers.generation.pictures import Setting

    label = _label(_FLAGS["class"].value, generator)
    if isinstance(generator, LatentModel):
        able = [n for n, c in COMMANDS.items() if c.latents]
        if name not in able:
            raise UsageError(
                f"{name} needs w, which a ProGAN has not. It can: {', '.join(able)}."
            )
        for flag in ("psi", "noise"):
            if _FLAGS[flag].present:
                raise UsageError(f"A ProGAN has no {flag}: leave --{flag} out.")
    psi = PSI if _FLAGS.psi is None else _FLAGS.psi
    return Setting(label, psi, _FLAGS.noise or "const")


def _label(given: str | None, generator: "Generator") -> int | None:
    """The index of the class that was named; None for a model without classes."""
    size = generator.label_size
    if not size:
        if given is not None:
            raise UsageError(
                f"--class={given}: the model has no classes. Leave it out."
            )
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


def _images() -> Job:
    seeds = parsing.seeds("seeds", _FLAGS.seeds or "0-35")

    def job(generator: Any, setting: "Setting", output_dir: Path) -> list[Path]:
        from trainers.generation import commands

        return commands.images(generator, seeds, setting, _FLAGS.layout, output_dir)

    return job


def _mix() -> Job:
    rows = parsing.seeds("rows", _FLAGS.rows)
    columns = parsing.seeds("columns", _FLAGS.columns)

    def job(generator: Any, setting: "Setting", output_dir: Path) -> list[Path]:
        from trainers.generation import commands

        return commands.mix(
            generator, rows, columns, _FLAGS.styles, setting, output_dir
        )

    return job


def _morph() -> Job:
    seeds = parsing.seeds("seeds", _FLAGS.seeds or "0-7")
    if _FLAGS.space == "w+":
        raise UsageError("morph --space must be w or z. Received: w+")

    def job(generator: Any, setting: "Setting", output_dir: Path) -> list[Path]:
        from trainers.generation import morph
        from trainers.generation.generators import LatentModel

        plain = isinstance(generator, LatentModel)
        if plain and _FLAGS.space == "w":
            raise UsageError("A ProGAN has no w. Take --space=z.")
        space = _FLAGS.space or ("z" if plain else "w")
        timing = (_FLAGS.frames, _FLAGS.fps, _FLAGS.format)
        return morph.morph(generator, seeds, setting, space, *timing, output_dir)

    return job


def _truncation() -> Job:
    psis = parsing.psis("psis", _FLAGS.psis)

    def job(generator: Any, setting: "Setting", output_dir: Path) -> list[Path]:
        from trainers.generation import commands

        return commands.truncation(generator, _FLAGS.seed, psis, setting, output_dir)

    return job


def _noise() -> Job:
    def job(generator: Any, setting: "Setting", output_dir: Path) -> list[Path]:
        from trainers.generation import commands

        count = _FLAGS.count or 16
        return commands.noise(generator, _FLAGS.seed, count, setting, output_dir)

    return job


def _project() -> Job:
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


def _directions() -> Job:
    def job(generator: Any, setting: "Setting", output_dir: Path) -> list[Path]:
        from trainers.generation import directions

        choice = (_FLAGS.seed, _FLAGS.layers, _FLAGS.count or 5)
        return directions.directions(generator, *choice, setting, output_dir)

    return job


COMMANDS = {
    "images": Command(_images, ("seeds", "psi", "noise", "layout"), latents=True),
    "mix": Command(_mix, ("rows", "columns", "styles", "psi", "noise")),
    "morph": Command(
        _morph,
        ("seeds", "space", "psi", "noise", "frames", "fps", "format"),
        latents=True,
    ),
    "truncation": Command(_truncation, ("seed", "psis", "noise")),
    "noise": Command(_noise, ("seed", "count", "psi")),
    "project": Command(_project, ("image", "space", "steps", "seed", "noise")),
    "directions": Command(_directions, ("seed", "layers", "count", "psi", "noise")),
}
_ALL_FLAGS = sorted({flag for c in COMMANDS.values() for flag in c.flags})


if __name__ == "__main__":
    define_flags()
    command.run(main, arguments=True)

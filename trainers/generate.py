"""`python -m trainers.generate COMMAND --model=...`: use a trained generator.

Any image generator (GAN, CGAN, DCGAN, ProGAN, StyleGAN):

    python -m trainers.generate images --model=runs/faces --seeds=0-35
    python -m trainers.generate morph --model=runs/faces --seeds=1,7,9 --format=gif

With classes, `--class` takes one; without it, `images` makes one row per class.

StyleGAN only, which has w:

    python -m trainers.generate mix --model=runs/faces --rows=0-3 --columns=4-9
    python -m trainers.generate truncation --model=runs/faces --seed=5
    python -m trainers.generate noise --model=runs/faces --seed=5 --count=16
    python -m trainers.generate project --model=runs/faces --image=me.jpg
    python -m trainers.generate directions --model=runs/faces --layers=middle

StackGAN, one file per caption:

    python -m trainers.generate text "red heart" "a blue car" --model=runs/emoji

CycleGAN and Pix2Pix, for image files and folders of them:

    python -m trainers.generate translate photo.jpg my/photos --model=runs/mine

SRGAN, for an image of any size:

    python -m trainers.generate upscale --model=runs/photos --image=photo.jpg

A seed's latent and noise are the same on every machine, and its image does not depend
on what else is generated.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from export import command
from tfgan_models.errors import FailureError, UsageError, did_you_mean
from trainers.generation import (
    latent_commands,
    text_commands,
    translate_commands,
    upscale_commands,
)
from trainers.generation.registry import Command, Job

GROUPS = (latent_commands, text_commands, translate_commands, upscale_commands)
"""The modules of commands, in the order in which they are listed."""
COMMANDS: dict[str, Command] = {
    name: found for group in GROUPS for name, found in group.COMMANDS.items()
}
_ALL_FLAGS = sorted({flag for c in COMMANDS.values() for flag in c.flags})
_FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags of all commands: common ones, and those of each group."""
    flags.DEFINE_string(
        "model",
        None,
        "A training run's --model_dir, or its export: the .keras file or the "
        "SavedModel. Required.",
    )
    flags.DEFINE_enum(
        "which", "latest", ["latest", "best"], "Which checkpoint of a training run."
    )
    flags.DEFINE_string(
        "output_dir",
        None,
        "Directory for the files. Default: generated in a run's folder; for an "
        "exported model, generated/NAME here.",
    )
    for group in GROUPS:
        group.define_flags()
        # For --help, which shows what the program's own file defines.
        flags.adopt_module_key_flags(group)


def main(argv: Sequence[str]) -> None:
    """Runs the command line.

    Raises:
        UsageError: The command line is not valid.
        FailureError: The model could not be read, or the files could not be written.
    """
    job = _prepared(argv)
    kinds = "a training run's --model_dir, its exported .keras file or its SavedModel"
    if not _FLAGS.model:
        raise UsageError(f"--model is required: {kinds}.")
    if not Path(_FLAGS.model).expanduser().exists():
        raise UsageError(f"--model={_FLAGS.model} does not exist. Allowed: {kinds}.")
    output_dir = _make_folder(
        Path(_FLAGS.output_dir or default_folder(_FLAGS.model)).expanduser()
    )
    command.quiet_tensorflow()
    try:
        written = job(output_dir)
    except OSError as error:
        raise FailureError(
            f"The files in --output_dir={output_dir} could not be written: "
            f"{error.strerror or error}."
        ) from error
    for path in written:
        print(f"Wrote {path}")


def _prepared(argv: Sequence[str]) -> Job:
    """The command's job; every argument and flag that is given is one it takes."""
    name, *arguments = argv[1:] or [""]
    if name not in COMMANDS or (arguments and not COMMANDS[name].argument):
        received = " ".join(argv[1:]) or "none"
        near = did_you_mean(name, COMMANDS) if name not in COMMANDS else ""
        raise UsageError(
            f"Give one command: {', '.join(COMMANDS)}. Received: {received}.{near} "
            "Usage: python -m trainers.generate images --model=runs/mine"
        )
    found = COMMANDS[name]
    if found.argument and not arguments:
        raise UsageError(
            f"{name} needs {found.argument}. Received: none. Usage: python -m "
            f'trainers.generate {name} "{found.argument}" --model=runs/mine'
        )
    for flag in _ALL_FLAGS:
        if _FLAGS[flag].present and flag not in found.flags:
            options = ", ".join(f"--{flag}" for flag in found.flags)
            raise UsageError(f"{name} does not take --{flag}. It takes: {options}.")
    return found.prepare(arguments)


def default_folder(model: str) -> Path:
    """Returns the directory for a model's images: each model has its own.

    Args:
        model: A training run's folder, a .keras file or a SavedModel.
    """
    path = Path(model).expanduser().absolute()
    if (path / "networks.json").is_file():
        return Path(model) / "generated"
    if path.name.isdecimal():  # a version of the model
        path = path.parent
    # Not next to it: servers look for models there.
    return Path("generated") / path.name.removesuffix(".keras")


def _make_folder(output_dir: Path) -> Path:
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=output_dir):
            pass
    except OSError as error:
        raise UsageError(
            f"--output_dir={output_dir} cannot be written: {error.strerror}. Give a "
            "writable folder."
        ) from error
    return output_dir


if __name__ == "__main__":
    define_flags()
    command.run(main, arguments=True)

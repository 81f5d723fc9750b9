"""The command `upscale`: its flags."""

from collections.abc import Sequence
from pathlib import Path

from absl import flags

from tfgan_models.errors import UsageError
from trainers.generation.registry import Command, Job

_FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags of this command."""
    flags.DEFINE_string(
        "network",
        None,
        "upscale, translate: which network of a run, by name, for example b2a. "
        "Default: that of the last stage; a2b.",
    )
    flags.DEFINE_integer(
        "tile",
        None,
        "upscale: side of the tiles, in pixels of the image, that a large one is split "
        "into. Smaller ones take less memory and more time. Default: 256.",
        lower_bound=8,
    )


def _upscale(arguments: Sequence[str]) -> Job:
    del arguments
    if not _FLAGS.image:
        raise UsageError("upscale needs --image, the file to enlarge.")
    image = Path(_FLAGS.image).expanduser()

    def job(output_dir: Path) -> list[Path]:
        from trainers.generation import image_files, opening

        model = opening.open_model("upscale")
        if _FLAGS.tile is not None:
            model.in_tiles(_FLAGS.tile)
        return [image_files.upscale(model, image, output_dir)]

    return job


COMMANDS = {"upscale": Command(_upscale, ("image", "network", "tile"))}

"""The command `translate`: images and folders of them, without a server."""

from collections.abc import Sequence
from pathlib import Path

from tfgan_models.errors import UsageError
from trainers.generation.registry import Command, Job


def define_flags() -> None:
    """Defines nothing: `translate` uses flags that other commands define."""


def _translate(arguments: Sequence[str]) -> Job:
    images = [Path(argument).expanduser() for argument in arguments]

    def job(output_dir: Path) -> list[Path]:
        missing = [str(path) for path in images if not path.exists()]
        if missing:
            raise UsageError(
                f"translate takes image files and folders. {missing[0]} does not exist."
            )
        from trainers.generation import image_files, opening

        translator = opening.open_model("translate")
        return image_files.translate(translator, images, output_dir)

    return job


COMMANDS = {"translate": Command(_translate, ("network",), argument="IMAGE")}

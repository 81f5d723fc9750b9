"""The command of generators that take captions: StackGAN."""

from collections.abc import Sequence
from pathlib import Path

from absl import flags

from tfgan_models.errors import UsageError
from trainers.generation import parsing
from trainers.generation.registry import Command, Job

_FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines nothing: `text` uses flags that other commands define."""


def _text(captions: Sequence[str]) -> Job:
    seeds = parsing.seeds("seeds", _FLAGS.seeds or "0-7")
    for caption in captions:
        if not any(c.isascii() and c.isalnum() for c in caption):
            raise UsageError(
                "A caption must contain a letter from a to z or a digit. Received: "
                f"{caption!r}"
            )

    def job(output_dir: Path) -> list[Path]:
        from trainers.generation import captions as files
        from trainers.generation import opening

        return files.write(opening.open_model("caption"), captions, seeds, output_dir)

    return job


COMMANDS = {"text": Command(_text, ("seeds",), argument="CAPTION")}

"""What a command of `trainers.generate` consists of.

A module of commands has a function `define_flags()` and a dict `COMMANDS`; it is listed
in `trainers.generate.GROUPS`, and TensorFlow is not needed to import it.
"""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

Job = Callable[[Path], list[Path]]
"""Runs a command in an existing folder: loads the model, returns the files."""


@dataclasses.dataclass(frozen=True)
class Command:
    """A command.

    Attributes:
        prepare: Reads and checks the flags, given the arguments after the command's
            name; TensorFlow is not needed yet.
        flags: The flags it takes, from any module, besides those of all commands.
        argument: What each argument after its name is, such as "CAPTION"; "": it
            takes none, otherwise at least one.
    """

    prepare: Callable[[Sequence[str]], Job]
    flags: tuple[str, ...]
    argument: str = ""

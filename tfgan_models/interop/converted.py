"""The result of converting another project's file."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec

from tfgan_models.errors import FailureError, UsageError
from tfgan_models.interop.messages import printable

if TYPE_CHECKING:
    import keras

    from tfgan_models.runs.description import Description

_LONGEST_LINE = 2000

P = ParamSpec("P")

TERMS = "The weights remain under the licence of whoever trained them."
"""The licence of files that do not name one."""


@dataclasses.dataclass(frozen=True)
class Converted:
    """Networks converted from another project's file.

    Attributes:
        networks: Key, such as "generator" -> network, built, with the file's weights.
        notes: What was detected and what was dropped; one line each.
        license: Which licence applies, in one line.
    """

    networks: Mapping[str, "keras.Model"]
    notes: tuple[str, ...]
    license: str = TERMS

    def description(self, parent: Path) -> "Description":
        """Returns the description of the networks.

        Args:
            parent: The file or folder they were converted from.
        """
        # Imported when it is needed: TensorFlow takes seconds.
        from tfgan_models.runs.description import Description, of_network

        return Description(
            {name: of_network(network) for name, network in self.networks.items()},
            parent=str(parent),
            license=self.license,
            notes=self.notes,
        )


def in_lines(
    load: Callable[P, Converted],
) -> Callable[P, Converted]:
    """Limits a reader's notes and errors to one line each.

    Args:
        load: A reader: path and options -> `Converted`.

    Returns:
        The same, with notes and errors without line breaks, escape codes or more than
        2000 characters, whatever names a file contains.
    """

    @functools.wraps(load)
    def lined(*args: P.args, **options: P.kwargs) -> Converted:
        try:
            converted = load(*args, **options)
        except (UsageError, FailureError) as error:
            said = _line(str(error))
            if said == str(error):
                raise
            raise type(error)(said) from error
        notes = tuple(_line(note) for note in converted.notes)
        return dataclasses.replace(converted, notes=notes)

    return lined


def _line(text: str) -> str:
    text = printable(text)
    half = _LONGEST_LINE // 2
    return text if len(text) <= _LONGEST_LINE else f"{text[:half]} ... {text[-half:]}"

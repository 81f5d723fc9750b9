"""The result of converting another project's file."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ParamSpec

from tfgan_models.errors import FailureError, UsageError
from tfgan_models.interop.messages import printable

if TYPE_CHECKING:
    import keras

_LONGEST_LINE = 2000

P = ParamSpec("P")

TERMS = "The weights remain under the licence of whoever trained them."
"""The note on files whose licence is unknown."""


@dataclasses.dataclass(frozen=True)
class Converted:
    """Networks converted from another project's file.

    Attributes:
        networks: Key, such as "generator" -> network, built, with the file's weights.
        notes: What was detected, what was dropped and which licence applies; one
            line each.
    """

    networks: Mapping[str, "keras.Model"]
    notes: tuple[str, ...]


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

"""Errors whose message is written for the person at the command line."""

import difflib
from collections.abc import Iterable


class UsageError(ValueError):
    """A request that cannot be met as it was put; commands exit with status 2.

    The message is one line: what was received, what is allowed, what to do.
    """


class FailureError(RuntimeError):
    """A request that was fine but failed on the way; commands exit with status 1.

    The message is one line: what went wrong, what was kept, what to do.
    """


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Returns " Did you mean A or B?" with the nearest known words, or ""."""
    close = difflib.get_close_matches(word, list(known), n=3)
    return f" Did you mean {' or '.join(close)}?" if close else ""

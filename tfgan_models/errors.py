"""Errors whose message is written for the user at the command line."""

import difflib
from collections.abc import Iterable


class UsageError(ValueError):
    """A request that cannot be carried out as given; commands exit with status 2.

    The message is one line: what was received, what is allowed, what to do.
    """


class FailureError(RuntimeError):
    """A valid request that failed; commands exit with status 1.

    The message is one line: what went wrong, what was kept, what to do.
    """


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Returns " Did you mean A or B?" with the closest known words, or ""."""
    close = difflib.get_close_matches(word, list(known), n=3)
    return f" Did you mean {' or '.join(close)}?" if close else ""

"""Names from files, as errors and notes print them."""

from collections.abc import Iterable


def listed(names: Iterable[str], most: int = 3) -> str:
    """Returns the first few names and the number of the rest; "none" if empty."""
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more or "none"


def printable(text: str) -> str:
    """Replaces line breaks and escape codes by spaces."""
    return "".join(letter if letter.isprintable() else " " for letter in text)

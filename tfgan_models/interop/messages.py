"""How errors and notes name what a file holds."""

from collections.abc import Iterable


def listed(names: Iterable[str], most: int = 3) -> str:
    """Returns the first few names, and how many more there are; "none" of none."""
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more or "none"


def printable(text: str) -> str:
    """Returns a text with spaces for line ends, escape codes and the like."""
    return "".join(letter if letter.isprintable() else " " for letter in text)

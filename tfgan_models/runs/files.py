"""Files that are complete or absent."""

import os
from pathlib import Path

UNFINISHED = ".unfinished_"


def write_text(path: Path, text: str) -> None:
    """Writes a text file under a temporary name and renames it."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, contents: bytes) -> None:
    """Writes a file under a temporary name and renames it."""
    unfinished = path.with_name(f"{UNFINISHED}{path.name}")
    unfinished.write_bytes(contents)
    os.replace(unfinished, path)

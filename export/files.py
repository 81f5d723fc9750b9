"""Files that are whole or absent."""

import os
from pathlib import Path

UNFINISHED = ".unfinished_"


def write_text(path: Path, text: str) -> None:
    """Writes a text file beside and renames it."""
    unfinished = path.with_name(f"{UNFINISHED}{path.name}")
    unfinished.write_text(text)
    os.replace(unfinished, path)

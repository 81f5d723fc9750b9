"""Where what can be worked out again is kept, so that it is worked out once."""

import contextlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def directory(name: str) -> Path:
    """Returns `tfgan_models/<name>` in the user's cache folder.

    Args:
        name: What is kept there.
    """
    root = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    if root.startswith("~"):  # there is no home
        root = tempfile.gettempdir()
    return Path(root) / "tfgan_models" / name


def keep(path: Path, write: Callable[[Path], object]) -> None:
    """Writes a file whole or not at all; one that cannot be written is left out.

    Args:
        path: The file; its folder is made.
        write: Writes it to the path that it is given.
    """
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        # A place of its own: several processes may write the same file at once.
        with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
            written = Path(scratch) / path.name
            write(written)
            os.replace(written, path)

"""The user's cache folder, for results that can be recomputed."""

import contextlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def directory(name: str) -> Path:
    """Returns `tfgan_models/<name>` in the user's cache folder.

    Args:
        name: The cache's name.
    """
    root = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    if root.startswith("~"):  # there is no home
        root = tempfile.gettempdir()
    return Path(root) / "tfgan_models" / name


def keep(path: Path, write: Callable[[Path], object]) -> None:
    """Writes a file completely or not at all; failures are ignored.

    Args:
        path: The file; its folder is created.
        write: Writes to the given path.
    """
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        # A unique path: several processes may write the same file at once.
        with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
            written = Path(scratch) / path.name
            write(written)
            os.replace(written, path)

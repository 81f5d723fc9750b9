"""Other projects whose weights can be read, and what their files look like."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tfgan_models.interop.converted import Converted


def _reader(name: str) -> Callable[..., Converted]:
    def load(path: Path, **options: Any) -> Converted:
        # Imported when it is needed: TensorFlow takes seconds.
        module = importlib.import_module(f"tfgan_models.interop.{name}")
        return module.load(path, **options)

    return load


SOURCES = {n: _reader(n) for n in ("junyanz", "stylegan", "rosinality", "addons")}
"""What reads another project's file, by the project: path, options -> `Converted`."""

FOLDERS = ("addons",)
"""Sources whose models can be folders."""

_SUFFIXES = {
    ".pth": "junyanz",
    ".safetensors": "junyanz",
    ".pkl": "stylegan",
    ".pt": "rosinality",
    ".h5": "addons",
    ".hdf5": "addons",
}


def guess(path: Path) -> str | None:
    """Returns the project that a file is of, by its ending; None for no known one."""
    if path.is_file():
        return _SUFFIXES.get(path.suffix)
    return "addons" if is_keras_saved_model(path) else None


def is_keras_saved_model(directory: Path) -> bool:
    """Whether a SavedModel was written by Keras 2, with what rebuilds its layers."""
    return (directory / "keras_metadata.pb").is_file()

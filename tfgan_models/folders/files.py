"""The image files below a folder, and its other contents."""

import collections
import dataclasses
import os
import stat
from pathlib import Path
from typing import NamedTuple

from tfgan_models.errors import UsageError
from tfgan_models.folders.decoding import SUFFIXES

_SYSTEM_FOLDERS = {
    "@eadir",
    "#recycle",
    "$recycle.bin",
    "__macosx",
    "lost+found",
    "system volume information",
}
"""What storage and operating systems add to users' folders, in lower case."""


class ImageFile(NamedTuple):
    """A file that is an image by its name.

    Attributes:
        path: Its path.
        size: Its bytes; 0 for a broken link.
        modified: Its modification time, in nanoseconds.
    """

    path: Path
    size: int
    modified: int


@dataclasses.dataclass(frozen=True)
class Listing:
    """What is below a folder.

    Attributes:
        images: Its image files, sorted by path.
        passed_over: Counts of everything else: by extension (`.txt`), `hidden files`,
            and folders that are skipped by name (`.ipynb_checkpoints/`).
    """

    images: list[ImageFile]
    passed_over: dict[str, int]


def is_system(name: str) -> bool:
    """Says whether a name is hidden or the system's, not the user's."""
    return name.startswith(".") or name.lower() in _SYSTEM_FOLDERS


def walk(folder: Path) -> Listing:
    """Lists the files of a folder and its sub-folders; links are followed.

    Hidden and system folders, and hidden files, are left out: systems put broken twins
    of images (`._x.jpg`) and small copies of them there.

    Args:
        folder: The folder.

    Raises:
        UsageError: A folder cannot be read.
    """
    images: list[ImageFile] = []
    passed_over: collections.Counter[str] = collections.Counter()
    _walk(folder, frozenset(), images, passed_over)
    images.sort(key=lambda file: file.path.parts)
    return Listing(images, dict(passed_over))


def _walk(
    folder: Path,
    above: frozenset[tuple[int, int]],
    images: list[ImageFile],
    passed_over: collections.Counter[str],
) -> None:
    """Adds a folder's contents; `above` are the folders that contain it."""
    try:
        known = folder.stat()
        here = known.st_dev, known.st_ino
        if here in above:
            passed_over[f"{folder.name}/ (a link to a folder that contains it)"] += 1
            return
        with os.scandir(folder) as entries:
            found = list(entries)
    except OSError as error:
        raise UsageError(
            f"{folder} cannot be read: {error.strerror}. Make it readable, or remove "
            "it from the data set."
        ) from error
    for entry in found:
        if entry.is_dir():
            if is_system(entry.name):
                passed_over[f"{entry.name}/"] += 1
            else:
                _walk(Path(entry.path), above | {here}, images, passed_over)
        else:
            _add(entry, images, passed_over)


def _add(
    entry: os.DirEntry[str],
    images: list[ImageFile],
    passed_over: collections.Counter[str],
) -> None:
    """Adds a file, or a broken link."""
    ending = os.path.splitext(entry.name)[1].lower()
    if is_system(entry.name):
        passed_over["hidden files"] += 1
    elif ending not in SUFFIXES:
        passed_over[ending or "without an extension"] += 1
    elif entry.is_symlink() and not os.path.exists(entry.path):
        images.append(ImageFile(Path(entry.path), 0, 0))
    else:
        known = entry.stat()
        if stat.S_ISREG(known.st_mode):
            file = ImageFile(Path(entry.path), known.st_size, known.st_mtime_ns)
            images.append(file)

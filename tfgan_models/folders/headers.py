"""Which image files are readable, and their sizes: from their headers, cached."""

import hashlib
import json
import os
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, NamedTuple

import PIL
import tqdm
from PIL import Image, UnidentifiedImageError

from tfgan_models import caches
from tfgan_models.folders.decoding import FORMATS, decode_image
from tfgan_models.folders.files import ImageFile

_ORIENTATION = 0x0112
_TURNED = (5, 6, 7, 8)
"""EXIF orientations that swap width and height."""
_PNG_END = b"\x00\x00\x00\x00IEND\xae\x42\x60\x82"
_TAIL = 4096
_BLOCK = 64
_MANY = 1000
"""From this many files on, a progress bar is shown."""
_THREADS = 16
"""More than there are CPUs: storage makes them wait."""
_MADE_BY = f"2, Pillow {PIL.__version__}"
"""Changes when cached values change their meaning."""


class Header(NamedTuple):
    """What is known about an image file without decoding it.

    Attributes:
        height: In pixels, upright; 0 with a fault.
        width: In pixels, upright; 0 with a fault.
        fault: Why it cannot be read, or None.
    """

    height: int
    width: int
    fault: str | None = None


def read_all(folder: Path, files: Sequence[ImageFile]) -> list[Header]:
    """Reads the headers of files that are not in the cache.

    Results are kept in the user's cache folder, by a file's path, size and modification
    time. Faults are not: they may be fixed without a change of these.

    Args:
        folder: The folder of the files, or one above.
        files: The files.

    Returns:
        The header of each.
    """
    place = hashlib.sha256(os.fsencode(os.path.realpath(folder))).hexdigest()
    memory = caches.directory("folders") / f"{place}.json"
    known = _recalled(memory)
    keys = [str(file.path.relative_to(folder)) for file in files]
    headers: dict[str, Header] = {}
    for key, file in zip(keys, files, strict=True):
        match known.get(key):
            case [file.size, file.modified, height, width]:
                headers[key] = Header(height, width)
    new = [(k, f) for k, f in zip(keys, files, strict=True) if k not in headers]
    if new:
        headers.update(zip((key for key, _ in new), _read(folder, new), strict=True))
        _remember(memory, keys, files, headers)
    return [headers[key] for key in keys]


def read(file: ImageFile) -> Header:
    """Reads a file's header, and the whole file if its end looks truncated."""
    try:
        if file.path.is_symlink() and not file.path.exists():
            return Header(0, 0, "a broken link")
        if not file.size:
            return Header(0, 0, "empty file")
        with (
            file.path.open("rb") as opened,
            Image.open(opened, formats=FORMATS) as image,
        ):
            width, height = image.size
            # PNG's own method decodes it.
            turned = Image.Image.getexif(image).get(_ORIENTATION) in _TURNED
            if _is_whole(image.format, opened, file.size):
                return Header(width, height) if turned else Header(height, width)
        return Header(*decode_image(file.path.read_bytes()).shape[:2])
    except UnidentifiedImageError:
        return Header(0, 0, "not a JPEG, PNG, WebP, BMP, GIF or TIFF image")
    # Damaged files raise OSError, SyntaxError, ValueError, struct.error and more.
    except Exception as error:
        return Header(0, 0, fault(error))


def fault(error: Exception) -> str:
    """Returns what is wrong with a file that raised `error`, in one line."""
    text = getattr(error, "strerror", None) or " ".join(str(error).split())
    return text or type(error).__name__


def _is_whole(kind: str | None, file: BinaryIO, size: int) -> bool:
    """Says whether a file ends as its format requires, with everything announced."""
    file.seek(0)
    head = file.read(8)
    file.seek(max(0, size - _TAIL))
    tail = file.read()
    if kind in ("JPEG", "MPO"):
        return tail.endswith(b"\xff\xd9")
    if kind == "PNG":
        # An orientation may come after the pixels.
        return tail.endswith(_PNG_END) and not (b"eXIf" in tail or b"iTXt" in tail)
    if kind == "GIF":
        return tail.endswith(b";")
    if kind == "WEBP":
        return int.from_bytes(head[4:], "little") + 8 == size
    if kind == "BMP":
        return int.from_bytes(head[2:6], "little") == size
    return False


def _read(folder: Path, files: Sequence[tuple[str, ImageFile]]) -> Iterator[Header]:
    """Reads many headers at once, with a progress bar in a terminal."""

    def block(start: int) -> list[Header]:
        return [read(file) for _, file in files[start : start + _BLOCK]]

    starts = range(0, len(files), _BLOCK)
    # None: shown only in a terminal.
    hidden = None if len(files) >= _MANY else True
    bar = tqdm.tqdm(
        total=len(files), desc=f"Reading {folder}", leave=False, disable=hidden
    )
    with ThreadPoolExecutor(_THREADS) as pool, bar, warnings.catch_warnings():
        # About odd metadata, and large images.
        warnings.simplefilter("ignore")
        for found in pool.map(block, starts):
            bar.update(len(found))
            yield from found


def _recalled(memory: Path) -> dict[str, list[int]]:
    try:
        held = json.loads(memory.read_text(encoding="ascii"))
        return held["files"] if held["made_by"] == _MADE_BY else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _remember(
    memory: Path,
    keys: Sequence[str],
    files: Sequence[ImageFile],
    headers: dict[str, Header],
) -> None:
    held = {
        key: [file.size, file.modified, *headers[key][:2]]
        for key, file in zip(keys, files, strict=True)
        if headers[key].fault is None
    }
    text = json.dumps({"made_by": _MADE_BY, "files": held})
    caches.keep(memory, lambda path: path.write_text(text, encoding="ascii"))

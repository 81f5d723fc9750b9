"""A check of .h5 files without which the HDF5 library can loop forever."""

import mmap
import struct
from pathlib import Path

from tfgan_models.errors import UsageError

_HEAP = struct.Struct("<4sB3xQ")
_ENTRY = struct.Struct("<HH4xQ")
_SIGNATURE = b"GCOL\x01\0\0\0"
_WIDTH = 8
"""Bytes of addresses and of lengths, as h5py writes them."""

# Superblock version -> where it has these two widths.
_WIDTHS_AT = {0: 13, 1: 13, 2: 9, 3: 9}


def check(path: Path) -> None:
    """Checks the heaps of variable-length strings.

    Args:
        path: A file that begins with HDF5's signature.

    Raises:
        UsageError: A string has no length, or ends outside its heap.
    """
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
    ):
        at = _WIDTHS_AT.get(data[8]) if len(data) > 16 else None
        if at is None or {*data[at : at + 2]} != {_WIDTH}:
            raise UsageError(
                f"{path} is damaged or not a .h5 file of h5py: its superblock is of "
                "another kind. Copy it again, or save the model again."
            )
        start = data.find(_SIGNATURE)
        while start >= 0:
            if not _ends(data, start):
                raise UsageError(
                    f"{path} is damaged: its strings have wrong lengths. Copy it "
                    "again, or save the model again."
                )
            start = data.find(_SIGNATURE, start + 1)


def _ends(data: mmap.mmap, start: int) -> bool:
    """Whether the entries of a heap lead to its end."""
    if start + _HEAP.size > len(data):
        return True  # Cut off, which the library sees.
    _, _, size = _HEAP.unpack_from(data, start)
    position, end = start + _HEAP.size, start + size
    if end > len(data):
        return True
    while position + _ENTRY.size <= end:
        number, _, length = _ENTRY.unpack_from(data, position)
        # Entry 0 is what is free, with its own head.
        step = _ENTRY.size + -(-length // 8) * 8 if number else length
        if not 0 < step <= end - position:
            return False
        position += step
    return True

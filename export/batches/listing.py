"""The inputs of a batch job, listed one at a time, on any of Beam's file systems.

Names are bytes: file names on a disk may not be text.
"""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from apache_beam.io.filesystem import BeamIOError, FileSystem
from apache_beam.io.filesystems import FileSystems

from export.clients import image_files
from tfgan_models.errors import FailureError, UsageError

_GLOB = re.compile(r"[*?\[]")


class Fault(NamedTuple):
    """An input that could not be translated, and the reason."""

    input: str
    reason: str


class Source(NamedTuple):
    """Where inputs are.

    Args:
        base: A folder; the names of inputs start after it.
        pattern: Pattern of their whole paths, in Beam's notation (** crosses folders);
            None: every image below `base`.
    """

    base: str
    pattern: str | None


def find_source(given: str) -> Source:
    """Resolves a folder, a glob or a file.

    Raises:
        UsageError: There is no such place, or no file system for it.
        FailureError: Its file system does not respond.
    """
    try:
        remote = FileSystems.get_scheme(given) is not None
        exists = FileSystems.exists(given)
    except ValueError as error:
        raise UsageError(f"--input={given}: {error}") from error
    except BeamIOError as error:
        raise FailureError(f"--input={given} cannot be read: {error}") from error
    if os.path.isdir(given) or (remote and given.endswith("/")):
        return Source(given.rstrip("/") or "/", None)
    if exists:
        return Source(_folder(given), given)
    if _GLOB.search(given):
        pattern = given if remote else os.path.normpath(given)
        return Source(_folder(_GLOB.split(pattern, maxsplit=1)[0]), pattern)
    if remote:
        # On an object store a folder is a prefix of objects' names.
        return Source(given, None)
    raise UsageError(f"--input={given} does not exist.")


def _folder(path: str) -> str:
    return path.rpartition("/")[0] or ("/" if path.startswith("/") else "")


def names(source: Source, output: str) -> Iterator[bytes | Fault]:
    """Lists the inputs.

    Args:
        source: Where they are.
        output: A folder; its files are not inputs.

    Yields:
        Each input's path inside `source.base`; a fault for a folder that cannot be
        listed.
    """
    if FileSystems.get_scheme(source.base) is None:
        yield from _local_names(source, output)
        return
    filesystem = FileSystems.get_filesystem(source.base)
    folder = f"{source.base}/"
    # As match(), without its list of all files.
    found = filesystem._list(folder)
    pattern = source.pattern or f"{folder}**"
    for file in filesystem.match_files(found, pattern):
        inside = not file.path.startswith(f"{output}/")
        if inside and (source.pattern or image_files.is_image(file.path)):
            yield os.fsencode(file.path.removeprefix(folder))


def _local_names(source: Source, output: str) -> Iterator[bytes | Fault]:
    base = Path(source.base)
    faults: list[Fault] = []
    wanted: Callable[[str], object] = image_files.is_image
    if source.pattern is not None:
        wanted = re.compile(_expression(source.pattern)).match

    def cannot_list(error: OSError) -> None:
        faults.append(Fault(error.filename, f"Cannot be listed: {error.strerror}"))

    for path in image_files.walk(base, Path(output), cannot_list, wanted):
        yield os.fsencode(path.relative_to(base))
    yield from faults


def _expression(pattern: str) -> str:
    if os.path.lexists(pattern):
        return re.escape(pattern) + r"\Z"
    return FileSystem.translate_pattern(pattern)


def join(folder: str, name: bytes) -> str:
    """Returns the path of a name of `names` in a folder."""
    inside = os.fsdecode(name)
    return f"{folder.rstrip('/')}/{inside}" if folder else inside

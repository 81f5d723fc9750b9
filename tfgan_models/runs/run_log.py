"""A run's log: `<model_dir>/metrics.jsonl`, one JSON object per line.

    {"step": 500, "time": 1763700000.0, "values": {"losses/g_loss": 1.23}, "about": {}}

Lines are only appended, so a kill loses at most the last one.
"""

import dataclasses
import json
import math
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

from tfgan_models.errors import FailureError

FILE = "metrics.jsonl"
STOP_SECONDS = 600.0


@dataclasses.dataclass(frozen=True)
class Entry:
    """What was logged at a step.

    Args:
        step: The training step.
        time: When it was written, in seconds since 1970.
        values: Finite numbers by name, such as "losses/g_loss".
        about: How a value was computed, by its name.
    """

    step: int
    time: float
    values: Mapping[str, float]
    about: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Run:
    """A run's log.

    Args:
        entries: Its log in ascending steps, one entry at least.
        batch_size: Images in a step; None if no recipe is readable, or
            they change.
    """

    entries: Sequence[Entry]
    batch_size: int | None

    @property
    def steps(self) -> int:
        """The last step."""
        return self.entries[-1].step

    @property
    def hours(self) -> float:
        """From the first line to the last, without stops of over 10 minutes."""
        gaps = (b.time - a.time for a, b in pairwise(self.entries))
        return sum(gap for gap in gaps if 0 < gap <= STOP_SECONDS) / 3600


def append(
    model_dir: Path,
    step: int,
    values: Mapping[str, float],
    about: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Appends one line to the log of `model_dir`.

    Args:
        model_dir: An existing folder.
        step: The training step.
        values: Numbers by name; those that are not finite are left out.
        about: How a value was computed, by its name; what JSON cannot represent is
            written as text.

    Raises:
        FailureError: The file cannot be written.
    """
    numbers = {name: float(value) for name, value in values.items()}
    content: dict[str, Any] = {
        "step": int(step),
        "time": time.time(),
        "values": {k: v for k, v in numbers.items() if math.isfinite(v)},
    }
    if about:
        content["about"] = about
    line = json.dumps(content, default=str).encode() + b"\n"
    path = model_dir / FILE
    try:
        with path.open("ab+") as file:
            if _ends_in_the_middle(file):
                line = b"\n" + line
            file.write(line)
    except OSError as error:
        raise FailureError(
            f"{path} cannot be written: {error.strerror}. Checkpoints written before "
            "are untouched."
        ) from error


def read(model_dir: Path) -> list[Entry]:
    """Reads the log of `model_dir`, as of a run that was never interrupted.

    A resumed run goes back to its last checkpoint and logs the steps after it again:
    their earlier entries are dropped. Lines truncated by a kill, or not of this
    module's form, are skipped.

    Args:
        model_dir: A run's folder.

    Returns:
        Entries in ascending steps, those of one step in the order of writing; []
        if there is no log.

    Raises:
        FailureError: The file is there and cannot be read.
    """
    path = model_dir / FILE
    if not path.is_file():
        return []
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise FailureError(f"{path} cannot be read: {error.strerror}.") from error
    entries: list[Entry] = []
    for line in lines:
        entry = _parse(line)
        if entry is None:
            continue
        if entries and entry.step < entries[-1].step:
            while entries and entries[-1].step >= entry.step:
                entries.pop()
        entries.append(entry)
    return entries


def load(model_dir: Path) -> Run | None:
    """Returns the log of a run's folder; None if it is empty."""
    entries = read(model_dir)
    return Run(entries, _batch_size(model_dir)) if entries else None


def series(entries: Iterable[Entry]) -> dict[str, tuple[list[int], list[float]]]:
    """Returns the steps and values of each name, in the order of first appearance.

    Of several values of one name at one step the last counts: a run that was
    killed between two lines may resume into the same step.
    """
    result: dict[str, tuple[list[int], list[float]]] = {}
    for entry in entries:
        for name, value in entry.values.items():
            steps, values = result.setdefault(name, ([], []))
            if steps and steps[-1] == entry.step:
                values[-1] = value
            else:
                steps.append(entry.step)
                values.append(value)
    return result


def _batch_size(model_dir: Path) -> int | None:
    try:
        recipe = json.loads((model_dir / "recipe.json").read_bytes())
        # A schedule changes it as a network grows.
        size = None if "kimg_per_phase" in recipe else recipe["batch_size"]
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return size if type(size) is int and size > 0 else None


def _ends_in_the_middle(file: BinaryIO) -> bool:
    """Whether the last line of a file lacks its newline."""
    if file.seek(0, os.SEEK_END) == 0:
        return False
    file.seek(-1, os.SEEK_END)
    return file.read(1) != b"\n"


def _parse(line: bytes) -> Entry | None:
    """The entry on a line, or None if it is truncated or not one."""
    try:
        content = json.loads(line)
        step, values = content["step"], content["values"]
        if type(step) is not int:
            return None
        return Entry(
            step,
            _finite(content["time"]),
            {name: _finite(value) for name, value in values.items()},
            {name: dict(how) for name, how in content.get("about", {}).items()},
        )
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError):
        return None


def _finite(value: Any) -> float:
    """Raises TypeError or ValueError for anything but a finite number."""
    if type(value) not in (int, float):
        raise TypeError(value)
    if not math.isfinite(value):
        raise ValueError(value)
    return float(value)

"""What a run's data set held, in `<model_dir>/data.json`.

    {"train_a": {"0.png": 1042, "sea/7.jpg": 20817}, "test_a": {...}}

Files and their bytes; of a prepared data set, its version and its examples.
"""

import dataclasses
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from tfgan_models.folders import layouts
from tfgan_models.folders.contents import few
from tfgan_models.runs import files

_FILE = "data.json"
_AT_ONCE = 4096

Record: TypeAlias = dict[str, dict[str, int]]


def record(dataset: str, splits: Any) -> Record:
    """Lists what a data set holds.

    Args:
        dataset: Its name.
        splits: What a trainer's `load_data` returned.

    Returns:
        Sizes by name, by split; a test split replaced by training images is left
        out.
    """
    root = layouts.of_name(dataset)
    found: Record = {}
    for split, source in _sources(splits):
        names = _files(source, root) if root else {source.name: source.length}
        if not any(names.items() <= other.items() for other in found.values()):
            found[split] = names
    return found


def save(model_dir: Path, found: Record) -> None:
    """Writes data.json into `model_dir`."""
    files.write_text(model_dir / _FILE, json.dumps(found, indent=0) + "\n")


def changes(model_dir: Path, found: Record) -> str:
    """Compares with the record in `model_dir`; "" if equal, or if there is none.

    Returns:
        One line such as "train_a: 2 added (7.png, 8.png); test_a: 1 removed (0.png)".
    """
    try:
        saved: Mapping[str, Mapping[str, int]] = json.loads(
            (model_dir / _FILE).read_bytes()
        )
    except FileNotFoundError:
        return ""
    except ValueError:
        return f"{model_dir / _FILE} is not readable JSON"
    told = []
    for split in {**saved, **found}:
        before, now = saved.get(split, {}), found.get(split, {})
        kinds = {
            "added": now.keys() - before.keys(),
            "removed": before.keys() - now.keys(),
            "changed": {k for k in now.keys() & before.keys() if now[k] != before[k]},
        }
        some = [
            f"{len(names)} {kind} ({few(sorted(names), 3)})"
            for kind, names in kinds.items()
            if names
        ]
        if some:
            told.append(f"{split}: {', '.join(some)}")
    return "; ".join(told)


def _sources(splits: Any) -> Iterator[tuple[str, Any]]:
    """The sources of a data set's splits, by the names of these."""
    for field in dataclasses.fields(splits):
        split = getattr(splits, field.name)
        # Those with labels or captions contain one of images.
        for source in (split, getattr(split, "images", None)):
            if hasattr(source, "records"):
                yield field.name, source


def _files(source: Any, root: Path) -> dict[str, int]:
    """Sizes in bytes of the files that a source's records name, by name."""
    sizes = {}
    for batch in source.records().batch(_AT_ONCE).as_numpy_iterator():
        for name in batch.ravel():
            path = os.fsdecode(name)
            sizes[os.path.relpath(path, root)] = os.stat(path).st_size
    return sizes

"""Paths of SavedModels: <model>/<version>/saved_model.pb."""

import os
import re
from pathlib import Path

_MAX_VERSION = 2**63 - 1


def versions_in(directory: Path) -> dict[int, Path]:
    """Returns version -> SavedModel of a model's folder; {} if it has none."""
    if not directory.is_dir():
        return {}
    numbered = {
        int(path.name): path
        for path in sorted(directory.iterdir())
        if re.fullmatch(r"[0-9]{1,19}", path.name)
        # Path.is_file would raise for a folder without permission.
        and os.path.isfile(path / "saved_model.pb")
    }
    return {version: p for version, p in numbered.items() if version <= _MAX_VERSION}


def newest(path: Path) -> Path | None:
    """Returns the SavedModel at `path`, or its newest version; None if missing."""
    if (path / "saved_model.pb").is_file():
        return path
    versions = versions_in(path)
    return versions[max(versions)] if versions else None

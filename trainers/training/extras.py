"""What training writes besides checkpoints, and can do without."""

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image
from tqdm import tqdm

from tfgan_models.errors import FailureError
from tfgan_models.runs import description, run_log
from tfgan_models.runs.description import Description


class Extras:
    """Scalars and grids of images, as files and in TensorBoard.

    What cannot be written, for example on a full disk, is reported once per kind.

    Args:
        model_dir: Scalars go to `<model_dir>/metrics.jsonl`, event files to
            `<model_dir>/logs`, grids to `<model_dir>/samples`.
    """

    def __init__(self, model_dir: Path) -> None:
        self.model_dir = model_dir
        self._logs = model_dir / "logs"
        self._writer: tf.summary.SummaryWriter | None = None
        self._told: set[str] = set()

    def scalars(
        self,
        step: int,
        values: Mapping[str, float],
        about: Mapping[str, Mapping[str, Any]] | None = None,
        group: str = "",
    ) -> None:
        """Writes numbers of a step; in TensorBoard their names start with `group`."""
        named = {f"{group}{name}": value for name, value in values.items()}
        self._summarise(step, tf.summary.scalar, named)
        with self._sparing(run_log.FILE):
            run_log.append(self.model_dir, step, values, about)

    def grids(self, step: int, grids: Mapping[str, np.ndarray]) -> None:
        """Writes images of a step, uint8 [H, W, 3] by name."""
        for name, grid in grids.items():
            self.grid(f"step_{step:08d}_{name}", grid)
        named = {f"samples/{name}": grid[None] for name, grid in grids.items()}
        self._summarise(step, tf.summary.image, named)

    def grid(self, name: str, grid: np.ndarray) -> None:
        """Writes `samples/<name>.png`, uint8 [H, W, 3]."""
        with self._sparing("sample grids"):
            path = self.path(name)
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(grid).save(path)

    def path(self, name: str) -> Path:
        """Returns where `grid` writes."""
        return self.model_dir / "samples" / f"{name}.png"

    def description(self, folder: Path, said: Description) -> None:
        """Writes a folder's model.json."""
        with self._sparing(description.FILE):
            said.write(folder / description.FILE)

    def _summarise(
        self, step: int, kind: Callable[..., Any], named: Mapping[str, Any]
    ) -> None:
        """Writes to TensorBoard's files."""
        with self._sparing("TensorBoard's files"):
            # A writer continues silently if its folder is gone.
            if self._writer is None or not self._logs.is_dir():
                self._writer = tf.summary.create_file_writer(str(self._logs))
            with self._writer.as_default(step=step):
                for name, value in named.items():
                    kind(name, value)
            self._writer.flush()

    @contextlib.contextmanager
    def _sparing(self, kind: str) -> Iterator[None]:
        try:
            yield
        except (OSError, tf.errors.OpError, FailureError) as error:
            if kind not in self._told:
                self._told.add(kind)
                reason = " ".join(str(error).split())
                tqdm.write(
                    f"Training continues, but {kind} cannot be written: {reason}",
                    file=sys.stderr,
                )

"""Progress of a long run: one updating line in a terminal, or a few lines in a file."""

import io
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, SupportsFloat, TextIO, TypeVar

import keras
import numpy as np
from tqdm import tqdm

B = TypeVar("B", bound="np.ndarray | Mapping[str, np.ndarray]")
_STEPS = "step {n_fmt} of {total_fmt}, {elapsed} so far, {remaining} left{postfix}"
_IMAGES = "{desc}: {n_fmt} images, {elapsed}"
_SECONDS = 10.0
"""Least seconds between two lines of a file ..."""
_SILENCE = 600.0
"""... and most, if a percent takes longer."""


def say(text: str, file: TextIO | None = None) -> None:
    """Prints a line, above the progress line if there is one.

    Args:
        text: The line.
        file: The stream; None: sys.stdout.
    """
    file = file or sys.stdout
    tqdm.write(text, file)
    file.flush()


class _Nowhere(io.TextIOBase):
    """A file that discards what is written."""

    def write(self, text: str) -> int:
        return len(text)


class Meter:
    """A counter on an updating line; without a terminal, on a new line now and then.

    Args:
        form: tqdm's `bar_format` of the line.
        file: The stream; None: sys.stdout.
        options: Other options of tqdm's.
    """

    def __init__(self, form: str, file: TextIO | None = None, **options: Any) -> None:
        self._file = file or sys.stdout
        self._moves = self._file.isatty()
        # tqdm shows nothing if a terminal, as in a container, reports no size.
        size = shutil.get_terminal_size() if self._moves else None
        self._bar = tqdm(
            file=self._file if self._moves else _Nowhere(),
            ncols=size and size.columns,
            nrows=size and size.lines,
            bar_format="{bar:20} " * (self._moves and "total" in options) + form,
            **options,
        )
        self._said, self._at = self._bar.n, time.monotonic()

    def update(self, count: int = 1, **values: str) -> None:
        """Advances the counter.

        Args:
            count: By how many.
            **values: Shown at the end of the line, by name.
        """
        if values:
            self._bar.set_postfix(values, refresh=False)
        self._bar.update(count)
        if not self._moves and self._is_due():
            self.say()

    def skip(self, **values: str) -> None:
        """Counts one whose duration says nothing about the next ones', and shows it."""
        bar = self._bar
        bar.set_postfix(values, refresh=False)
        bar.n += 1
        # tqdm estimates the rest from what comes after these.
        bar.initial = bar.last_print_n = bar.n
        bar.last_print_t = time.time()
        bar.refresh()
        self.say()

    def say(self) -> None:
        """Prints the line, if it is not updated in place and not printed already."""
        if not self._moves and self._bar.n != self._said:
            self._said, self._at = self._bar.n, time.monotonic()
            say(str(self._bar), self._file)

    def close(self) -> None:
        """Ends the line."""
        self._bar.close()

    def _is_due(self) -> bool:
        since, total = time.monotonic() - self._at, self._bar.total
        if total is None:
            return since >= _SECONDS
        is_another = 100 * self._bar.n // total > 100 * self._said // total
        return since >= (_SECONDS if is_another else _SILENCE)


class Steps(keras.callbacks.Callback):
    """Shows the steps of a whole training run, across calls of `fit`.

    A file gets a line for the first step of a call of `fit`, then at most one per
    percent, and one for the last.

    Args:
        total: Steps of the training.
        step: The step at which this run starts.
    """

    def __init__(self, total: int, step: int) -> None:
        super().__init__()
        self._meter = Meter(_STEPS, total=total, initial=step)
        self._is_first = True

    def on_train_begin(self, logs: Mapping[str, SupportsFloat] | None = None) -> None:
        """Expects a first step, which builds the graph or waits for its data."""
        self._is_first = True

    def on_train_batch_end(
        self, batch: int, logs: Mapping[str, SupportsFloat] | None = None
    ) -> None:
        """Counts the step."""
        losses = {name: f"{float(value):.3g}" for name, value in (logs or {}).items()}
        if self._is_first:
            self._meter.skip(**losses)
        else:
            self._meter.update(1, **losses)
        self._is_first = False

    def close(self) -> None:
        """Leaves the last step displayed."""
        self._meter.say()
        self._meter.close()


def counted(
    what: str, batches: Callable[[int], Iterable[B]]
) -> Callable[[int], Iterator[B]]:
    """Returns `batches`, counting their images on stderr as they are taken.

    Args:
        what: Their description.
        batches: From the maximum number of images to arrays of images, or mappings of
            arrays.
    """

    def shown(most: int) -> Iterator[B]:
        meter = Meter(_IMAGES, sys.stderr, desc=what, leave=False)
        try:
            for batch in batches(most):
                yield batch
                images = (
                    next(iter(batch.values())) if isinstance(batch, Mapping) else batch
                )
                meter.update(len(images))
        finally:
            meter.close()

    return shown

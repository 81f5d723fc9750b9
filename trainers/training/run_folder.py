"""A run's folder: its path, and whether the run in it may resume."""

import dataclasses
import os
import tempfile
import time
from pathlib import Path

from tfgan_models.errors import UsageError
from tfgan_models.folders import layouts
from trainers.training import data_record, folder_lock
from trainers.training import recipe as recipes
from trainers.training.recipe import ANY, SAME
from trainers.training.trainer import M, R, S, Trainer


def default(name: str, dataset: str) -> Path:
    """Returns the folder of a trainer's runs on a data set, however it is spelt."""
    data = dataset.removeprefix("folder:").strip("/").replace("/", "-")
    as_written = Path("runs") / f"{name}-{data}"
    folder = layouts.of_name(dataset)
    # Runs from when only the spelling counted keep their folder.
    if folder is None or as_written.exists():
        return as_written
    path, here = folder.resolve(), Path.cwd()
    parts = path.relative_to(here if path.is_relative_to(here) else "/").parts
    return Path("runs") / "-".join([name, *parts])


def make(model_dir: Path, fresh: bool) -> None:
    """Creates `model_dir`; if `fresh`, moves its previous contents aside.

    Raises:
        UsageError: It cannot be written.
    """
    try:
        model_dir.mkdir(parents=True, exist_ok=True)
        if fresh and not folder_lock.is_empty(model_dir):
            # The lock moves with the folder.
            with folder_lock.held(model_dir):
                aside = model_dir.with_name(
                    f"{model_dir.name}.{time.strftime('%Y%m%d-%H%M%S')}"
                )
                os.replace(model_dir, aside)
                print(f"Moved what was in {model_dir} to {aside}", flush=True)
            model_dir.mkdir(exist_ok=True)
        with tempfile.TemporaryFile(dir=model_dir):
            pass
    except OSError as error:
        raise UsageError(
            f"--model_dir={model_dir} cannot be written: {error.strerror}. Give a "
            "writable folder."
        ) from error


def check(
    model_dir: Path,
    trainer: Trainer[R, S, M],
    recipe: R,
    data: S,
    record: data_record.Record,
    change: bool,
) -> None:
    """Refuses a `model_dir` with a run of another recipe or data set.

    Args:
        model_dir: The folder, whose lock is held.
        trainer: The paper's `app.Trainer`.
        recipe: The numbers to train with.
        data: What `trainer.load_data` returned.
        record: What the data set holds.
        change: Whether other data, and what may change, are taken; a line says so.

    Raises:
        UsageError: The folder holds another run.
    """
    found = recipes.read(model_dir)  # again: under the lock no other run writes it
    different = recipes.differences(found, trainer.name, recipe)
    told = "; ".join(different.values())
    allowed = recipes.may_become(recipe, different)
    saved = recipes.parsed(found, trainer.name, type(recipe))
    longer = [name for name in different if recipes.may_become(recipe, [name]) < ANY]
    if allowed == SAME or (
        longer and not (saved and _is_longer(trainer, data, saved, recipe))
    ):
        raise UsageError(
            f"--model_dir={model_dir} holds a run with another recipe ({told}). "
            "Give the same recipe (without --preset it is the one found there), "
            "another --model_dir, or --fresh to start from scratch."
        )
    if len(different) > len(longer) and not change:
        raise UsageError(
            f"--model_dir={model_dir} holds a run with another recipe ({told}). "
            "Give --change to resume with this one, or the same recipe."
        )
    changes = data_record.changes(model_dir, record)
    if changes and not change:
        raise UsageError(
            f"--model_dir={model_dir} holds a run on other data ({changes}). Restore "
            "them, give --change to resume with the present data, or --fresh to "
            "start from scratch."
        )
    if different:
        print(f"Resuming with another recipe: {told}", flush=True)
    if changes:
        print(f"Resuming although the data have changed: {changes}", flush=True)


def _is_longer(trainer: Trainer[R, S, M], data: S, saved: R, recipe: R) -> bool:
    """Whether a run has become longer, and only in its last stage."""
    *before, old = trainer.plan(data, saved)
    *now, new = trainer.plan(data, recipe)
    same = dataclasses.replace(new, steps=old.steps)
    return (now, same) == (before, old) and new.steps >= old.steps

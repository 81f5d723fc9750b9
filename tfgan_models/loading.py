"""One way to open a trained model, whatever it was kept as."""

import importlib
from pathlib import Path
from typing import Any

from tfgan_models.errors import UsageError
from tfgan_models.runs import opening


def load(
    where: str | Path,
    which: str = "latest",
    network: str | None = None,
    task: str | None = None,
) -> Any:
    """Opens a trained model.

    Args:
        where: A training's --model_dir; an exported SavedModel or the folder of its
            versions; an exported .keras file; or a file of weights of another project
            (see `tfgan_models.interop`).
        which: "latest" or "best" checkpoint of a training.
        network: Which one of a training, such as "b2a"; None: the first, or that of
            the last stage.
        task: What it must do, one of `tfgan_models.systems.TASKS`; None: whatever it
            does.

    Returns:
        A `tfgan_models.tasks.model.Model`, by its task: `translate.Translator`,
        `generate.ImageGenerator`, `upscale.Upscaler` or `caption.CaptionPainter` of
        `tfgan_models.tasks`.

    Raises:
        UsageError: There is no such model, or none of that task.
        FailureError: It is damaged.
    """
    found = opening.find(where, which)
    name = choose(found, network, task)
    return of_network(found, name)


def of_network(found: opening.Opened, name: str) -> Any:
    """Returns the object of a network's task; see `load`."""
    task = found.description.networks[name].task
    return importlib.import_module(f"tfgan_models.tasks.{task}").opened(found, name)


def choose(found: opening.Opened, wanted: str | None, task: str | None) -> str:
    """Returns the name of a network.

    Args:
        found: What was opened.
        wanted: Its name; None: the first, of those that enlarge the last.
        task: What it must do; None: anything.

    Raises:
        UsageError: There is no such network.
    """
    networks = found.description.networks
    known = [n for n, f in networks.items() if f.task and task in (None, f.task)]
    if not known:
        held = ", ".join(
            f"{n} ({f.kind}, {f.task or 'of no task'})" for n, f in networks.items()
        )
        what = "a task of this package" if task is None else f"the task {task}"
        raise UsageError(f"{found.where} holds no network of {what}. It holds: {held}.")
    if wanted is not None and found.model_dir is None:
        raise UsageError(
            f"{found.where} is one network, not a training: leave --network out."
        )
    if wanted is not None and wanted not in known:
        raise UsageError(
            f"--network={wanted}: the training holds {' and '.join(known)} alone. Give "
            "that, or train on."
        )
    # A later stage goes on from the one before.
    return wanted or known[-1 if networks[known[-1]].task == "upscale" else 0]

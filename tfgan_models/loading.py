"""Opens any trained model."""

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
        where: A training run's --model_dir; an exported SavedModel or the folder of its
            versions; an exported .keras file; or a file of weights of another project
            (see `tfgan_models.interop`).
        which: "latest" or "best" checkpoint of a run.
        network: The name of a run's network, such as "b2a"; None: the first, or that of
            the last stage.
        task: The required task, one of `tfgan_models.systems.TASKS`; None: any.

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
    """Returns the object for a network's task; see `load`."""
    task = found.description.networks[name].task
    return importlib.import_module(f"tfgan_models.tasks.{task}").opened(found, name)


def choose(found: opening.Opened, wanted: str | None, task: str | None) -> str:
    """Returns the name of a network.

    Args:
        found: The opened model.
        wanted: Its name; None: the first; for upscaling, the last.
        task: The required task; None: any.

    Raises:
        UsageError: There is no such network.
    """
    networks = found.description.networks
    known = [n for n, f in networks.items() if f.task and task in (None, f.task)]
    if not known:
        held = ", ".join(
            f"{n} ({f.kind}, {f.task or 'no task'})" for n, f in networks.items()
        )
        what = "a task of this package" if task is None else f"the task {task}"
        raise UsageError(f"{found.where} has no network for {what}. It has: {held}.")
    if wanted is not None and found.model_dir is None:
        raise UsageError(
            f"{found.where} is a single network, not a run: omit --network."
        )
    if wanted is not None and wanted not in known:
        raise UsageError(
            f"--network={wanted}: the run has only {' and '.join(known)}. Give "
            "that, or train further."
        )
    # A later stage starts from the previous one.
    return wanted or known[-1 if networks[known[-1]].task == "upscale" else 0]

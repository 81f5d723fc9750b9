"""Training checkpoints: written under a temporary name, read newest first.

    <model_dir>/networks.json               what to build for export
    <model_dir>/checkpoints/step_00001200/  one complete checkpoint; where networks
                                            change in training, with its own
                                            networks.json
    <model_dir>/best/step_00000800/         the one with the best metric

Each has its own `model.json` since there is one, see `description`.

A kill at any moment leaves every complete checkpoint readable.
"""

import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from tfgan_models.adversarial import weights
from tfgan_models.errors import FailureError, UsageError
from tfgan_models.runs import description, files, upgrade

KEPT = 3
_PREFIX = "step_"
_UNFINISHED = files.UNFINISHED
NETWORKS = "networks.json"
_REMOVED = ".removed_"
_UNREADABLE = (tf.errors.OpError, AssertionError, LookupError, ValueError, OSError)


def save(
    directory: Path,
    step: int,
    state: Mapping[str, Any],
    kept: int = KEPT,
    texts: Mapping[str, str] | None = None,
) -> Path:
    """Writes a checkpoint and removes all but the last few.

    Args:
        directory: The folder of the checkpoints; created if it does not exist.
        step: The training step, the checkpoint's name.
        state: Trackables by name, such as `GANModel.training_state()`.
        kept: Number of checkpoints to keep, those of the highest steps, including this
            one.
        texts: Small files next to it, by name: `NETWORKS` as `describe` returned it for
            the networks as they are now, `description.FILE`.

    Returns:
        The folder of the new checkpoint.

    Raises:
        FailureError: It could not be written; earlier ones are untouched.
    """
    target = place(directory, step)
    unfinished = directory / f"{_UNFINISHED}{target.name}"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for left_over in directory.iterdir():
            if left_over.name.startswith((_UNFINISHED, _REMOVED)):
                shutil.rmtree(left_over)
        unfinished.mkdir()
        tf.train.Checkpoint(**state).write(str(unfinished / "state"))
        for name, text in (texts or {}).items():
            (unfinished / name).write_text(text)
        if target.exists():
            _remove(target)
        os.replace(unfinished, target)
        others = [other for other in steps(directory) if other != step]
        remove(directory, others[: len(others) - (kept - 1)])
    except (tf.errors.OpError, OSError) as error:
        raise FailureError(
            f"Could not write a checkpoint to {target}: {_one_line(error)}. "
            "Checkpoints written before are untouched."
        ) from error
    return target


def steps(directory: Path) -> list[int]:
    """Returns the steps of the complete checkpoints in `directory`, ascending."""
    names = [path.name for path in directory.glob(f"{_PREFIX}*")]
    return sorted(
        int(name.removeprefix(_PREFIX))
        for name in names
        if name.removeprefix(_PREFIX).isdigit()
    )


def remove(directory: Path, doomed: Iterable[int]) -> None:
    """Removes the checkpoints of some steps."""
    for step in doomed:
        _remove(place(directory, step))


def restore(
    directory: Path, state: Mapping[str, Any], only: int | None = None
) -> int | None:
    """Restores the newest readable checkpoint into `state`.

    If one cannot be read, a warning names it, and the previous one is tried.

    Args:
        directory: The folder of the checkpoints.
        state: What was passed to `save`, freshly built.
        only: The one step to try; None: all.

    Returns:
        Its step, or None if there is no checkpoint.

    Raises:
        FailureError: There are checkpoints, but none of them could be read.
    """

    def read(prefix: str) -> None:
        tf.train.Checkpoint(**state).read(prefix).assert_consumed()

    return _read_newest(directory, read, steps(directory) if only is None else [only])


def describe(
    group: str,
    networks: Mapping[str, keras.Model],
    discriminators: Mapping[str, keras.Model] | None = None,
) -> str:
    """Returns what `load_networks` needs to build the networks of a run.

    Args:
        group: The key of the networks in the saved state.
        networks: The networks by name.
        discriminators: Networks that are not exported, for `load_all`.
    """
    parts = {"networks": networks, "discriminators": discriminators or {}}
    serialized = {
        part: {
            name: keras.saving.serialize_keras_object(network)
            for name, network in some.items()
        }
        for part, some in parts.items()
    }
    return json.dumps({"group": group, **serialized}, indent=1)


def describe_networks(
    model_dir: Path,
    group: str,
    networks: Mapping[str, keras.Model],
    discriminators: Mapping[str, keras.Model] | None = None,
) -> None:
    """Writes `describe` to `model_dir`, which makes it a run's folder."""
    text = describe(group, networks, discriminators)
    files.write_text(model_dir / NETWORKS, text)


def folder(model_dir: Path, which: str = "latest") -> Path:
    """Returns the folder of a run's checkpoints: its "latest" or its "best" one."""
    return model_dir / ("best" if which == "best" else "checkpoints")


def place(directory: Path, step: int) -> Path:
    """Returns the folder of the checkpoint of a step in the folder of them all."""
    return directory / f"{_PREFIX}{step:08d}"


def load_networks(
    model_dir: Path | str, which: str = "latest"
) -> dict[str, keras.Model]:
    """Builds a run's exported networks with the weights of a checkpoint.

    Args:
        model_dir: The folder a trainer wrote.
        which: "latest", or "best" by the first of the trainer's --metrics.

    Returns:
        The networks by name, such as "a2b" and "b2a".

    Raises:
        UsageError: The folder has no run, or one without a checkpoint yet.
        FailureError: None of its checkpoints could be read.
    """
    (networks,), _ = _load(Path(model_dir), which, ("networks",))
    return networks


def load_described(
    model_dir: Path | str, which: str = "latest"
) -> tuple[dict[str, keras.Model], description.Description]:
    """Builds a run's exported networks, and returns their description.

    Args:
        model_dir: See `load_networks`.
        which: See `load_networks`.

    Returns:
        The networks by name, and the description of the checkpoint that was read.

    Raises:
        UsageError: See `load_networks`.
        FailureError: See `load_networks`; or the description is damaged.
    """
    model_dir = Path(model_dir)
    (networks,), checkpoint = _load(model_dir, which, ("networks",))
    found = description.of_training(checkpoint)
    return networks, found or upgrade.of_training(model_dir, networks, checkpoint)


def load_all(
    model_dir: Path,
) -> tuple[dict[str, keras.Model], dict[str, keras.Model]]:
    """Builds a run's exported networks, and its discriminators.

    See `load_networks`. Early runs did not describe their discriminators, so there
    are none.
    """
    (exported, discriminators), _ = _load(
        model_dir, "latest", ("networks", "discriminators")
    )
    return exported, discriminators


def _load(
    model_dir: Path, which: str, parts: Sequence[str]
) -> tuple[list[dict[str, keras.Model]], Path]:
    """The networks of some parts of networks.json, and the checkpoint they are of."""
    import tfgan_models.networks  # noqa: F401  (registers the classes)

    to_build = model_dir / NETWORKS
    directory = folder(model_dir, which)
    if which == "best" and to_build.is_file() and not steps(directory):
        raise UsageError(
            f"--model_dir={model_dir} has no best checkpoint: it was trained without "
            "--metrics. Use --which=latest, or train with --metrics=kid_lite0."
        )
    if not to_build.is_file() or not steps(directory):
        raise UsageError(
            f"--model_dir={model_dir} has no checkpoint of a training run. Give the "
            "--model_dir of a run, such as runs/mine."
        )
    found: list[dict[str, keras.Model]] = []

    def read(prefix: str) -> None:
        own = Path(prefix).with_name(NETWORKS)
        content = json.loads((own if own.is_file() else to_build).read_text())
        built = [
            {
                name: keras.saving.deserialize_keras_object(config)
                for name, config in content.get(part, {}).items()
            }
            for part in parts
        ]
        groups = (content["group"], "discriminators")
        state = {
            group: weights(networks)
            for group, networks in zip(groups, built, strict=False)
        }
        status = tf.train.Checkpoint(**state).read(prefix)
        status.assert_existing_objects_matched().expect_partial()
        found[:] = built

    step = _read_newest(directory, read, steps(directory)) or 0
    return found, place(directory, step)


def _read_newest(
    directory: Path, read: Callable[[str], object], found: Sequence[int]
) -> int | None:
    """Calls `read(prefix)` for each checkpoint, newest first, until one succeeds."""
    reason = ""
    for step in reversed(found):
        path = place(directory, step)
        try:
            read(str(path / "state"))
        except _UNREADABLE as error:
            reason = _one_line(error)
            warnings.warn(
                f"The checkpoint {path} cannot be read and is skipped: {reason}",
                stacklevel=3,
            )
        else:
            return step
    if found:
        raise FailureError(
            f"None of the {len(found)} checkpoints in {directory} could be read; the "
            f"last error was: {reason}. To start from scratch, pass --fresh."
        )
    return None


def _remove(path: Path) -> None:
    """Removes a folder under another name first: a half-removed one is never seen."""
    doomed = path.with_name(f"{_REMOVED}{path.name}")
    os.replace(path, doomed)
    shutil.rmtree(doomed)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]

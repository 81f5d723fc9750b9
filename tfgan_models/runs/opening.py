"""Opens any trained model: a run, its export, other projects' weights."""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from tfgan_models.errors import UsageError
from tfgan_models.interop import sources
from tfgan_models.interop.messages import printable
from tfgan_models.runs import checkpoints, saved_models, upgrade_exports
from tfgan_models.runs import description as descriptions
from tfgan_models.runs.description import Description

ALLOWED = (
    "a training run's --model_dir, an exported .keras file or SavedModel (a folder "
    "with saved_model.pb or with version numbers), or a file of weights that "
    "tfgan_models.interop reads"
)


@dataclasses.dataclass(frozen=True)
class Opened:
    """An opened model.

    Attributes:
        where: The path, as it was given.
        description: Of all of its networks.
        networks: By the names in the description; {} for a SavedModel.
        loaded: The SavedModel as loaded by TensorFlow; None for others.
        model_dir: The folder, if it is a run.
    """

    where: str
    description: Description
    networks: Mapping[str, keras.Model] = dataclasses.field(default_factory=dict)
    loaded: Any = None
    model_dir: Path | None = None


def is_training(path: Path) -> bool:
    """Whether a folder is a run's."""
    return (path / "networks.json").is_file()


def is_model(path: Path) -> bool:
    """Whether there seems to be a model at a path."""
    known = is_training(path) or saved_models.newest(path) is not None
    return known or path.suffix == ".keras" or sources.guess(path) is not None


def find(where: str | Path, which: str = "latest") -> Opened:
    """Opens a model.

    Args:
        where: A run's folder, a SavedModel or the folder of its versions, a .keras
            file, or weights of another project.
        which: "latest" or "best" checkpoint of a run.

    Raises:
        UsageError: It is none of these.
        FailureError: It is damaged.
    """
    path = Path(os.path.expanduser(where))  # unknown users stay as they are
    if is_training(path):
        networks, description = checkpoints.load_described(path, which)
        return _described(Opened(str(where), description, networks, None, path))
    directory = saved_models.newest(path)
    if directory and not sources.is_keras_saved_model(directory):
        loaded = _loaded(lambda: tf.saved_model.load(str(directory)), where)
        known = descriptions.of_saved_model(directory)
        known = known or upgrade_exports.of_saved_model(loaded)
        return Opened(str(where), known, loaded=loaded)
    if path.is_file() and path.suffix == ".keras":
        network = _loaded(lambda: _keras_file(path), where)
        known = descriptions.of_keras_file(path)
        name = next(iter(known.networks)) if known else "network"
        known = known or Description({name: descriptions.of_network(network)})
        return _described(Opened(str(where), known, {name: network}))
    if source := sources.guess(path):
        converted = sources.SOURCES[source](path)
        known = converted.description(Path(where))
        return _described(Opened(str(where), known, converted.networks))
    missing = "" if path.exists() else " It does not exist."
    raise UsageError(f"{where} is none of: {ALLOWED}.{missing}")


def _described(opened: Opened) -> Opened:
    """Adds what is visible about networks of other classes."""
    networks = {
        name: facts
        if facts.task or name not in opened.networks
        else upgrade_exports.of_keras_model(opened.networks[name], facts)
        for name, facts in opened.description.networks.items()
    }
    description = dataclasses.replace(opened.description, networks=networks)
    return dataclasses.replace(opened, description=description)


def _keras_file(path: Path) -> keras.Model:
    import tfgan_models.networks  # noqa: F401  (registers the classes)

    return keras.saving.load_model(path, compile=False)


def _loaded(load: Any, where: str | Path) -> Any:
    try:
        return load()
    # A damaged file makes the loaders raise almost anything.
    except Exception as error:
        reason = printable(" ".join(str(error).split())[:200])
        raise UsageError(f"{where} cannot be loaded: {reason}") from error

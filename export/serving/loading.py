"""Loads a version of a model like TensorFlow Serving: warmed up, or not at all."""

import time
from dataclasses import dataclass
from pathlib import Path

from export.serving import server_config
from export.serving.models import DEFAULT_SIGNATURE, Model
from export.serving.server_config import BatchingParameters
from export.signatures import warmup


@dataclass(frozen=True)
class LoadedVersion:
    """A version ready for requests.

    Args:
        name: Of the model.
        version: Its number.
        model: The SavedModel.
        batching: The model's batching parameters; None: it has none.
        warm_up_seconds: Duration of its warm-up requests.
    """

    name: str
    version: int
    model: Model
    batching: BatchingParameters | None = None
    warm_up_seconds: float = 0.0


def load(name: str, version: int, directory: Path) -> LoadedVersion:
    """Loads a version and runs its warm-up requests, all of which must succeed.

    Args:
        name: Of the model.
        version: Its number.
        directory: The SavedModel.

    Raises:
        Exception: Of any type: something is wrong with its files.
    """
    batching = server_config.batching_parameters(directory)
    model = Model(directory)
    started = time.monotonic()
    for request in warmup.read(directory):
        signature = model.signature(
            request.model_spec.signature_name or DEFAULT_SIGNATURE
        )
        signature.run(warmup.arrays(request))
    return LoadedVersion(name, version, model, batching, time.monotonic() - started)


def files(directory: Path) -> object:
    """Returns a value that is equal as long as a SavedModel's files are the same."""
    stats = ((path, path.stat()) for path in sorted(directory.rglob("*")))
    return [(path, stat.st_mtime_ns, stat.st_size) for path, stat in stats]

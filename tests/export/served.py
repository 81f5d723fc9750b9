"""What the local endpoint answers of a folder of models, in this process."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from export.serving.batching import Batcher
from export.serving.predictor import ModelSpec, Predictor
from export.serving.versions import VersionManager

Ask = Callable[..., dict[str, np.ndarray]]
"""(model, signature, **inputs) -> outputs by name."""


@contextmanager
def served(folder: Path) -> Iterator[Ask]:
    """Loads the models of a folder as `export.serve` does."""
    batcher = Batcher(max_queue=16, threads=1)

    def ask(
        model: str, signature: str = "serving_default", **inputs: np.ndarray
    ) -> dict[str, np.ndarray]:
        spec = ModelSpec(model, signature=signature)
        until = time.monotonic() + 60
        return predictor.predict(spec, lambda _: inputs, until).outputs

    with VersionManager(folder) as manager:
        predictor = Predictor(manager, batcher)
        yield ask
    batcher.close()

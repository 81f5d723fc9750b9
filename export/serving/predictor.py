"""Predictions, the same for every protocol."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from export.serving.batching import Batcher
from export.serving.image_limit import check_images
from export.serving.limits import Limits
from export.serving.models import DEFAULT_SIGNATURE, Signature
from export.serving.versions import VersionManager


@dataclass(frozen=True)
class ModelSpec:
    """What a request specifies.

    Args:
        name: Of the model.
        version: Exactly this one; None: the newest.
        label: Instead of the version, its label.
        signature: Of the model.
    """

    name: str
    version: int | None = None
    label: str | None = None
    signature: str = DEFAULT_SIGNATURE


@dataclass(frozen=True)
class Prediction:
    """A model's response.

    Args:
        outputs: By name, sorted.
        version: The version that ran.
    """

    outputs: dict[str, np.ndarray]
    version: int


class Predictor:
    """Runs the loaded models; safe to use from several threads.

    Args:
        manager: Has the models.
        batcher: Runs them.
        max_pixels: Maximum of an image; larger ones are refused.
    """

    def __init__(
        self,
        manager: VersionManager,
        batcher: Batcher,
        max_pixels: int = Limits.max_pixels,
    ) -> None:
        self._manager = manager
        self._batcher = batcher
        self._max_pixels = max_pixels

    def predict(
        self,
        spec: ModelSpec,
        decode: Callable[[Signature], dict[str, np.ndarray]],
        deadline: float,
    ) -> Prediction:
        """Runs a signature, and waits for the result.

        Args:
            spec: What is requested.
            decode: Builds a signature's inputs from the request; called once it is
                known that the signature exists.
            deadline: By the clock of `time.monotonic`.

        Raises:
            ServingError: There is no such model or signature, `decode` refused the
                request, an image is too large, or it could not be run.
        """
        with self._manager.use(spec.name, spec.version, spec.label) as loaded:
            signature = loaded.model.signature(spec.signature)
            inputs = decode(signature)
            check_images(signature, inputs, self._max_pixels, deadline)
            outputs = self._batcher.run(
                (loaded.name, loaded.version, spec.signature),
                signature,
                inputs,
                loaded.batching,
                deadline,
            )
            return Prediction(outputs, loaded.version)

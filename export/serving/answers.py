"""The responses of the REST API, without HTTP: bytes in, bytes out."""

import json
import os
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np

from export.serving import rest
from export.serving.metadata import model_metadata
from export.serving.models import Signature
from export.serving.predictor import ModelSpec, Predictor
from export.serving.rest_target import Target
from export.serving.rest_writer import encode_outputs
from export.serving.status import Code, ServingError, invalid
from export.serving.versions import VersionManager

_NOUNS = {"classify": "classification", "regress": "regression"}


class Answers:
    """Answers requests of all methods. Safe to use from several threads.

    Args:
        predictor: Runs the models.
        manager: Has the models.
    """

    def __init__(self, predictor: Predictor, manager: VersionManager) -> None:
        self._predictor = predictor
        self._manager = manager
        # Parsed documents are many times larger than their text: few at once.
        self._parsing = threading.BoundedSemaphore(os.cpu_count() or 1)

    def infer(
        self, target: Target, body: Callable[[], bytes], deadline: float
    ) -> bytes:
        """Answers a POST request: predict, or a refusal.

        Args:
            target: What the path names.
            body: Returns the request's body, decompressed.
            deadline: By `time.monotonic()`.

        Raises:
            ServingError: The response is an error.
        """
        if not self._parsing.acquire(timeout=max(deadline - time.monotonic(), 0)):
            raise ServingError(
                Code.DEADLINE_EXCEEDED, "The request waited too long to be parsed."
            )
        with ExitStack() as held:
            held.callback(self._parsing.release)
            request = rest.parse_body(body())
            spec = ModelSpec(
                target.name, target.version, target.label, rest.signature_name(request)
            )
            if target.action != "predict":
                raise self._refusal(target.action, spec)
            return self._predict(spec, request, deadline, held)

    def describe(self, target: Target) -> bytes:
        """Answers a status or metadata request.

        Args:
            target: What the path names.

        Raises:
            ServingError: There is no such model.
        """
        if target.action == "metadata":
            with self._manager.use(target.name, target.version, target.label) as loaded:
                definitions, version = loaded.model.definitions, loaded.version
            return model_metadata(definitions, target.name, version)
        # TensorFlow Serving looks only at the version: a label means all of them.
        versions = [
            {
                "version": str(status.version),
                "state": str(status.state),
                "status": {
                    "error_code": status.code.name if status.code else "OK",
                    "error_message": status.message,
                },
            }
            for status in self._manager.status(target.name, target.version)
        ]
        text = json.dumps({"model_version_status": versions}, indent=1)
        return f"{text}\n".encode()

    def _predict(
        self,
        spec: ModelSpec,
        request: dict[str, Any],
        deadline: float,
        held: ExitStack,
    ) -> bytes:
        row = False

        def decode(signature: Signature) -> dict[str, np.ndarray]:
            nonlocal row
            inputs, row = rest.decode_inputs(request, signature.inputs)
            # The document is not needed while its arrays wait for their batch.
            request.clear()
            held.close()
            return inputs

        prediction = self._predictor.predict(spec, decode, deadline)
        with self._parsing:
            return encode_outputs(prediction.outputs, row)

    def _refusal(self, method: str, spec: ModelSpec) -> ServingError:
        """The response to classify and regress, which only other models support."""
        with self._manager.use(spec.name, spec.version, spec.label) as loaded:
            definitions = loaded.model.definitions.signature_def
        if spec.signature not in definitions:
            return invalid(f"No signature was found with the name: {spec.signature}")
        received = definitions[spec.signature].method_name
        expected = f"tensorflow/serving/{method}"
        if received == expected:
            return ServingError(
                Code.UNIMPLEMENTED,
                f"This endpoint does not support {method}: use predict.",
            )
        return invalid(
            f"Expected {_NOUNS[method]} signature method_name to be {expected}. "
            f"Was: {received}"
        )

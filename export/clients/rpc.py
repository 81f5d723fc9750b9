"""A client of TensorFlow Serving's gRPC API, one image per request."""

import re
import socket
from collections.abc import Callable
from typing import TypeVar

import grpc
from google.protobuf.message import Message
from tensorflow.core.framework import tensor_pb2, types_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from export.clients.image_files import ImageError
from export.clients.rest import SECONDS
from export.clients.retries import NO_ANSWER, TransientError, UnreachableError
from export.serving.tf_messages import without_brackets
from export.signatures.image_signature import SIGNATURE, Signature, image_signature
from tfgan_models.errors import UsageError

A = TypeVar("A")

TRANSIENT = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
)
"""Codes after which the same request may succeed."""

_OPTIONS = (
    # Images can be larger than gRPC's 4 MiB.
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # Its own reconnect backoff would grow beyond ours.
    ("grpc.initial_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 2000),
)
_URL = re.compile(
    r"grpc://(?P<address>(?P<host>[^/]+):(?P<port>[0-9]+))/(?P<name>[^/]+)"
    r"(/versions/(?P<version>[0-9]+)|/labels/(?P<label>[^/]+))?/?"
)


class RpcClient:
    """A served model with a signature `encoded`. Any number of threads may use it.

    Args:
        model_url: Such as grpc://localhost:8500/NAME, with /versions/N or /labels/L
            for a version other than the newest.

    Raises:
        UsageError: It is not such an address.
    """

    def __init__(self, model_url: str) -> None:
        match = _URL.fullmatch(model_url)
        if not match:
            raise UsageError(
                f"{model_url} is not a model's address. Give one such as "
                "grpc://localhost:8500/mine_a2b or "
                "grpc://localhost:8500/mine_a2b/versions/1"
            )
        self.url = model_url
        self._spec = model_pb2.ModelSpec(
            name=match["name"], signature_name=SIGNATURE, version_label=match["label"]
        )
        if match["version"]:
            self._spec.version.value = int(match["version"])
        self._address = (match["host"].strip("[]"), int(match["port"]))
        self._channel = grpc.insecure_channel(match["address"], options=_OPTIONS)
        self._predictions = prediction_service_pb2_grpc.PredictionServiceStub(
            self._channel
        )
        self._models = model_service_pb2_grpc.ModelServiceStub(self._channel)
        self._signature: Signature | None = None

    def __enter__(self) -> "RpcClient":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection."""
        self._channel.close()

    def is_served(self) -> bool:
        """Says whether the endpoint has this model.

        Raises:
            TransientError: It did not respond, or is busy.
        """
        request = get_model_status_pb2.GetModelStatusRequest(model_spec=self._spec)
        try:
            self._ask(self._models.GetModelStatus, request)
        except grpc.RpcError:
            return False
        return True

    def describe(self) -> Signature:
        """Requests the names of the signature `encoded`.

        Raises:
            TransientError: It did not respond, or is busy.
            UsageError: There is no such model, or it does not take images.
        """
        request = get_model_metadata_pb2.GetModelMetadataRequest(
            model_spec=self._spec, metadata_field=["signature_def"]
        )
        try:
            answer = self._ask(self._predictions.GetModelMetadata, request)
        except grpc.RpcError as error:
            raise UsageError(self._refusal(error)) from error
        signatures = get_model_metadata_pb2.SignatureDefMap()
        answer.metadata["signature_def"].Unpack(signatures)
        found = signatures.signature_def[SIGNATURE]
        self._signature = image_signature(
            self.url,
            [name for name, of in signatures.signature_def.items() if of.inputs],
            {n: types_pb2.DataType.Name(i.dtype) for n, i in found.inputs.items()},
            found.outputs,
        )
        return self._signature

    def run(self, picture: bytes) -> bytes:
        """Sends an image file and returns the result.

        Raises:
            TransientError: It did not respond, or is busy.
            ImageError: It refused the image.
            UsageError: As `describe`, which is called once.
        """
        names = self._signature or self.describe()
        tensor = tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, string_val=[picture])
        tensor.tensor_shape.dim.add(size=1)
        request = predict_pb2.PredictRequest(
            model_spec=self._spec,
            inputs={names.input: tensor},
            output_filter=[names.output],
        )
        try:
            answer = self._ask(self._predictions.Predict, request)
        except grpc.RpcError as error:
            raise ImageError(self._refusal(error)) from error
        pictures = answer.outputs[names.output].string_val
        if len(pictures) != 1:
            raise ImageError("The endpoint's response has no image.")
        return pictures[0]

    def _ask(self, method: Callable[..., A], request: Message) -> A:
        try:
            return method(request, timeout=SECONDS)
        except grpc.RpcError as error:
            if error.code() not in TRANSIENT:
                raise
            if error.code() == grpc.StatusCode.UNAVAILABLE and not self._listens():
                raise UnreachableError(
                    f"{self.url} {NO_ANSWER.format(error.details())}"
                ) from error
            raise TransientError(self._refusal(error)) from error

    def _listens(self) -> bool:
        """Distinguishes a full endpoint from a missing one: both are UNAVAILABLE."""
        try:
            socket.create_connection(self._address, timeout=2).close()
        except OSError:
            return False
        return True

    def _refusal(self, error: grpc.RpcError) -> str:
        reason = without_brackets(error.details() or "")
        return f"{self.url} answered {error.code().name}: {reason}"

"""The gRPC side of the local serving endpoint: TensorFlow Serving's services."""

import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import grpc
import numpy as np
from google.protobuf.message import Message

from export.serving import logs, tensors
from export.serving.limits import Limits
from export.serving.metrics import Metrics
from export.serving.models import DEFAULT_SIGNATURE, Signature
from export.serving.predictor import ModelSpec, Predictor
from export.serving.status import Code, ServingError, invalid
from export.serving.versions import VersionManager

if TYPE_CHECKING:
    from tensorflow.core.framework import tensor_pb2
    from tensorflow_serving.apis import (
        get_model_metadata_pb2,
        get_model_status_pb2,
        predict_pb2,
    )

Q = TypeVar("Q", bound=Message)
A = TypeVar("A", bound=Message)

_METADATA = "signature_def"
_STATUSES = {code.value[0]: code for code in grpc.StatusCode}
# A status travels in a header, and clients accept 8 KiB of them.
_LONGEST_MESSAGE = 1000
_UNSUPPORTED = {
    "Classify": "the models have no such signatures; use Predict",
    "Regress": "the models have no such signatures; use Predict",
    "MultiInference": "the models have no such signatures; use Predict",
    "SessionRun": "use PredictionService.Predict",
    "HandleReloadConfigRequest": "change models.config in --model_base, which is "
    "read again while serving",
}


class Services:
    """The methods of PredictionService and ModelService.

    Args:
        predictor: Runs signatures.
        manager: The models.
        metrics: Where requests are counted.
        limits: Of each request.
    """

    def __init__(
        self,
        predictor: Predictor,
        manager: VersionManager,
        metrics: Metrics,
        limits: Limits,
    ) -> None:
        self._predictor = predictor
        self._manager = manager
        self._metrics = metrics
        self._limits = limits
        self._running = 0
        self._changed = threading.Condition()
        self.Classify = _refusal("Classify")
        self.Regress = _refusal("Regress")
        self.MultiInference = _refusal("MultiInference")
        self.HandleReloadConfigRequest = _refusal("HandleReloadConfigRequest")

    def add_to(self, server: grpc.Server) -> None:
        """Registers these methods with `server`."""
        from tensorflow_serving.apis import model_service_pb2_grpc as model
        from tensorflow_serving.apis import prediction_service_pb2_grpc as prediction

        prediction.add_PredictionServiceServicer_to_server(self, server)
        model.add_ModelServiceServicer_to_server(self, server)
        handlers: dict[str, grpc.RpcMethodHandler[Message, Message]] = {
            "SessionRun": grpc.unary_unary_rpc_method_handler(_refusal("SessionRun"))
        }
        server.add_registered_method_handlers(
            "tensorflow.serving.SessionService", handlers
        )

    def wait(self, seconds: float) -> bool:
        """Waits until no request runs; returns whether none does."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._running, seconds)

    def Predict(
        self, request: "predict_pb2.PredictRequest", context: grpc.ServicerContext
    ) -> "predict_pb2.PredictResponse":
        """Runs a signature."""
        return self._answer("Predict", self._predict, request, context)

    def GetModelMetadata(
        self,
        request: "get_model_metadata_pb2.GetModelMetadataRequest",
        context: grpc.ServicerContext,
    ) -> "get_model_metadata_pb2.GetModelMetadataResponse":
        """Describes the signatures of a model."""
        return self._answer("GetModelMetadata", self._metadata, request, context)

    def GetModelStatus(
        self,
        request: "get_model_status_pb2.GetModelStatusRequest",
        context: grpc.ServicerContext,
    ) -> "get_model_status_pb2.GetModelStatusResponse":
        """Lists the versions of a model."""
        return self._answer("GetModelStatus", self._status, request, context)

    def _answer(
        self,
        method: str,
        work: Callable[[Q, float], A],
        request: Q,
        context: grpc.ServicerContext,
    ) -> A:
        """Answers, counts and logs one request."""
        started = time.monotonic()
        client = context.time_remaining()
        client = math.inf if client is None else client
        deadline = started + min(self._limits.timeout_s, client)
        with self._counted():
            try:
                outcome: A | ServingError = work(request, deadline)
            except ServingError as error:
                outcome = error
            except Exception as error:
                # A bug of ours: the client gets an error, and the process keeps
                # running.
                outcome = ServingError(Code.INTERNAL, f"The endpoint failed: {error!r}")
                logs.log("internal_error", "error", method=method, error=repr(error))
            self._record(method, request, outcome, time.monotonic() - started)
        if isinstance(outcome, ServingError):
            context.abort(_STATUSES[outcome.code], _clean(outcome.message))
        return outcome

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._changed:
            self._running += 1
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    def _record(
        self,
        method: str,
        request: Any,
        outcome: Message | ServingError,
        seconds: float,
    ) -> None:
        model = request.model_spec.name
        if isinstance(outcome, ServingError):
            status, answered = outcome.code.name, 0
        else:
            status, answered = "OK", outcome.ByteSize()
        self._metrics.request_finished(model, "gRPC", method, status, seconds)
        logs.request(
            "gRPC", method, model, status, seconds, request.ByteSize(), answered
        )

    def _predict(
        self, request: "predict_pb2.PredictRequest", deadline: float
    ) -> "predict_pb2.PredictResponse":
        from tensorflow_serving.apis import predict_pb2

        spec = _spec(request)

        def decode(signature: Signature) -> dict[str, np.ndarray]:
            _check_inputs(request.inputs, signature.inputs)
            inputs = {
                name: tensors.decode(
                    name, request.inputs[name], dtype, self._limits.max_body_bytes
                )
                for name, dtype in signature.inputs.items()
            }
            _check_filter(request.output_filter, signature.outputs)
            return inputs

        try:
            prediction = self._predictor.predict(spec, decode, deadline)
        except ServingError as error:
            raise _in_grpc_words(error, spec) from error
        response = predict_pb2.PredictResponse()
        response.model_spec.name = spec.name
        response.model_spec.version.value = prediction.version
        response.model_spec.signature_name = spec.signature
        for name in request.output_filter or prediction.outputs:
            response.outputs[name].CopyFrom(tensors.encode(prediction.outputs[name]))
        return response

    def _metadata(
        self,
        request: "get_model_metadata_pb2.GetModelMetadataRequest",
        deadline: float,
    ) -> "get_model_metadata_pb2.GetModelMetadataResponse":
        del deadline
        from tensorflow_serving.apis import get_model_metadata_pb2

        spec = _spec(request)
        if not request.metadata_field:
            raise invalid(
                "GetModelMetadataRequest must specify at least one metadata_field"
            )
        for field in request.metadata_field:
            if field != _METADATA:
                raise invalid(f"Metadata field {field} is not supported")
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        with self._manager.use(spec.name, spec.version, spec.label) as loaded:
            response.model_spec.name = loaded.name
            response.model_spec.version.value = loaded.version
            signatures = loaded.model.definitions
        response.metadata[_METADATA].Pack(signatures)
        return response

    def _status(
        self, request: "get_model_status_pb2.GetModelStatusRequest", deadline: float
    ) -> "get_model_status_pb2.GetModelStatusResponse":
        del deadline
        from tensorflow_serving.apis import get_model_status_pb2

        spec = _spec(request)
        response = get_model_status_pb2.GetModelStatusResponse()
        for version in self._manager.status(spec.name, spec.version):
            added = response.model_version_status.add()
            added.version = version.version
            added.state = added.State.Value(version.state)
            added.status.error_code = 0 if version.code is None else int(version.code)
            added.status.error_message = version.message
        return response


def _refusal(method: str) -> Callable[[Message, grpc.ServicerContext], NoReturn]:
    def refuse(request: Message, context: grpc.ServicerContext) -> NoReturn:
        del request
        logs.request("gRPC", method, "", Code.UNIMPLEMENTED.name, 0.0, 0, 0)
        context.abort(
            grpc.StatusCode.UNIMPLEMENTED,
            f"{method} is not supported: {_UNSUPPORTED[method]}",
        )

    return refuse


def _spec(request: Any) -> ModelSpec:
    """Parses a request's model_spec."""
    if not request.HasField("model_spec"):
        raise invalid("Missing ModelSpec")
    spec = request.model_spec
    if not spec.name:
        raise invalid("ModelSpec has no name specified.")
    choice = spec.WhichOneof("version_choice")
    return ModelSpec(
        name=spec.name,
        version=spec.version.value if choice == "version" else None,
        label=spec.version_label if choice == "version_label" else None,
        signature=spec.signature_name or DEFAULT_SIGNATURE,
    )


def _check_inputs(
    sent: Mapping[str, "tensor_pb2.TensorProto"], expected: Mapping[str, str]
) -> None:
    extra, missing = (
        sorted(set(sent) - set(expected)),
        sorted(set(expected) - set(sent)),
    )
    if not extra and not missing:
        return
    raise invalid(
        f"input size does not match signature: {len(sent)}!={len(expected)} "
        f"len({_braced(sent)}) != len({_braced(expected)}). "
        f"Sent extra: {_braced(extra)}. Missing but required: {_braced(missing)}."
    )


def _check_filter(names: Iterable[str], outputs: Mapping[str, str]) -> None:
    seen = set()
    for name in names:
        if name not in outputs:
            raise invalid(
                f"output tensor alias not found in signature: {name} "
                f"Outputs expected to be in the set {_braced(outputs)}."
            )
        if name in seen:
            raise invalid(f"duplicate output tensor alias: {name}")
        seen.add(name)


def _braced(names: Iterable[str]) -> str:
    return "{" + ",".join(sorted(names)) + "}"


def _in_grpc_words(error: ServingError, spec: ModelSpec) -> ServingError:
    """TensorFlow Serving words a missing signature differently over gRPC."""
    by_rest = f'Serving signature name: "{spec.signature}" not found in signature def'
    if error.message != by_rest:
        return error
    message = f'Serving signature key "{spec.signature}" not found.'
    return ServingError(error.code, message)


def _clean(message: str) -> str:
    """Text that fits into a header."""
    return message[:_LONGEST_MESSAGE].encode("utf-8", "replace").decode()

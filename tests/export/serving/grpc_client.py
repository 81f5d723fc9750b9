"""A gRPC endpoint in this process, and what asks it over a real socket."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
import tensorflow as tf
from grpc_health.v1 import health_pb2_grpc
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import (
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from export.serving.batching import Batcher
from export.serving.grpc_server import GrpcServer
from export.serving.grpc_service import Services
from export.serving.limits import Limits
from export.serving.metrics import Metrics
from export.serving.predictor import Predictor
from export.serving.versions import VersionManager

DTYPES = (
    *("bfloat16", "bool", "complex128", "complex64", "float16", "float32", "float64"),
    *("int16", "int32", "int64", "int8", "string"),
    *("uint16", "uint32", "uint64", "uint8"),
)
LIMITS = Limits(max_body_bytes=3 * 2**20, timeout_s=30.0, max_in_flight=32)


class Kinds(tf.Module):
    """One input and output of each dtype, and a function that takes its time."""

    @tf.function(input_signature=[tf.TensorSpec([None], d, f"in_{d}") for d in DTYPES])
    def echo(self, *values: tf.Tensor) -> dict[str, tf.Tensor]:
        return {
            f"out_{d}": tf.identity(value)
            for d, value in zip(DTYPES, values, strict=True)
        }

    @tf.function(input_signature=[tf.TensorSpec([], tf.float64, "seconds")])
    def spin(self, seconds: tf.Tensor) -> dict[str, tf.Tensor]:
        start = tf.timestamp()
        turns = tf.while_loop(
            lambda i: tf.timestamp() - start < seconds, lambda i: i + 1, [0]
        )
        return {"turns": turns[0]}


@dataclass
class Client:
    """What the tests ask."""

    server: GrpcServer
    metrics: Metrics
    channel: grpc.Channel
    prediction: prediction_service_pb2_grpc.PredictionServiceStub
    model: model_service_pb2_grpc.ModelServiceStub
    health: health_pb2_grpc.HealthStub

    def predict(
        self, name: str, inputs: dict[str, Any], timeout: float = 30, **spec: Any
    ) -> predict_pb2.PredictResponse:
        return self.prediction.Predict(request(name, inputs, **spec), timeout)


def request(
    name: str,
    inputs: dict[str, Any],
    signature: str = "",
    version: int | None = None,
    label: str | None = None,
    outputs: tuple[str, ...] = (),
) -> predict_pb2.PredictRequest:
    message = predict_pb2.PredictRequest(output_filter=outputs)
    message.model_spec.name = name
    message.model_spec.signature_name = signature
    if version is not None:
        message.model_spec.version.value = version
    if label is not None:
        message.model_spec.version_label = label
    for key, value in inputs.items():
        proto = isinstance(value, tensor_pb2.TensorProto)
        message.inputs[key].CopyFrom(value if proto else tf.make_tensor_proto(value))
    return message


def start(manager: VersionManager, limits: Limits = LIMITS) -> Client:
    metrics = Metrics()
    for name in manager.names():
        metrics.model_loaded(name, 1)
    predictor = Predictor(manager, Batcher(max_queue=16, threads=2))
    server = GrpcServer("127.0.0.1", 0, limits)
    server.start(Services(predictor, manager, metrics, limits))
    channel = grpc.insecure_channel(
        f"127.0.0.1:{server.port}",
        options=[("grpc.max_receive_message_length", -1)],
    )
    return Client(
        server,
        metrics,
        channel,
        prediction_service_pb2_grpc.PredictionServiceStub(channel),
        model_service_pb2_grpc.ModelServiceStub(channel),
        health_pb2_grpc.HealthStub(channel),
    )


def refused(call: Callable[[], Any]) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value.code(), caught.value.details()

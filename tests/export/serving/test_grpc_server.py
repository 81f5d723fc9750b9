"""The gRPC server: health, deadlines, limits, stops."""

import socket
import threading
import time

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2

from export.serving.grpc_server import GrpcServer
from export.serving.limits import Limits
from export.serving.versions import VersionManager
from tests.export.serving.grpc_client import LIMITS, Client, refused, request, start
from tfgan_models.errors import FailureError

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
NOT_FOUND = grpc.StatusCode.NOT_FOUND
X = {"x": np.float32([[1.0]])}


def test_bodies_are_limited_and_answers_are_not(client: Client) -> None:
    large = {"text": np.array([b"a" * LIMITS.max_body_bytes], object)}
    code, text = refused(lambda: client.predict("mixed", large, signature="scalar"))
    assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "larger than max" in text
    inputs = {"text": np.array([b"a" * 2**21], object), "times": np.int32([1])}
    assert client.predict("mixed", inputs).ByteSize() > 3 * 2**21


def test_health(client: Client) -> None:
    for service in ("", "tensorflow.serving.PredictionService"):
        message = health_pb2.HealthCheckRequest(service=service)
        assert client.health.Check(message).status == SERVING
    message = health_pb2.HealthCheckRequest(service="nope")
    assert refused(lambda: client.health.Check(message))[0] == NOT_FOUND


def test_the_clients_deadline_ends_the_work_too(client: Client) -> None:
    seconds = {"seconds": np.float64(3.0)}
    started = time.monotonic()
    code, _ = refused(
        lambda: client.predict("kinds", seconds, timeout=0.3, signature="spin")
    )
    assert code == grpc.StatusCode.DEADLINE_EXCEEDED
    line = (
        b':tensorflow:serving:request_count{model_name="kinds",'
        b'status="DEADLINE_EXCEEDED"} 1.0'
    )
    while line not in client.metrics.text():
        assert time.monotonic() - started < 2.5
        time.sleep(0.05)


def test_the_servers_deadline_and_its_stop(grpc_manager: VersionManager) -> None:
    client = start(grpc_manager, Limits(timeout_s=0.3))
    seconds = {"seconds": np.float64(1.0)}
    code, text = refused(lambda: client.predict("kinds", seconds, signature="spin"))
    assert code == grpc.StatusCode.DEADLINE_EXCEEDED
    assert text == "Timed out waiting for notification"
    assert client.server.stop(5)
    client.channel.close()


def test_a_stop_finishes_what_runs_and_refuses_the_rest(
    grpc_manager: VersionManager,
) -> None:
    client = start(grpc_manager)
    seen: list[int] = []
    watch = client.health.Watch(health_pb2.HealthCheckRequest())

    def watch_health() -> None:
        try:
            seen.extend(answer.status for answer in watch)
        except grpc.RpcError:
            seen.append(-1)  # The server has gone.

    watcher = threading.Thread(target=watch_health)
    watcher.start()
    seconds = {"seconds": np.float64(1.5)}
    running = client.prediction.Predict.future(
        request("kinds", seconds, signature="spin"), 30
    )
    time.sleep(0.5)
    stopping = threading.Thread(target=client.server.stop, args=(20,))
    started = time.monotonic()
    stopping.start()
    time.sleep(0.2)
    code, _ = refused(lambda: client.predict("half", X))
    assert code == grpc.StatusCode.UNAVAILABLE
    assert running.result().outputs["turns"].int_val[0] > 0
    stopping.join(10)
    watcher.join(10)
    # Who watches the health keeps nobody waiting.
    assert time.monotonic() - started < 10
    assert seen[:2] == [SERVING, NOT_SERVING]
    client.channel.close()


def test_a_port_in_use(client: Client) -> None:
    with pytest.raises(FailureError, match="Choose another port with --grpc_port"):
        GrpcServer("127.0.0.1", client.server.port, LIMITS)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(FailureError, match=f"Cannot listen on 127.0.0.1:{port}"):
            GrpcServer("127.0.0.1", port, LIMITS)


def test_a_stop_does_not_wait_for_ever(grpc_manager: VersionManager) -> None:
    client = start(grpc_manager)
    message = request("kinds", {"seconds": np.float64(2.0)}, signature="spin")
    running = client.prediction.Predict.future(message, 30)
    time.sleep(0.3)
    started = time.monotonic()
    assert not client.server.stop(0.2)
    assert time.monotonic() - started < 1.9
    code, _ = refused(running.result)
    assert code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
    client.channel.close()

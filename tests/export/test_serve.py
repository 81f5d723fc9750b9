"""The serving command in a process of its own, over real sockets."""

import base64
import json
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
import tensorflow as tf
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from export.signatures.writing import write_saved_model
from tests.export.conftest import (
    REPOSITORY,
    Endpoint,
    command,
    endpoint,
    environment,
)
from tests.export.serving.grpc_client import Kinds, request
from tfgan_models.networks import ResNetGenerator, UNetGenerator


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        command(*arguments),
        cwd=REPOSITORY,
        env={**environment(), **variables},
        capture_output=True,
        text=True,
        timeout=120,
    )


def ask(served: Endpoint, message: predict_pb2.PredictRequest) -> dict[str, Any]:
    """What gRPC answers, as JSON would have it."""
    with grpc.insecure_channel(served.grpc_address) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        outputs = stub.Predict(message, timeout=60).outputs
    return {name: tf.make_ndarray(proto).tolist() for name, proto in outputs.items()}


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory, model_base: Path
) -> Iterator[Endpoint]:
    base = tmp_path_factory.mktemp("served")
    for name in ("half", "mixed", "models.config"):
        (base / name).symlink_to(model_base / name)
    kinds = Kinds()
    tf.saved_model.save(kinds, str(base / "kinds" / "1"), {"spin": kinds.spin})
    resnet = ResNetGenerator(filters=2, residual_blocks=1)
    unet = UNetGenerator(downsamplings=2, filters=2)
    write_saved_model(resnet, base / "resnet" / "1")
    write_saved_model(unet, base / "unet" / "1")
    limits = ("--max_body_mb=1", "--max_pixels=100000")
    with endpoint(f"--model_base={base}", *limits) as served:
        yield served


def test_it_listens_on_this_machine_only(served: Endpoint) -> None:
    assert served.line.startswith(
        "Serving half version 12, kinds version 1, mixed version 1, resnet version 1, "
        "unet version 1 at http://127.0.0.1:"
    )
    assert served.line.endswith("/v1/models/NAME:predict")
    assert served.grpc_address.startswith("127.0.0.1:")


def test_both_apis_answer_the_same(served: Endpoint) -> None:
    values = np.random.default_rng(0).normal(size=[5, 1]).astype(np.float32)
    asked = {"instances": values.tolist()}
    answer = httpx.post(f"{served.address}/v1/models/half:predict", json=asked)
    by_grpc = ask(served, request("half", {"x": values}))
    # REST writes as many digits as tell each float32.
    rest = np.float32(answer.json()["predictions"])
    np.testing.assert_array_equal(rest, np.float32(by_grpc["y"]))
    inputs = {"text": ["a", "bc"], "times": [1, 2]}
    answer = httpx.post(
        f"{served.address}/v1/models/mixed:predict", json={"inputs": inputs}
    )
    arrays = {"text": np.array([b"a", b"bc"], object), "times": np.int32([1, 2])}
    by_grpc = ask(served, request("mixed", arrays, outputs=("text", "twice")))
    outputs = answer.json()["outputs"]
    assert [text.encode() for text in outputs["text"]] == by_grpc["text"]
    assert outputs["twice"] == by_grpc["twice"] == [2, 4]


def test_both_apis_refuse_large_bodies(served: Endpoint) -> None:
    text = "a" * 2**20
    address = f"{served.address}/v1/models/mixed:predict"
    body = {"signature_name": "scalar", "inputs": text}
    assert httpx.post(address, json=body).status_code == 413
    with pytest.raises(grpc.RpcError) as caught:
        ask(served, request("mixed", {"text": text.encode()}, signature="scalar"))
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    body["inputs"] = "a"
    assert httpx.post(address, json=body).status_code == 200


def test_both_apis_refuse_large_images(served: Endpoint) -> None:
    file = tf.io.encode_png(tf.zeros([300, 400, 3], tf.uint8)).numpy()
    body = {
        "signature_name": "encoded",
        "instances": [{"b64": base64.b64encode(file).decode()}],
    }
    answer = httpx.post(f"{served.address}/v1/models/unet:predict", json=body)
    told = "An image of 400 x 300 pixels is larger than 100000 pixels"
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(told)
    assert "--max_pixels" in answer.json()["error"]
    image = np.zeros([1, 257, 400, 1], np.float32)
    with pytest.raises(grpc.RpcError, match="An image of 400 x 257 pixels") as caught:
        ask(served, request("unet", {"image": image}))
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_metrics_count_both_apis(served: Endpoint) -> None:
    def count() -> float:
        page = httpx.get(f"{served.address}/monitoring/prometheus/metrics")
        assert page.headers["content-type"].startswith("text/plain; version=0.0.4")
        line = ':tensorflow:serving:request_count{model_name="half",status="OK"} '
        found = [text for text in page.text.splitlines() if text.startswith(line)]
        return float(found[0].removeprefix(line)) if found else 0.0

    before = count()
    asked = {"instances": [[1.0]]}
    httpx.post(f"{served.address}/v1/models/half:predict", json=asked)
    ask(served, request("half", {"x": np.float32([[1.0]])}))
    assert count() == before + 2


def test_each_request_is_one_line_without_what_it_carried(served: Endpoint) -> None:
    before = len(served.entries())
    secret = "aSecretText"
    body = {"inputs": {"text": [secret], "times": [1]}}
    answer = httpx.post(f"{served.address}/v1/models/mixed:predict", json=body)
    ask(served, request("mixed", {"text": secret.encode()}, signature="scalar"))
    entries = served.entries()[before:]
    assert [entry["event"] for entry in entries] == ["request", "request"]
    rest, by_grpc = entries
    assert (rest["protocol"], rest["method"], rest["status"]) == ("REST", "POST", 200)
    assert rest["target"] == "/v1/models/mixed:predict"
    assert rest["bytes_in"] == len(answer.request.content)
    assert rest["bytes_out"] == len(answer.content)
    assert (by_grpc["protocol"], by_grpc["method"]) == ("gRPC", "Predict")
    assert (by_grpc["target"], by_grpc["status"]) == ("mixed", "OK")
    assert secret not in served.log.read_text()


def test_what_the_jpeg_library_writes_is_json_too(served: Endpoint) -> None:
    cut_off = base64.b64encode(b"\xff\xd8\xff").decode()
    body = {"signature_name": "encoded", "instances": [{"b64": cut_off}]}
    answer = httpx.post(f"{served.address}/v1/models/unet:predict", json=body)
    assert answer.status_code == 400
    until = time.monotonic() + 20
    while not (found := [e for e in served.entries() if e.get("logger") == "native"]):
        assert time.monotonic() < until
        time.sleep(0.05)
    assert {(e["level"], e["message"]) for e in found} == {
        ("warning", "Improper call to JPEG library in state 201")
    }


def test_a_request_stops_neither_api(served: Endpoint) -> None:
    host, port = served.grpc_address.split(":")
    for text in (b"GET / HTTP/1.1\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" * 50):
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(text)
    with grpc.insecure_channel(served.grpc_address) as channel:
        predict = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        with pytest.raises(grpc.RpcError) as caught:
            predict(b"\xff no message", timeout=30)
        assert caught.value.code() == grpc.StatusCode.INTERNAL
        health = health_pb2_grpc.HealthStub(channel)
        status = health.Check(health_pb2.HealthCheckRequest(), timeout=30).status
    assert status == health_pb2.HealthCheckResponse.SERVING
    assert httpx.get(f"{served.address}/v1/models/half").status_code == 200
    assert all(entry["event"] for entry in served.entries())


@pytest.mark.parametrize("name", ["resnet", "unet"])
def test_wrong_ranks_are_refused_and_the_server_lives(
    served: Endpoint, name: str
) -> None:
    pixel = [0.0, 0.0, 0.0]
    url = f"{served.address}/v1/models/{name}:predict"
    for inputs in (0.0, pixel, [pixel], [[pixel]], [[[[pixel]]]], [[[[0.0]]]]):
        response = httpx.post(url, json={"inputs": inputs}, timeout=60)
        assert response.status_code == 400
        assert "Shape of tensor image" in response.json()["error"]
        with pytest.raises(grpc.RpcError, match="Shape of tensor image") as caught:
            ask(served, request(name, {"image": np.float32(inputs)}))
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    encoded = {"signature_name": "encoded", "inputs": [["a"]]}
    response = httpx.post(url, json=encoded, timeout=60)
    assert "Shape of tensor image_bytes" in response.json()["error"]
    answer = httpx.post(url, json={"instances": [[[pixel]]]}, timeout=60)
    assert answer.status_code == 200
    assert len(answer.json()["predictions"][0][0][0]) == 3
    assert served.process.poll() is None


def test_a_taken_port(served: Endpoint, model_base: Path) -> None:
    rest, by_grpc = (a.split(":")[-1] for a in (served.address, served.grpc_address))
    for flag, port in (("rest_port", rest), ("grpc_port", by_grpc)):
        ports = {"rest_port": "0", "grpc_port": "0", flag: port}
        flags = [f"--{name}={value}" for name, value in ports.items()]
        finished = run(f"--model_base={model_base}", *flags)
        assert finished.returncode == 1
        assert finished.stdout == ""
        assert finished.stderr == (
            f"serve.py: Cannot listen on 127.0.0.1:{port}: Address already in use. "
            f"Choose another port with --{flag} (0: any free one).\n"
        )


def damage(model: Path) -> Path:
    model.mkdir(parents=True)
    (model / "saved_model.pb").write_bytes(b"no model")
    return model


def test_a_damaged_model_leaves_the_others(tmp_path: Path, model_base: Path) -> None:
    (tmp_path / "only").symlink_to(model_base / "half")
    damaged = damage(tmp_path / "broken" / "1")
    flags = (f"--model_base={tmp_path}", "--host=localhost", "--request_log=false")
    with endpoint(*flags) as served:
        assert served.line.startswith("Serving only version 12 at http://")
        assert served.line.endswith("/v1/models/only:predict")
        assert httpx.get(f"{served.address}/v1/models/only").status_code == 200
        assert ask(served, request("only", {"x": np.float32([[1.0]])}))["y"] == [[2.5]]
        served.process.send_signal(signal.SIGINT)
        output, _ = served.process.communicate(timeout=40)
        assert served.process.returncode == 0
        assert output == ""
        # Only what went wrong is logged.
        (entry,) = served.entries()
        assert (entry["event"], entry["level"]) == ("model_load_failed", "error")
        assert f"Could not load {damaged}" in entry["error"]


def test_nothing_but_a_damaged_version(tmp_path: Path, model_base: Path) -> None:
    damaged = damage(tmp_path / "m" / "2")
    (tmp_path / "m" / "1").symlink_to(model_base / "half" / "1")
    finished = run(f"--model_base={tmp_path}", "--rest_port=0", "--grpc_port=0")
    assert finished.returncode == 1
    assert finished.stdout == ""
    *log, message = finished.stderr.splitlines()
    assert message.startswith(f"serve.py: Could not load {damaged}")
    assert "Version 1 exists too, but" in message
    assert [json.loads(line)["event"] for line in log][-1] == "model_load_failed"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "--model_base is required"),
        (("--model_base=/does/not/exist",), "model_base=/does/not/exist is not a"),
        (("--model_base=.", "--rest_port=x"), "--rest_port=x"),
        (("--model_base=.", "--rest_port=9", "--grpc_port=9"), "must differ"),
        (
            ("--model_base=.", "--cors_origins=x.org"),
            "--cors_origins=x.org is not an origin",
        ),
        (("--model_base=.",), "has no <name>/<version>/saved_model.pb"),
    ],
)
def test_usage_errors(arguments: tuple[str, ...], text: str) -> None:
    finished = run(*arguments)
    assert finished.returncode == 2
    assert finished.stdout == ""
    assert finished.stderr.count("\n") == 1
    assert text in finished.stderr


@pytest.mark.parametrize("package", ["grpc", "prometheus_client"])
def test_a_missing_package(tmp_path: Path, package: str) -> None:
    (tmp_path / f"{package}.py").write_text(
        f"raise ModuleNotFoundError('No module named {package}', name='{package}')"
    )
    finished = run("--model_base=.", PYTHONPATH=str(tmp_path))
    assert finished.returncode == 1
    assert finished.stderr == (
        f"serve.py: The endpoint needs the package {package}: "
        "pip install -e '.[export]'\n"
    )


def test_a_signal_lets_what_runs_finish(served: Endpoint) -> None:
    """The last one: it ends the process of the others."""
    before = len(served.entries())
    body = {"signature_name": "spin", "inputs": 2.0}
    address = f"{served.address}/v1/models/kinds:predict"
    message = request("kinds", {"seconds": np.float64(2.0)}, signature="spin")
    with ThreadPoolExecutor() as pool:
        rest = pool.submit(httpx.post, address, json=body, timeout=60)
        by_grpc = pool.submit(ask, served, message)
        time.sleep(0.7)
        served.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert not rest.done()
        with pytest.raises(httpx.ConnectError):
            httpx.post(address, json=body)
        with pytest.raises(grpc.RpcError) as caught:
            ask(served, message)
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
        assert rest.result().status_code == 200
        assert by_grpc.result()["turns"] > 0
    output, _ = served.process.communicate(timeout=40)
    assert served.process.returncode == 0
    assert output == ""
    events = [entry["event"] for entry in served.entries()[before:]]
    assert events == ["stopping", "request", "request"]

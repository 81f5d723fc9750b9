"""The endpoint's HTTP answers: models, metadata, metrics, logs."""

import base64
import gzip
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from export.serving import answers, http_body, rest
from export.signatures import image_endpoints
from tests.export.serving.fuzz_images import PNG
from tests.export.serving.http import Client, serve

PREDICT = "/v1/models/half:predict"
BODY = '{"instances": [1.0]}'


@pytest.fixture(scope="module")
def client(model_base: Path) -> Iterator[Client]:
    with serve(model_base) as served:
        yield served


def test_versions_and_labels(client: Client) -> None:
    body = '{"inputs": [3.0, 4.0]}'
    for which in ("", "/versions/12", "/labels/stable"):
        answer = client.post(f"/v1/models/half{which}:predict", body)
        assert answer.json() == {"outputs": [3.5, 4.0]}
    for which in ("/versions/1", "/labels/old"):
        answer = client.post(f"/v1/models/half{which}:predict", body)
        assert answer.json() == {"outputs": [2.5, 3.0]}
    assert client.post("/V1/Models/half:PREDICT", body).status_code == 200
    shown = client.get("/v1/models/half").json()["model_version_status"]
    assert [status["version"] for status in shown] == ["12", "1"]


def test_several_inputs_and_outputs(client: Client) -> None:
    columns = '{"inputs": {"text": ["a", {"b64": "/w=="}], "times": [1, 2]}}'
    columnar = client.post("/v1/models/mixed:predict", columns)
    assert b'"\xff"' in columnar.content
    rows = '{"instances": [{"text": "a", "times": 1}, {"text": "b", "times": 2}]}'
    assert client.post("/v1/models/mixed:predict", rows).json() == {
        "predictions": [
            {"joined_bytes": {"b64": "YWE="}, "text": "a", "twice": 2},
            {"joined_bytes": {"b64": "YmI="}, "text": "b", "twice": 4},
        ]
    }
    scalar = '{"signature_name": "scalar", "inputs": {"b64": "YQAA"}}'
    answer = client.post("/v1/models/mixed:predict", scalar)
    assert answer.json() == {"outputs": {"b64": "YQAA"}}


@pytest.mark.parametrize(
    ("inputs", "text"),
    [
        ("[1]", "Failed to write JSON value for tensor type: complex64"),
        ("[[1]]", "Shape of tensor x [1,1] is not compatible with expected shape [?]."),
    ],
)
def test_what_the_model_refuses(client: Client, inputs: str, text: str) -> None:
    body = f'{{"signature_name": "narrow", "inputs": {inputs}}}'
    answer = client.post(PREDICT, body)
    assert answer.status_code == 400
    assert text in answer.json()["error"]


@pytest.fixture(scope="module")
def file_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A model of image files, which it returns."""
    base = tmp_path_factory.mktemp("files")
    module = tf.Module()
    module.encoded = image_endpoints.files(tf.identity, 3, "same_bytes")
    signatures = {"encoded": module.encoded}
    tf.saved_model.save(module, str(base / "same" / "1"), signatures)
    with serve(base, cors_origins=["https://pages.example"]) as served:
        yield served


@pytest.mark.parametrize(
    ("files", "text"),
    [
        ([b"junk"], "Unknown image file format. One of PNG, "),
        ([PNG, b"junk"], "image_bytes[1]: Unknown image file format. One of PNG, "),
        ([PNG, PNG, b"", b"junk"], "image_bytes[2]: "),
        ([PNG[:-20], PNG], "image_bytes[0]: "),
    ],
)
def test_the_file_that_is_refused_is_named(
    file_client: Client, files: list[bytes], text: str
) -> None:
    instances = [{"b64": base64.b64encode(file).decode()} for file in files]
    body = json.dumps({"signature_name": "encoded", "instances": instances})
    answer = file_client.post("/v1/models/same:predict", body)
    assert answer.status_code == 400
    told = answer.json()["error"]
    assert told.startswith(text)
    assert not any(sign in told for sign in ("assertion", "{{", "]]", "\n"))
    assert told.count("[") == text.count("[")


def test_web_pages_of_other_origins(client: Client, file_client: Client) -> None:
    asked = {"origin": "https://pages.example"}
    preflight = asked | {
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type",
    }
    path = "/v1/models/same:predict"
    allowed = file_client.request("OPTIONS", path, headers=preflight)
    assert allowed.status_code == 200
    assert "content-type" in allowed.headers["access-control-allow-headers"]
    for body, status in (("{}", 400), ("[", 400)):
        answer = file_client.post(path, body, headers=asked)
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == asked["origin"]
    other = file_client.post(path, "{}", headers={"origin": "https://evil.example"})
    assert "access-control-allow-origin" not in other.headers
    off = client.post(PREDICT, BODY, headers=asked)
    assert off.status_code == 200
    assert "access-control-allow-origin" not in off.headers


def test_metadata_of_a_version_whose_folder_is_gone(
    model_base: Path, tmp_path: Path
) -> None:
    shutil.copytree(model_base / "half" / "1", tmp_path / "half" / "1")
    with serve(tmp_path) as client:
        shutil.rmtree(tmp_path / "half")
        response = client.get("/v1/models/half/metadata")
    assert response.status_code == 200
    assert response.json()["model_spec"]["version"] == "1"


def test_metadata(client: Client) -> None:
    response = client.get("/v1/models/half/labels/old/metadata")
    metadata = response.json()
    spec = {"name": "half", "signature_name": "", "version": "1"}
    assert metadata["model_spec"] == spec
    signatures = metadata["metadata"]["signature_def"]["signature_def"]
    assert set(signatures) == {"serving_default", "narrow", "__saved_model_init_op"}
    x = signatures["serving_default"]["inputs"]["x"]
    assert x["dtype"] == "DT_FLOAT"
    assert x["tensor_shape"] == {
        "dim": [{"size": "-1", "name": ""}, {"size": "1", "name": ""}],
        "unknown_rank": False,
    }
    assert response.text.startswith('{\n"model_spec":{\n "name": "half",\n')
    assert ',\n"metadata": {"signature_def": {\n "signature_def": {' in response.text
    assert response.text.endswith("}\n}\n}\n")


def test_no_cross_origin_headers(client: Client) -> None:
    answer = client.post(PREDICT, BODY, headers={"origin": "http://elsewhere"})
    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_gzip(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = {"content-encoding": "gzip"}
    zipped = gzip.compress(BODY.encode())
    answer = client.post(PREDICT, zipped, headers=headers)
    assert answer.json() == {"predictions": [2.5]}
    assert "content-encoding" not in answer.headers
    monkeypatch.setattr(http_body, "_MAX_INFLATED", len(BODY))
    assert client.post(PREDICT, zipped, headers=headers).status_code == 200
    larger = gzip.compress(BODY.encode() + b" ")
    for bad in (b"no gzip", zipped[:-9], larger):
        refused = client.post(PREDICT, bad, headers=headers)
        assert refused.json() == {"error": "JSON Parse error: The document is empty"}
        assert refused.status_code == 400


def test_bodies_are_read_and_written_in_worker_threads(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, str] = {}

    def noted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            seen[function.__name__] = threading.current_thread().name
            return function(*args)

        return call

    monkeypatch.setattr(http_body, "inflate", noted(http_body.inflate))
    monkeypatch.setattr(rest, "parse_body", noted(rest.parse_body))
    monkeypatch.setattr(rest, "decode_inputs", noted(rest.decode_inputs))
    monkeypatch.setattr(answers, "encode_outputs", noted(answers.encode_outputs))
    zipped = gzip.compress(BODY.encode())
    answer = client.post(PREDICT, zipped, headers={"content-encoding": "gzip"})
    assert answer.status_code == 200
    assert len(seen) == 4
    assert all(name.startswith("rest_") for name in seen.values())


def test_a_fault_of_ours_is_500_and_no_more(
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def broken(outputs: Any, row: bool) -> Any:
        raise ZeroDivisionError("secret")

    with monkeypatch.context() as patched:
        patched.setattr(answers, "encode_outputs", broken)
        answer = client.post(PREDICT, BODY)
    assert answer.status_code == 500
    assert answer.json() == {"error": "The request failed: see the log."}
    assert "secret" in capsys.readouterr().err
    assert client.post(PREDICT, BODY).status_code == 200


def test_every_request_is_counted_and_logged(
    client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    count = ':tensorflow:serving:request_count{model_name="%s",status="%s"}'

    def counted(model: str, status: str) -> float:
        lines = client.get("/monitoring/prometheus/metrics").text.splitlines()
        wanted = count % (model, status)
        return sum(float(x.split()[-1]) for x in lines if x.startswith(wanted))

    before = [
        counted("half", "OK"),
        counted("half", "INVALID_ARGUMENT"),
        counted("", "NOT_FOUND"),
    ]
    capsys.readouterr()
    client.post(PREDICT, BODY)
    client.post(PREDICT, '{"instances": ["s3cret"]}')
    client.post("/v1/models/nobody:predict", BODY)
    client.get("/v1/foo")
    written = capsys.readouterr().err
    after = [
        counted("half", "OK"),
        counted("half", "INVALID_ARGUMENT"),
        counted("", "NOT_FOUND"),
    ]
    assert [b - a for a, b in zip(before, after, strict=True)] == [1, 1, 1]
    lines = [json.loads(line) for line in written.splitlines()]
    shown = [(x["method"], x["target"], x["status"]) for x in lines]
    assert shown == [
        ("POST", PREDICT, 200),
        ("POST", PREDICT, 400),
        ("POST", "/v1/models/nobody:predict", 404),
        ("GET", "/v1/foo", 400),
    ]
    assert lines[0]["bytes_in"] == len(BODY)
    assert "s3cret" not in written


def test_metrics_page(client: Client) -> None:
    answer = client.get("/monitoring/prometheus/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert ":tensorflow:serving:request_latency" in answer.text


def test_base64_of_a_large_string(client: Client) -> None:
    text = bytes(range(256)) * 200
    body = {"inputs": {"b64": base64.b64encode(text).decode()}}
    answer = client.post(
        "/v1/models/mixed:predict", json.dumps({"signature_name": "scalar", **body})
    )
    assert base64.b64decode(answer.json()["outputs"]["b64"]) == text


def test_error_texts_are_bounded_and_utf8(client: Client) -> None:
    name = b"\xff" + b"n" * 50_000
    body = b'{"instances": [{"' + name + b'": 1}]}'
    answer = client.post(PREDICT, body)
    assert answer.status_code == 400
    message = json.loads(answer.content.decode("utf-8"))["error"]
    assert (
        "does not have named input: \ufffdnnn" in message or "key: \ufffdn" in message
    )
    assert len(message) == 4003

"""The endpoint's HTTP answers, without a socket."""

import asyncio
import gzip
import json
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from export.serving.endpoint import Target, build_app, parse_target
from export.serving.models import ModelFolder, Signature
from export.serving.status import ServingError
from tfgan_models.errors import UsageError

BY_NAME = '{"inputs": {"text": ["a", {"b64": "/w=="}], "times": [1, 2]}}'


class Client:
    def __init__(self, folder: ModelFolder) -> None:
        self.app = build_app(folder)

    def request(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport) as client:
                return await client.request(method, f"http://test{path}", **kwargs)

        return asyncio.run(send())

    def get(self, path: str) -> httpx.Response:
        return self.request("GET", path)

    def post(self, path: str, body: str | bytes, **kwargs: Any) -> httpx.Response:
        return self.request("POST", path, content=body, **kwargs)


@pytest.fixture(scope="module")
def client(model_base: Path) -> Client:
    return Client(ModelFolder(model_base))


def test_row_request_whose_shape_is_not_the_signatures(client: Client) -> None:
    response = client.post(
        "/v1/models/half:predict", '{"instances": [[1.0, 2.0], [3.0, 4.0]]}'
    )
    assert response.status_code == 200
    assert response.json() == {"predictions": [[2.5, 3.0], [3.5, 4.0]]}
    assert response.headers["content-type"] == "application/json"


def test_versions(client: Client) -> None:
    body = '{"signature_name": "serving_default", "inputs": [3.0, 4.0]}'
    newest = client.post("/v1/models/half/versions/12:predict", body)
    assert newest.json() == {"outputs": [3.5, 4.0]}
    assert client.post("/V1/models/half:PREDICT", body).json() == newest.json()
    older = client.post("/v1/models/half/versions/1:predict", body)
    assert older.json() == {"outputs": [2.5, 3.0]}


def test_several_inputs_and_outputs(client: Client) -> None:
    columnar = client.post("/v1/models/mixed:predict", BY_NAME)
    assert b'"text": ["a", "\xff"]' in columnar.content
    rows = '{"instances": [{"text": "a", "times": 1}, {"text": "b", "times": 2}]}'
    assert client.post("/v1/models/mixed:predict", rows).json() == {
        "predictions": [
            {"joined_bytes": {"b64": "YWE="}, "text": "a", "twice": 2},
            {"joined_bytes": {"b64": "YmI="}, "text": "b", "twice": 4},
        ]
    }


def test_scalar_string(client: Client) -> None:
    body = '{"signature_name": "scalar", "inputs": {"b64": "YQAA"}}'
    response = client.post("/v1/models/mixed:predict", body)
    assert response.json() == {"outputs": {"b64": "YQAA"}}


@pytest.mark.parametrize(
    ("path", "body", "status", "text"),
    [
        ("half:predict", "", 400, "JSON Parse error: The document is empty"),
        ("foo:predict", "not json", 400, "JSON Parse error"),
        ("foo:predict", "{}", 404, "Servable not found for request: Latest(foo)"),
        (
            "half/versions/7:predict",
            "{}",
            404,
            "Servable not found for request: Specific(half, 7)",
        ),
        ("half/labels/x:predict", '{"instances": ["x"]}', 400, "version label: x"),
        ("foo:predict", '{"signature_name": 1}', 400, "must be a string"),
        (
            "half:predict",
            '{"signature_name": "nope", "instances": ["x"]}',
            400,
            'Serving signature name: "nope" not found in signature def',
        ),
        ("half:predict", "{}", 400, "Missing 'inputs' or 'instances' key"),
        ("half:predict", '{"instances": ["x"]}', 400, "not of expected type: float"),
        (
            "half:predict",
            '{"signature_name": "narrow", "inputs": [1]}',
            400,
            "Failed to write JSON value for tensor type: complex64",
        ),
        (
            "half:predict",
            '{"signature_name": "narrow", "inputs": [[1]]}',
            400,
            "Shape of tensor x [1,1] is not compatible with expected shape [?].",
        ),
        ("half:classify", "{}", 501, "classify is not offered"),
        (
            "half/metadata",
            "{}",
            400,
            "Malformed request: POST /v1/models/half/metadata",
        ),
    ],
)
def test_errors(client: Client, path: str, body: str, status: int, text: str) -> None:
    response = client.post(f"/v1/models/{path}", body)
    assert response.status_code == status
    assert list(response.json()) == ["error"]
    assert text in response.json()["error"]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/foo",
        "/v1/models/foo:predict",
        "/v1/models/half/version/50",
        "/v1/models/half/versions/HELLO",
        "/v1/models/half/versions/50/labels/x",
    ],
)
def test_malformed_paths(client: Client, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 400
    assert response.json() == {"error": f"Malformed request: GET {path}"}


def test_other_paths_and_verbs(client: Client) -> None:
    assert client.get("/index.html").status_code == 404
    assert "json" not in client.get("/index.html").headers["content-type"]
    assert client.get("/v1/models").json() == {
        "error": "Missing model name in request."
    }
    deleted = client.request("DELETE", "/v1/models/half")
    assert deleted.json() == {"error": "Malformed request: DELETE /v1/models/half"}


def test_paths_are_decoded_after_they_are_split() -> None:
    target = parse_target("GET", "/v1/models/a%2Fb%3A/labels/latest%21/metadata")
    assert target == Target("metadata", "a/b:", None, "latest!")
    assert parse_target("POST", "/v1/models/m/versions/3:predict").version == 3
    with pytest.raises(ServingError, match="Malformed request"):
        parse_target("POST", "/v1/models/a/b:predict")


def test_status(client: Client) -> None:
    ok = {"error_code": "OK", "error_message": ""}
    twelve = {"version": "12", "state": "AVAILABLE", "status": ok}
    one = {**twelve, "version": "1"}
    assert client.get("/v1/models/half").json() == {
        "model_version_status": [twelve, one]
    }
    assert client.get("/v1/models/half/versions/12").json() == {
        "model_version_status": [twelve]
    }
    for path in ("foo", "half/versions/99"):
        missing = client.get(f"/v1/models/{path}")
        assert missing.status_code == 404
        assert "Could not find any versions of model" in missing.json()["error"]


def test_metadata(client: Client) -> None:
    metadata = client.get("/v1/models/half/metadata").json()
    assert metadata["model_spec"] == {
        "name": "half",
        "signature_name": "",
        "version": "12",
    }
    signatures = metadata["metadata"]["signature_def"]["signature_def"]
    assert set(signatures) == {"serving_default", "narrow", "__saved_model_init_op"}
    x = signatures["serving_default"]["inputs"]["x"]
    assert x["dtype"] == "DT_FLOAT"
    assert x["tensor_shape"] == {
        "dim": [{"size": "-1", "name": ""}, {"size": "1", "name": ""}],
        "unknown_rank": False,
    }


def test_gzip(client: Client) -> None:
    headers = {"content-encoding": "gzip"}
    path, body = "/v1/models/half:predict", b'{"instances": [1.0]}'
    zipped = client.post(path, gzip.compress(body), headers=headers)
    assert zipped.json() == {"predictions": [2.5]}
    for bad in (body, gzip.compress(body)[:-9]):
        refused = client.post(path, bad, headers=headers)
        assert "The document is empty" in refused.json()["error"]


def test_a_damaged_model(tmp_path: Path) -> None:
    damaged = tmp_path / "m" / "1" / "saved_model.pb"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"no model")
    response = Client(ModelFolder(tmp_path)).post("/v1/models/m:predict", "{}")
    assert response.status_code == 500
    assert f"Could not load {damaged.parent}" in response.json()["error"]


def test_requests_at_once(client: Client) -> None:
    transport = httpx.ASGITransport(client.app)

    async def send() -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=transport) as http:
            url = "http://test/v1/models/half:predict"
            return await asyncio.gather(
                *(http.post(url, content=json.dumps({"inputs": i})) for i in range(20))
            )

    answers = [response.json()["outputs"] for response in asyncio.run(send())]
    assert answers == [0.5 * i + 2 for i in range(20)]


def test_a_model_that_runs_does_not_hold_up_other_requests(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, may_finish = threading.Event(), threading.Event()
    run = Signature.run

    def slow_run(self: Signature, inputs: Any) -> Any:
        running.set()
        assert may_finish.wait(30)
        return run(self, inputs)

    monkeypatch.setattr(Signature, "run", slow_run)

    async def send() -> tuple[bool, httpx.Response]:
        transport = httpx.ASGITransport(client.app)
        async with httpx.AsyncClient(transport=transport) as http:
            url = "http://test/v1/models/half"
            predict = http.post(f"{url}:predict", content='{"inputs": 1}')
            predicting = asyncio.create_task(predict)
            while not running.is_set():
                await asyncio.sleep(0.01)
            status = await http.get(url)
            answered_meanwhile = status.status_code == 200 and not predicting.done()
            may_finish.set()
            return answered_meanwhile, await predicting

    answered_meanwhile, prediction = asyncio.run(send())
    assert answered_meanwhile
    assert prediction.json() == {"outputs": 2.5}


def test_folders_without_a_model(tmp_path: Path, model_base: Path) -> None:
    with pytest.raises(UsageError, match="is not a folder"):
        ModelFolder(tmp_path / "missing")
    with pytest.raises(UsageError, match="holds no <name>/<version>"):
        ModelFolder(tmp_path)
    with pytest.raises(UsageError, match=f"Give its parent: {model_base}"):
        ModelFolder(model_base / "half")

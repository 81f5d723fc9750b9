"""How the studio talks to its endpoint, and starts one."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from export.page.endpoint import (
    Endpoint,
    Unserved,
    names_in,
    own_endpoint,
    ready_url,
)
from tfgan_models.errors import FailureError, UsageError

SIGNATURES = {"generate": {"inputs": {}, "outputs": {}}}
ANSWERS = {
    "GET /v1/models/a%20b/metadata": (
        200,
        {
            "model_spec": {"name": "a b", "version": "7"},
            "metadata": {"signature_def": {"signature_def": SIGNATURES}},
        },
    ),
    "GET /v1/models/gone/metadata": (404, {"error": "Servable not found"}),
    "POST /v1/models/a%20b:predict": (200, {"outputs": [1]}),
    "POST /v1/models/gone:predict": (404, {"error": "Servable not found"}),
    "POST /v1/models/proxy:predict": (502, "<h1>Bad Gateway</h1>"),
    "POST /v1/models/web:predict": (200, "<h1>Hello</h1>"),
    "POST /v1/models/list:predict": (200, ["no object"]),
}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status, content = ANSWERS[f"{self.command} {self.path}"]
        self.rfile.read(int(self.headers.get("content-length", 0)))
        body = (content if isinstance(content, str) else json.dumps(content)).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_what_models_offer_is_asked_each_time(url: str) -> None:
    names = ["a b"]
    endpoint = Endpoint(url, lambda: names)
    (offer,) = endpoint.offers()
    assert (offer.name, offer.version, offer.signatures) == ("a b", "7", ("generate",))
    names.append("gone")
    assert endpoint.offers() == [
        offer,
        Unserved("gone", "The endpoint responded with 404: Servable not found"),
    ]


def test_answers_and_refusals(url: str) -> None:
    endpoint = Endpoint(url, list)
    assert endpoint.predict("a b", {}) == {"outputs": [1]}
    with pytest.raises(UsageError, match="responded with 404: Servable not found"):
        endpoint.predict("gone", {})
    with pytest.raises(UsageError, match="responded with 502: Bad Gateway"):
        endpoint.predict("proxy", {})
    for name in ("web", "list"):
        with pytest.raises(FailureError, match="does not speak TensorFlow Serving's"):
            endpoint.predict(name, {})


def test_an_endpoint_that_is_not_there() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        port = server.server_port
    with pytest.raises(FailureError, match=r"does not respond \(ConnectionError\)"):
        Endpoint(f"http://127.0.0.1:{port}", lambda: ["a b"]).offers()


def test_names_are_those_of_the_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no <name>/<version>"):
        names_in(tmp_path)
    for model in ("b/2", "a/1", "empty"):
        (tmp_path / model).mkdir(parents=True)
    for model in ("b/2", "a/1"):
        (tmp_path / model / "saved_model.pb").write_bytes(b"")
    assert names_in(tmp_path) == ["a", "b"]
    with pytest.raises(UsageError, match="is not a folder"):
        names_in(tmp_path / "none")


def test_an_endpoint_that_is_loading_says_so() -> None:
    endpoint = Endpoint("", lambda: ["a", "b"])
    assert endpoint.waiting() == "Loading 2 models, 0 s"
    endpoint.url = "http://127.0.0.1:8501"
    assert endpoint.waiting() == ""


def test_an_endpoint_that_does_not_start_says_why(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with own_endpoint(tmp_path / "none") as process:
        assert ready_url(process) == ""
        assert process.wait() == 2
    assert "is not a folder" in capfd.readouterr().err

"""What the REST endpoint withstands: sizes, delays, crowds and no HTTP at all."""

import asyncio
import gzip
import http.client
import itertools
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from export.serving import logs
from export.serving.limits import Admission, Limits
from export.serving.models import Signature
from export.serving.status import ServingError
from tests.export.serving.http import Client, serve

PREDICT = "/v1/models/half:predict"
BODY = '{"instances": [1.0]}'
LIMITS = Limits(max_body_bytes=100_000, timeout_s=20, max_in_flight=3)


@pytest.fixture(scope="module")
def client(model_base: Path) -> Iterator[Client]:
    with serve(model_base, LIMITS) as served:
        yield served


@pytest.fixture(scope="module")
def address(client: Client) -> Iterator[tuple[str, int]]:
    """The same application behind a socket."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(client.app, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield listener.getsockname()
    server.should_exit = True
    thread.join()


@contextmanager
def held_runs(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Semaphore]:
    """Models do not finish before the block is left; each start is counted."""
    started, may_finish = threading.Semaphore(0), threading.Event()
    run = Signature.run

    def slow_run(self: Signature, inputs: Any) -> Any:
        started.release()
        assert may_finish.wait(30)
        return run(self, inputs)

    with monkeypatch.context() as patched:
        patched.setattr(Signature, "run", slow_run)
        try:
            yield started
        finally:
            may_finish.set()


def wait_until_idle(client: Client) -> None:
    """Until no thread works for a request that was given up."""
    for _ in range(100):
        if client.post(PREDICT, BODY).status_code == 200:
            return
        time.sleep(0.1)
    pytest.fail("The endpoint is still busy.")


def raw(address: tuple[str, int], request: bytes) -> int | None:
    """Sends bytes; the status that is answered, None where the server hangs up."""
    with socket.create_connection(address, timeout=20) as connection:
        try:
            connection.sendall(request)
            answer = http.client.HTTPResponse(connection)
            answer.begin()
        except ConnectionError:
            return None
        return answer.status


def test_bombs(client: Client) -> None:
    bomb = gzip.compress(b" " * (9 * LIMITS.max_body_bytes))
    refused = client.post(PREDICT, bomb, headers={"content-encoding": "gzip"})
    assert refused.status_code == 413
    assert "larger than 800000 bytes" in refused.json()["error"]


def test_a_body_may_be_as_large_as_the_limit(address: tuple[str, int]) -> None:
    url = f"http://127.0.0.1:{address[1]}{PREDICT}"
    body = BODY.ljust(LIMITS.max_body_bytes).encode()
    assert httpx.post(url, content=body).status_code == 200
    metrics = f"http://127.0.0.1:{address[1]}/monitoring/prometheus/metrics"
    for content in (body + b" ", 50 * body):
        # With its length, and in chunks without.
        for sent in (content, iter([content[:-1], content[-1:]])):
            answer = httpx.post(url, content=sent)
            assert answer.status_code == 413
            assert "larger than 100000 bytes" in answer.json()["error"]
    counted = 'request_count{model_name="half",status="INVALID_ARGUMENT"} '
    count = httpx.get(metrics).text.split(counted)[1].split()[0]
    assert float(count) >= 4
    # A path that is none is refused with its body unread.
    answer = httpx.post(url + "s", content=50 * body)
    assert answer.status_code == 400
    assert "Malformed request: POST" in answer.json()["error"]


@pytest.mark.parametrize("expect", [b"", b"Expect: 100-continue\r\n"])
def test_large_bodies_are_refused_before_they_arrive(
    address: tuple[str, int], expect: bytes
) -> None:
    head = f"POST {PREDICT} HTTP/1.1\r\nHost: x\r\nContent-Length: 1{'0' * 12}\r\n"
    assert raw(address, head.encode() + expect + b"\r\n") == 413


@pytest.mark.parametrize(
    "request_",
    [
        b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: ten\r\n\r\n",
        b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST %b HTTP/1.1\r\nHost: x\r\n"
        b"Content-Length: 9\r\nContent-Length: 8\r\n\r\n",
        b"POST %b HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 200_000 + b"\r\n\r\n",
        b"POST %b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /v1/models/" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/models/\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/models/%%FF%%FE HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/models/%%zz:% HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/models/a%%00b HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_requests_that_are_no_http(
    client: Client, address: tuple[str, int], request_: bytes
) -> None:
    request_ = request_.replace(b"%b", PREDICT.encode()).replace(b"%%", b"%")
    status = raw(address, request_)
    # The server may hang up on headers that it does not want to read.
    assert status in (400, 404) or (status is None and len(request_) > 65536)
    assert client.post(PREDICT, BODY).status_code == 200


def test_clients_that_go_away(
    client: Client, address: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    head = f"POST {PREDICT} HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n".encode()
    seen: list[int] = []
    monkeypatch.setattr(logs, "request", lambda *args: seen.append(args[3]))
    with held_runs(monkeypatch) as started:
        for part in (head, head + BODY[:9].encode(), head + BODY.encode()):
            with socket.create_connection(address, timeout=20) as connection:
                connection.sendall(part)
                if part.endswith(b"}"):
                    assert started.acquire(timeout=20)
        for _ in range(200):
            if len(seen) == 3:
                break
            time.sleep(0.05)
    assert seen == [499, 499, 499]
    wait_until_idle(client)


def test_slow_bodies(model_base: Path) -> None:
    async def dripping() -> Any:
        yield b"{"
        await asyncio.sleep(30)

    with serve(model_base, Limits(timeout_s=0.2)) as slow:
        answer = slow.request("POST", PREDICT, content=dripping())
        assert answer.status_code == 408
        assert "did not arrive in time" in answer.json()["error"]


def test_deadline(model_base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        serve(model_base, Limits(timeout_s=0.3, max_in_flight=2)) as client,
        held_runs(monkeypatch),
    ):
        began = time.monotonic()
        answer = client.post(PREDICT, BODY)
        assert answer.status_code == 504
        assert list(answer.json()) == ["error"]
        assert time.monotonic() - began < 5


def test_too_many_requests(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    wait_until_idle(client)
    bodies = [json.dumps({"inputs": [i]}) for i in range(6)]
    with ThreadPoolExecutor(6) as pool:
        with held_runs(monkeypatch):
            sent = [pool.submit(client.post, PREDICT, body) for body in bodies]
            refused = list(itertools.islice(as_completed(sent, timeout=15), 3))
            # Health checks are answered all the same.
            assert client.get("/v1/models/half").status_code == 200
            assert client.get("/v1/models/half/metadata").status_code == 200
        for i, future in enumerate(sent):
            answer = future.result()
            if future in refused:
                assert answer.status_code == 503
                assert "3 requests are in flight" in answer.json()["error"]
            else:
                assert answer.json() == {"outputs": [0.5 * i + 2]}
    assert client.post(PREDICT, BODY).status_code == 200


def test_admission_counts_bytes() -> None:
    admission = Admission(Limits(max_body_bytes=10, max_in_flight=2))
    first, second = admission.enter(), admission.enter()
    with pytest.raises(ServingError, match="2 requests are"):
        admission.enter()
    first.hold(70)
    with pytest.raises(ServingError, match="80 bytes"):
        second.hold(11)
    first.close()
    first.close()
    second.hold(80)
    second.close()
    admission.enter().hold(80)


def test_requests_at_once(client: Client, address: tuple[str, int]) -> None:
    wait_until_idle(client)
    url = f"http://127.0.0.1:{address[1]}{PREDICT}"

    def ask(i: int) -> tuple[int, Any]:
        answer = httpx.post(url, content=json.dumps({"inputs": i}), timeout=30)
        return answer.status_code, answer.json()

    with ThreadPoolExecutor(3) as pool:
        received = list(pool.map(ask, range(20)))
    assert received == [(200, {"outputs": 0.5 * i + 2}) for i in range(20)]

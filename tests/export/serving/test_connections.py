"""Connections on which nothing happens are closed, and no others."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from export.serving import connections

IDLE = 0.6


async def slow(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers after more than the time that a connection may be idle."""
    await asyncio.sleep(3 * IDLE)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"late"})


@contextlib.contextmanager
def serving() -> Iterator[tuple[uvicorn.Server, tuple[str, int]]]:
    config = uvicorn.Config(
        slow, http=connections.Connection, lifespan="off", log_config=None, ws="none"
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        yield server, listener.getsockname()
        server.should_exit = True
        thread.join()


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int]]:
    monkeypatch.setattr(connections, "_IDLE_SECONDS", IDLE)
    with serving() as (_, address):
        yield address


@pytest.mark.parametrize("first", [b"", b"GET / HTTP/1.1\r\nHost: x\r\nA: "])
def test_a_head_that_never_ends(address: tuple[str, int], first: bytes) -> None:
    with socket.create_connection(address, timeout=20) as connection:
        connection.sendall(first)
        start = time.monotonic()
        with pytest.raises(ConnectionError):
            while time.monotonic() - start < 20:
                connection.sendall(b"a")
                time.sleep(IDLE / 10)
        assert time.monotonic() - start > IDLE / 2


def test_a_slow_answer_and_one_after_it(address: tuple[str, int]) -> None:
    with httpx.Client(base_url="http://{}:{}".format(*address)) as client:
        for _ in range(2):
            assert client.get("/", timeout=20).text == "late"


def test_clients_that_keep_connections_are_told_of_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of three: one is being answered, one asks once more, one stays silent."""
    monkeypatch.setattr(connections, "_LAST_REQUEST_SECONDS", 3 * IDLE)
    with serving() as (server, address), contextlib.ExitStack() as stack:
        asking, late, silent = (
            stack.enter_context(httpx.Client(base_url="http://{}:{}".format(*address)))
            for _ in range(3)
        )
        for client in (late, silent):
            assert "connection" not in client.get("/").headers
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(asking.get, "/")
            time.sleep(IDLE)
            server.should_exit = True
            time.sleep(IDLE)
            with pytest.raises(httpx.ConnectError):
                httpx.get("http://{}:{}".format(*address))
            answers = [late.get("/"), running.result()]
        assert [answer.text for answer in answers] == ["late", "late"]
        assert [a.headers["connection"] for a in answers] == ["close", "close"]
        started = time.monotonic()
    assert time.monotonic() - started < 10

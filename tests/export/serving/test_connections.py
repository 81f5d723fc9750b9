"""Connections on which nothing happens are closed, and no others."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator

import httpx
import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from export.serving import connections

IDLE = 0.3


async def slow(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers after more than the time that a connection may be idle."""
    await asyncio.sleep(3 * IDLE)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"late"})


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int]]:
    monkeypatch.setattr(connections, "_IDLE_SECONDS", IDLE)
    config = uvicorn.Config(
        slow, http=connections.Connection, lifespan="off", log_config=None, ws="none"
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        yield listener.getsockname()
        server.should_exit = True
        thread.join()


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

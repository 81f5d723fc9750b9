"""Broken HTTP: half requests, wrong lengths, garbage, wrong methods and paths."""

import gzip
import random
import socket
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache

from tests.export.serving.fuzz import Http

MEBI = 2**20
BODY_MB = 2
"""The limit that the endpoint is started with (--max_body_mb)."""
GOOD_BODY = b'{"instances": [1.0, 2.0]}'
PREDICT = "/v1/models/half:predict"
METHODS = (
    *("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "CONNECT"),
    *("PROPFIND", "get", "x", "M-SEARCH"),
)
PARTS = (
    *("", "/", "v1", "V1", "v2", "models", "half", "photo", "nobody", "versions"),
    *("labels", "stable", "1", "12", "-1", "1.5", "99999999999999999999", "9" * 5000),
    *("metadata", ":predict", ":classify", ":regress", ":explain", ":", "::", "half:"),
    *("..", ".", "%2e%2e%2f", "%2F", "%", "%2", "%zz", "%00", "%ff%fe", "%c0%af"),
    *("%E2%98%83", "%0d%0aX:%20y", "?", "?a=b&c=%", "#", "*", "a" * 2000, "$(id)"),
    *("openapi.json", "monitoring", "metrics", "\\", "{}", "<script>", "'--", "~root"),
)
REQUEST_LINES = (
    *(b"", b"\r\n", b"GET", b"GET /", b"GET / HTTP/0.9", b"GET / HTTP/3.0", b" GET / "),
    *(b"GET / HTTP/1.1 x", b"GET  /  HTTP/1.1", b"POST " + PREDICT.encode(), b"\0\0\0"),
    *(b"PRI * HTTP/2.0", b"OPTIONS * HTTP/1.1", b"GET http://[::1/v1 HTTP/1.1"),
    *(b"CONNECT a:1 HTTP/1.1", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"{}"),
    *(b"GET /\xff\xfe HTTP/1.1", b"GET /v1/models/half\0 HTTP/1.1", b"G\rT / HTTP/1.1"),
)
HEADERS = (
    *(b"Content-Length: -1", b"Content-Length: x", b"Content-Length: 5, 6"),
    *(b"Content-Length: 99999999999999999999999", b"Content-Length: 0x10"),
    *(b"Content-Length: 3\r\nContent-Length: 4", b"Transfer-Encoding: gzip, chunked"),
    *(b"Content-Length: 5\r\nTransfer-Encoding: chunked", b"no colon here", b": empty"),
    *(b"A: \0", b"A\0: b", b"A: " + b"x" * 70_000, b"Host: a\r\nHost: b", b"H ost: x"),
    *(b"\xff\xfe: \xff", b"Expect: 200-nothing", b" folded: first", b"Upgrade: h2c"),
    *(b"Connection: Upgrade\r\nUpgrade: websocket", b"Content-Type: \xff"),
)


def request(
    target: str, body: bytes = b"", method: str = "POST", headers: bytes = b""
) -> bytes:
    """Returns a request as it goes through the wire.

    Args:
        target: Path and query, as they are.
        body: Its length is told rightly.
        method: As it is.
        headers: Further ones, without the last line's end.
    """
    first = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    length = f"Content-Length: {len(body)}\r\n".encode()
    extra = headers + b"\r\n" if headers else b""
    return first.encode("latin-1") + length + extra + b"\r\n" + body


def wrong_path(rng: random.Random) -> Http:
    """A method and a path put together at random."""
    parts = rng.choices(PARTS, k=rng.randint(1, 6))
    if rng.random() < 0.7:
        parts = ["v1", "models", *parts]
    target = "/" + rng.choice(("/", "/", "/", "", "//")).join(parts)
    method = rng.choice(METHODS) if rng.random() < 0.5 else rng.choice(("GET", "POST"))
    method = method if method != "CONNECT" else "TRACE"  # That is about no path.
    payload = request(target.replace(" ", ""), GOOD_BODY, method)
    return Http("path", payload, harmless=True, json=False)


def wrong_request_line(rng: random.Random) -> Http:
    """No HTTP, or hardly."""
    line = rng.choice(REQUEST_LINES)
    if rng.random() < 0.3:
        line = rng.randbytes(rng.randint(1, 200))
    ends = (b"\r\n\r\n", b"\r\nHost: x\r\nConnection: close\r\n\r\n")
    payload = line + rng.choice(ends)
    return Http("line", payload, json=False, closes=True, then="end")


def wrong_header(rng: random.Random) -> Http:
    """A good request but for a header."""
    headers = [rng.choice(HEADERS), b"Connection: close"]
    if rng.random() < 0.3:
        headers.append(f"Content-Length: {len(GOOD_BODY)}".encode())
    if rng.random() < 0.8:
        headers.append(b"Host: x")
    rng.shuffle(headers)
    first = f"POST {PREDICT} HTTP/1.1".encode()
    payload = b"\r\n".join((first, *headers)) + b"\r\n\r\n" + GOOD_BODY
    return Http("header", payload, True, json=False, closes=True, then="end")


def half_request(rng: random.Random) -> Http:
    """A request whose sender stops midway: by ending, or by leaving."""
    payload = request(PREDICT, GOOD_BODY)
    cut = payload[: rng.randrange(1, len(payload))]
    then = rng.choice(("end", "leave"))
    return Http("half", cut, json=False, closes=True, then=then)


def wrong_length(rng: random.Random) -> Http:
    """A body that is not as long as was said, or chunks that are none."""
    if rng.random() < 0.5:
        said = len(GOOD_BODY) + rng.choice((-20, -5, -1, 1, 7, 1000, 10**6))
        lines = f"Content-Length: {said}\r\n\r\n".encode() + GOOD_BODY
    else:
        chunks = (b"zz\r\nab\r\n", b"-5\r\n", b"ffffffffffffffffff\r\na", b"5\r\nab")
        chunk = rng.choice((*chunks, b"1;" + b"x" * 70_000, b"3\r\n{}}\r\n0\r\nA\r\n"))
        lines = b"Transfer-Encoding: chunked\r\n\r\n" + chunk
    first = f"POST {PREDICT} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n".encode()
    return Http("length", first + lines, json=False, closes=True, then="end")


def too_large(rng: random.Random) -> Http:
    """More than the endpoint was told to take, or the claim of it."""
    first = f"POST {PREDICT} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n".encode()
    kind = rng.randrange(3)
    if kind == 0:
        claim = b"Content-Length: %d\r\n\r\n" % rng.choice((2**31, 2**40, 2**62))
        return Http("large", first + claim + b"[1", json=False, closes=True, then="end")
    spaces = b" " * (BODY_MB * MEBI + rng.randint(1, 2000))
    if kind == 1:
        payload = request(PREDICT, spaces + GOOD_BODY)
    else:
        chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(spaces), spaces)
        payload = first + b"Transfer-Encoding: chunked\r\n\r\n" + chunks
    return Http("large", payload, json=False, closes=True)


def wrong_gzip(rng: random.Random) -> Http:
    """Bodies that are called gzip: bombs, halves, others."""
    good = gzip.compress(GOOD_BODY)
    kind = rng.randrange(6)
    if kind == 0:
        body = bomb(rng.choice((1, 3, 300)))
    elif kind == 1:
        body = good[: rng.randrange(len(good))]
    elif kind == 2:
        body = gzip.compress(good)
    elif kind == 3:
        body = rng.choice((b"", GOOD_BODY, zlib.compress(GOOD_BODY), b"\x1f\x8b\x08"))
    elif kind == 4:
        body = bytes(good[:10]) + rng.randbytes(50)
    else:
        body = good[:-8] + rng.randbytes(8)
    header = b"Content-Encoding: gzip"
    return Http("gzip", request(PREDICT, body, headers=header), closes=kind == 0)


@lru_cache
def bomb(mebibytes: int) -> bytes:
    """Spaces, without end for who inflates them, as gzip."""
    packer = zlib.compressobj(9, wbits=31)
    spaces = b" " * MEBI
    return (
        b"".join([packer.compress(spaces) for _ in range(mebibytes)]) + packer.flush()
    )


@contextmanager
def slow_loris(address: tuple[str, int], connections: int) -> Iterator[None]:
    """Holds connections open whose requests come byte by byte and never end."""
    held = [socket.create_connection(address) for _ in range(connections)]
    for connection in held:
        connection.sendall(f"POST {PREDICT} HTTP/1.1\r\nA: ".encode())
    stop = threading.Event()

    def drip() -> None:
        while not stop.wait(0.2):
            for connection in held:
                # Cut off: as it should be, sooner or later.
                with suppress(OSError):
                    connection.sendall(b"a")

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        for connection in held:
            connection.close()

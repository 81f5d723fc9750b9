"""Reads HTTP request bodies from ASGI, never more than is allowed."""

import asyncio
import time
import zlib
from collections.abc import Callable, Mapping

from starlette.types import Receive

from export.serving.limits import HttpError
from export.serving.status import Code, invalid

_MAX_INFLATED = 100 * 1024 * 1024
# How much of a refused body is still read, so that its sender reads the response.
_DISCARDED_BYTES = 2**28
_DISCARDED_SECONDS = 5.0


async def read_body(
    headers: Mapping[str, str],
    receive: Receive,
    limit: int,
    deadline: float,
    hold: Callable[[int], None],
) -> bytes:
    """Reads the body of a request.

    Args:
        headers: Of the request.
        receive: ASGI's.
        limit: Maximum bytes.
        deadline: By `time.monotonic()`.
        hold: Called with the size of each part before the next one is read.

    Raises:
        ServingError: The body is too large or too slow, its length is not a number,
            `hold` refused a part, or the client disconnected.
    """
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()):
        raise invalid(f"Content-Length must be a number. Received: {length!r}")
    if len(length) > 19 or int(length) > limit:
        raise too_large(limit)
    parts: list[bytes] = []
    size = 0
    more = True
    while more:
        part, more = await _receive_part(receive, deadline)
        size += len(part)
        if size > limit:
            raise too_large(limit)
        hold(len(part))
        parts.append(part)
    return b"".join(parts)


async def discard_body(receive: Receive) -> None:
    """Reads and discards the rest of a body, within bounds of size and time."""
    deadline = time.monotonic() + _DISCARDED_SECONDS
    left = _DISCARDED_BYTES
    more = True
    try:
        while more and left > 0:
            part, more = await _receive_part(receive, deadline)
            left -= len(part)
    except HttpError:
        return


def inflate(body: bytes, limit: int) -> bytes:
    """Decompresses gzip; invalid gzip, or more than 100 MiB, counts as an empty body.

    Args:
        body: As it was sent.
        limit: Maximum decompressed bytes.

    Raises:
        HttpError: It is larger than `limit`, which is less than 100 MiB.
    """
    inflater = zlib.decompressobj(wbits=31)
    allowed = min(limit, _MAX_INFLATED)
    try:
        inflated = inflater.decompress(body, allowed)
        # The end of a body of exactly that size may not have been read.
        more = inflater.decompress(inflater.unconsumed_tail, 1)
    except zlib.error:
        return b""
    if more and allowed < _MAX_INFLATED:
        raise too_large(limit)
    return inflated if inflater.eof and not more else b""


async def wait_for_disconnect(receive: Receive) -> None:
    """Returns when the client has disconnected; the body must have been read."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _receive_part(receive: Receive, deadline: float) -> tuple[bytes, bool]:
    try:
        async with asyncio.timeout(max(deadline - time.monotonic(), 0)):
            message = await receive()
    except TimeoutError:
        raise HttpError(
            408, Code.DEADLINE_EXCEEDED, "The request did not arrive in time."
        ) from None
    if message["type"] == "http.disconnect":
        raise HttpError(499, Code.CANCELLED, "The client disconnected.")
    return message.get("body", b""), message.get("more_body", False)


def too_large(limit: int) -> HttpError:
    """Returns the error for a body of more than `limit` bytes."""
    return HttpError(
        413,
        Code.INVALID_ARGUMENT,
        f"The body is larger than {limit} bytes. Send fewer or smaller examples: "
        "encoded images instead of arrays of numbers.",
    )

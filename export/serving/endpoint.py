"""The HTTP side of the local serving endpoint: requests, responses, status codes."""

import asyncio
import functools
import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from export.serving import http_body, logs
from export.serving.answers import Answers
from export.serving.limits import Admission, HttpError, Limits, Ticket
from export.serving.metrics import CONTENT_TYPE, Metrics
from export.serving.openapi import openapi
from export.serving.predictor import Predictor
from export.serving.rest_target import Target, parse_target
from export.serving.rest_writer import encode_error
from export.serving.status import HTTP_STATUS, Code, ServingError
from export.serving.versions import VersionManager

_JSON = "application/json"
_METRICS_PATH = "/monitoring/prometheus/metrics"
_OPENAPI_PATH = "/openapi.json"
_NOT_FOUND = (
    "<html><head><title>404 Not Found</title></head><body>Not Found</body></html>"
)
# Requests wait in these threads for their batch.
_PREDICT_THREADS = 64
_OTHER_THREADS = 4
_METHODS = {
    "predict": "Predict",
    "classify": "Classify",
    "regress": "Regress",
    "status": "GetModelStatus",
    "metadata": "GetModelMetadata",
}


def build_app(
    predictor: Predictor,
    manager: VersionManager,
    metrics: Metrics,
    limits: Limits | None = None,
    cors_origins: Sequence[str] = (),
) -> ASGIApp:
    """Returns the ASGI application of the REST API.

    Bodies are parsed, models run and responses written in worker threads.

    Args:
        predictor: Runs the models.
        manager: Has the models.
        metrics: Counts every request; shown at /monitoring/prometheus/metrics.
        limits: None: the default ones.
        cors_origins: Origins of web pages that may send requests; "*": all.
    """
    endpoint = _Endpoint(predictor, manager, metrics, limits or Limits())
    if not cors_origins:
        return endpoint
    return CORSMiddleware(
        endpoint,
        allow_origins=cors_origins,
        allow_methods=("GET", "POST"),
        allow_headers=("*",),
    )


@dataclass
class _Exchange:
    """A request and what is known about it when it is answered.

    Args:
        method: "GET", "POST", ...
        path: As it was sent, with the query.
        headers: Of the request.
        started: By `time.monotonic()`.
        deadline: By `time.monotonic()`.
    """

    method: str
    path: str
    headers: Headers
    started: float
    deadline: float
    target: Target | None = None
    status: str = "OK"
    bytes_in: int = 0
    body_read: bool = False


class _Endpoint:
    """Answers requests.

    Args:
        predictor: Runs the models.
        manager: Has the models.
        metrics: Counts every request.
        limits: The limits of requests.
    """

    def __init__(
        self,
        predictor: Predictor,
        manager: VersionManager,
        metrics: Metrics,
        limits: Limits,
    ) -> None:
        self._answers = Answers(predictor, manager)
        self._manager = manager
        self._metrics = metrics
        self._limits = limits
        self._admission = Admission(limits)
        threads = min(limits.max_in_flight, _PREDICT_THREADS)
        self._predicting = ThreadPoolExecutor(threads, "rest")
        # Health checks are answered while all other threads are busy.
        self._telling = ThreadPoolExecutor(_OTHER_THREADS, "rest-status")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request; the ASGI application."""
        started = time.monotonic()
        exchange = _Exchange(
            scope["method"],
            _path(scope),
            Headers(scope=scope),
            started,
            started + self._limits.timeout_s,
        )
        refused = False
        try:
            response = await self._respond(exchange, receive)
        except ServingError as error:
            exchange.status = error.code.name
            response = _error_response(error)
            refused = exchange.method == "POST" and not exchange.body_read
            refused = refused and response.status_code not in (408, 499)
        except Exception as error:
            exchange.status = Code.INTERNAL.name
            logs.log("request_failed", "error", path=exchange.path, error=repr(error))
            response = _error_response(
                ServingError(Code.INTERNAL, "The request failed: see the log.")
            )
        self._report(exchange, response)
        if refused:
            await _send_and_discard(response, receive, send)
        else:
            await response(scope, receive, send)

    def _report(self, exchange: _Exchange, response: Response) -> None:
        seconds = time.monotonic() - exchange.started
        if exchange.target is not None:
            self._metrics.request_finished(
                exchange.target.name,
                "REST",
                _METHODS[exchange.target.action],
                exchange.status,
                seconds,
            )
        logs.request(
            "REST",
            exchange.method,
            exchange.path,
            response.status_code,
            seconds,
            exchange.bytes_in,
            len(response.body),
        )

    async def _respond(self, exchange: _Exchange, receive: Receive) -> Response:
        path = exchange.path.partition("?")[0]
        if path == _METRICS_PATH:
            return Response(
                self._metrics.text(), headers={"content-type": CONTENT_TYPE}
            )
        if path == _OPENAPI_PATH:
            return Response(await self._tell(exchange, self._openapi), media_type=_JSON)
        if not path.lower().startswith("/v1/"):
            exchange.status = Code.NOT_FOUND.name
            return Response(_NOT_FOUND, 404, media_type="text/html")
        if exchange.method == "POST":
            return await self._respond_to_post(exchange, receive)
        target = exchange.target = parse_target(exchange.method, exchange.path)
        text = await self._tell(exchange, lambda: self._answers.describe(target))
        return Response(text, media_type=_JSON)

    async def _respond_to_post(self, exchange: _Exchange, receive: Receive) -> Response:
        target = exchange.target = parse_target(exchange.method, exchange.path)
        ticket = self._admission.enter()
        try:
            body = await http_body.read_body(
                exchange.headers,
                receive,
                self._limits.max_body_bytes,
                exchange.deadline,
                ticket.hold,
            )
        except BaseException:
            ticket.close()
            raise
        exchange.body_read = True
        exchange.bytes_in = len(body)
        zipped = "gzip" in exchange.headers.get("content-encoding", "")

        def inflated() -> bytes:
            if not zipped:
                return body
            whole = http_body.inflate(body, self._limits.max_bytes_held)
            ticket.hold(len(whole))
            return whole

        answer = functools.partial(
            self._answers.infer, target, inflated, exchange.deadline
        )
        text = await self._run(exchange, answer, ticket, receive)
        return Response(text, media_type=_JSON)

    async def _run(
        self,
        exchange: _Exchange,
        answer: Callable[[], bytes],
        ticket: Ticket,
        receive: Receive,
    ) -> bytes:
        """Runs `answer` in a worker thread while the client waits, in time."""
        work = asyncio.get_running_loop().run_in_executor(self._predicting, answer)
        # A request abandoned by its client may still run: it counts until it ends.
        work.add_done_callback(lambda done: _end(done, ticket))
        gone = asyncio.ensure_future(http_body.wait_for_disconnect(receive))
        try:
            waited: set[asyncio.Future[Any]] = {work, gone}
            await asyncio.wait(
                waited,
                timeout=exchange.deadline - time.monotonic(),
                return_when=asyncio.FIRST_COMPLETED,
            )
            if work.done():
                return work.result()
            work.cancel()
            if gone.done():
                raise HttpError(499, Code.CANCELLED, "The client disconnected.")
            raise ServingError(
                Code.DEADLINE_EXCEEDED,
                f"The request took longer than {self._limits.timeout_s:g} seconds.",
            )
        finally:
            gone.cancel()

    async def _tell(self, exchange: _Exchange, answer: Callable[[], bytes]) -> bytes:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(exchange.deadline - time.monotonic()):
                return await loop.run_in_executor(self._telling, answer)
        except TimeoutError:
            raise ServingError(
                Code.DEADLINE_EXCEEDED, "The request took too long."
            ) from None

    def _openapi(self) -> bytes:
        return json.dumps(openapi(self._manager), indent=1).encode()


def _end(work: asyncio.Future[bytes], ticket: Ticket) -> None:
    ticket.close()
    if not work.cancelled():
        # Nobody may be left to see its exception.
        work.exception()


async def _send_and_discard(response: Response, receive: Receive, send: Send) -> None:
    """Responds at once; reads on, so that the client sees the response."""
    head = {"status": response.status_code, "headers": response.raw_headers}
    await send({"type": "http.response.start", **head})
    body = {"type": "http.response.body", "body": response.body}
    await send({**body, "more_body": True})
    await http_body.discard_body(receive)
    await send({**body, "body": b"", "more_body": False})


def _path(scope: Scope) -> str:
    """Path and query as they were sent: TensorFlow Serving treats them as one."""
    path = scope["raw_path"].decode("latin-1")
    query = scope["query_string"].decode("latin-1")
    return f"{path}?{query}" if query else path


def _error_response(error: ServingError) -> Response:
    if isinstance(error, HttpError):
        status, unread = error.http_status, True
    else:
        status = HTTP_STATUS[error.code]
        unread = status == 503
    response = Response(encode_error(error.message), status, media_type=_JSON)
    if unread:
        # There may be more of the body than was read.
        response.headers["connection"] = "close"
    return response

"""The REST endpoint without a socket."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from starlette.types import ASGIApp

from export.serving.batching import Batcher
from export.serving.endpoint import build_app
from export.serving.limits import Limits
from export.serving.metrics import Metrics
from export.serving.predictor import Predictor
from export.serving.versions import VersionManager


class Client:
    """Sends requests to an application, each in an event loop of its own."""

    def __init__(self, app: ASGIApp, manager: VersionManager) -> None:
        self.app = app
        self.manager = manager

    def request(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, timeout=60) as client:
                return await client.request(method, f"http://test{path}", **kwargs)

        return asyncio.run(send())

    def get(self, path: str) -> httpx.Response:
        return self.request("GET", path)

    def post(self, path: str, body: str | bytes, **kwargs: Any) -> httpx.Response:
        return self.request("POST", path, content=body, **kwargs)


@contextmanager
def serve(
    model_base: Path, limits: Limits | None = None, cors_origins: Sequence[str] = ()
) -> Iterator[Client]:
    """Loads the models of a folder and yields a client of their endpoint."""
    metrics = Metrics()
    batcher = Batcher(256, 2)
    with VersionManager(model_base, 60, metrics) as manager:
        predictor = Predictor(manager, batcher)
        app = build_app(predictor, manager, metrics, limits, cors_origins)
        try:
            yield Client(app, manager)
        finally:
            batcher.close()

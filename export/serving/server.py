"""Runs the endpoint's application until a signal stops it."""

import asyncio
import signal
import socket
from types import FrameType

import uvicorn
from starlette.applications import Starlette

# Long enough for an image to be translated before a stop.
_GRACE_SECONDS = 30


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready_line: str) -> None:
        super().__init__(config)
        self._ready_line = ready_line

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            print(self._ready_line, flush=True)

    def stop(self, number: int, frame: FrameType | None) -> None:
        self.should_exit = True


def serve_until_stopped(
    app: Starlette, listener: socket.socket, ready_line: str
) -> None:
    """Serves `app` until SIGTERM or Ctrl-C; requests that run are finished.

    Args:
        app: The application.
        listener: Where it listens.
        ready_line: Printed when requests are answered.
    """
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    server = _Server(config, ready_line)
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn stops on these and then raises them once more, for us.
        signal.signal(number, server.stop)
    asyncio.run(server.serve(sockets=[listener]))

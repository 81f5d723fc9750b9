"""Runs the endpoint's two servers until a signal stops them."""

import asyncio
import socket

import uvicorn
from starlette.types import ASGIApp

from export.serving import logs
from export.serving.connections import Connection
from export.serving.grpc_server import GrpcServer
from export.serving.uvicorn_server import Server

# Long enough for an image to be translated before a stop.
_GRACE_SECONDS = 30


class _Server(Server):
    """The REST server; the gRPC server runs next to it and stops with it."""

    def __init__(
        self, config: uvicorn.Config, grpc_server: GrpcServer, ready: str
    ) -> None:
        super().__init__(config, ready)
        self._grpc_server = grpc_server
        self.finished = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        logs.log("stopping")
        stopping = asyncio.create_task(
            asyncio.to_thread(self._grpc_server.stop, _GRACE_SECONDS)
        )
        # uvicorn forgets the tasks that it cancels.
        await super().shutdown(sockets)
        self.finished = await stopping and not self.server_state.tasks


def serve_until_stopped(
    app: ASGIApp, listener: socket.socket, grpc_server: GrpcServer, ready: str
) -> bool:
    """Serves until SIGTERM or Ctrl-C; running requests get 30 s to finish.

    Args:
        app: The application of the REST API.
        listener: Where it listens.
        grpc_server: Started already.
        ready: Printed when it is ready.

    Returns:
        Whether all requests were finished.
    """
    config = uvicorn.Config(
        app,
        http=Connection,
        ws="none",
        log_config=None,
        log_level="warning",
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    server = _Server(config, grpc_server, ready)
    server.run_until_stopped(listener)
    return server.finished

"""An ASGI server that says when it is ready and stops on a signal."""

import asyncio
import signal
import socket
from types import FrameType

import uvicorn


class Server(uvicorn.Server):
    """Uvicorn's server, with a line on stdout when it is ready.

    Args:
        config: Uvicorn's.
        ready: The line.
    """

    def __init__(self, config: uvicorn.Config, ready: str) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts, and prints the line."""
        await super().startup(sockets)
        if self.started:
            print(self._ready, flush=True)

    def run_until_stopped(self, listener: socket.socket) -> None:
        """Serves until SIGTERM or Ctrl-C."""
        for number in (signal.SIGTERM, signal.SIGINT):
            # uvicorn stops on these and then raises them again, for us.
            signal.signal(number, self._stop)
        asyncio.run(self.serve(sockets=[listener]))

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.should_exit = True

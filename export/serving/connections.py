"""The connections of the REST server: HTTP/1.1, with a timeout for requests."""

import asyncio

from uvicorn.protocols.http.flow_control import CLOSE_HEADER
from uvicorn.protocols.http.h11_impl import H11Protocol

_IDLE_SECONDS = 30.0
# A request sent before its client knew of the stop arrives within this time.
_LAST_REQUEST_SECONDS = 1.0


class Connection(H11Protocol):
    """A connection that is closed if no request begins and none is being answered.

    uvicorn waits forever for the end of a request's head: a client that opens as many
    connections as the process may have, and sends each a byte now and then, would lock
    out everybody else. The endpoint limits how long a body may take.
    """

    def connection_made(  # type: ignore[override]
        self, transport: asyncio.Transport
    ) -> None:
        """Starts the timeout."""
        super().connection_made(transport)
        self._watch()

    def shutdown(self) -> None:
        """Closes after the next response, which says so; without a request, soon.

        Closed immediately, it would reset a request that is on its way.
        """
        headers = self.server_state.default_headers
        if CLOSE_HEADER not in headers:
            headers.append(CLOSE_HEADER)
        if self.cycle is None or self.cycle.response_complete:
            self.loop.call_later(_LAST_REQUEST_SECONDS, self._end)
            return
        self.cycle.default_headers = headers
        super().shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops the timeout."""
        self._watching.cancel()
        super().connection_lost(exc)

    def _watch(self) -> None:
        self._seen = self.cycle
        self._watching = self.loop.call_later(_IDLE_SECONDS, self._close_if_idle)

    def _close_if_idle(self) -> None:
        answered = self.cycle is None or self.cycle.response_complete
        if answered and self.cycle is self._seen:
            self.transport.close()
        else:
            self._watch()

    def _end(self) -> None:
        if not self.transport.is_closing():
            super().shutdown()

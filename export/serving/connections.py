"""The connections of the REST server: HTTP/1.1, and no endless wait for a request."""

import asyncio

from uvicorn.protocols.http.flow_control import CLOSE_HEADER
from uvicorn.protocols.http.h11_impl import H11Protocol

_IDLE_SECONDS = 30.0
# A request that was sent before its client knew arrives within this time.
_LAST_REQUEST_SECONDS = 1.0


class Connection(H11Protocol):
    """A connection that is closed when no request begins and none is answered.

    uvicorn waits for ever for the end of a request's head: whoever opened as many
    connections as the process may have, and sent them a letter now and then, would
    shut out everybody else. How long a body may take is the endpoint's to say.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Begins to watch the connection."""
        super().connection_made(transport)
        self._watch()

    def shutdown(self) -> None:
        """Ends with the next answer, which says so; without a request, a little later.

        Closed at once, it would be reset under a request that is on its way.
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
        """Ends the watch."""
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

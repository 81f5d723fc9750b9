"""The endpoint's limits on concurrent requests."""

import threading
from dataclasses import dataclass

from export.serving.status import Code, ServingError

# Memory for all bodies, in units of the largest one.
_BODIES_HELD = 8


@dataclass(frozen=True)
class Limits:
    """Limits of a request, and of all requests at once.

    Args:
        max_body_bytes: Maximum size of a request's body, as sent.
        timeout_s: Seconds from a request's arrival to its response.
        max_in_flight: Maximum POST requests being read, run or answered.
        max_pixels: Maximum of an image. A CycleGAN of the paper's widths translates one
            of the default size within the default `timeout_s` on two cores.
    """

    max_body_bytes: int = 64 * 2**20
    timeout_s: float = 30.0
    max_in_flight: int = 256
    max_pixels: int = 2**20

    @property
    def max_bytes_held(self) -> int:
        """Decompressed bytes of all bodies in flight together."""
        return _BODIES_HELD * self.max_body_bytes


class HttpError(ServingError):
    """An HTTP error, with a status that no `Code` has.

    Args:
        http_status: Of the response.
        code: The nearest code.
        message: The text that the client receives.
    """

    def __init__(self, http_status: int, code: Code, message: str) -> None:
        super().__init__(code, message)
        self.http_status = http_status


class Admission:
    """Counts the requests in flight and their bytes. Safe to use from any thread.

    Args:
        limits: What is allowed.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._requests = 0
        self._bytes = 0

    def enter(self) -> "Ticket":
        """Admits a request; its ticket must be closed.

        Raises:
            ServingError: There are too many.
        """
        allowed = self._limits.max_in_flight
        with self._lock:
            if self._requests >= allowed:
                raise ServingError(
                    Code.UNAVAILABLE,
                    f"{allowed} requests are in flight, the maximum. Try again later.",
                )
            self._requests += 1
        return Ticket(self)

    def hold(self, size: int) -> None:
        """Counts bytes that are held in memory.

        Args:
            size: Negative when they are released.

        Raises:
            ServingError: There are too many.
        """
        allowed = self._limits.max_bytes_held
        with self._lock:
            if size > 0 and self._bytes + size > allowed:
                raise ServingError(
                    Code.UNAVAILABLE,
                    f"Requests of {allowed} bytes are in flight, the "
                    "maximum. Try again later.",
                )
            self._bytes += size

    def leave(self) -> None:
        """Counts a request that `enter` admitted as answered."""
        with self._lock:
            self._requests -= 1


class Ticket:
    """A request in flight.

    Args:
        admission: What admitted it.
    """

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._held = 0
        self._open = True

    def hold(self, size: int) -> None:
        """Counts bytes of this request.

        Raises:
            ServingError: There are too many, of all requests together.
        """
        self._admission.hold(size)
        self._held += size

    def close(self) -> None:
        """Counts the request as answered; a second call does nothing."""
        if self._open:
            self._open = False
            self._admission.hold(-self._held)
            self._admission.leave()

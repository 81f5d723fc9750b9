"""Retries of what an endpoint could not do at once."""

import random
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

FIRST_PAUSE = 0.5
"""Seconds before the second attempt; each pause is twice the one before."""

LONGEST_PAUSE = 30.0

NO_ANSWER = (
    "does not respond ({}). Start the endpoint: python -m export.serve "
    "--model_base=models"
)
"""The message about an endpoint that is not running."""


class TransientError(Exception):
    """A transient failure."""


class UnreachableError(TransientError):
    """The endpoint does not respond."""


class Retries:
    """Calls again after a `TransientError`, with random exponential backoff.

    Args:
        most: Attempts after the first one.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._stopped = threading.Event()

    def call(self, attempt: Callable[..., T], *arguments: Any) -> T:
        """Returns the result of `attempt`, called until it succeeds."""
        for number in range(self._most):
            try:
                return attempt(*arguments)
            except TransientError:
                if self._stopped.wait(pause(number)):
                    raise
        return attempt(*arguments)

    def stop(self) -> None:
        """Ends all pauses, in any thread: the failure is final."""
        self._stopped.set()


def pause(number: int) -> float:
    """Returns the seconds to wait after attempt `number`, counted from 0.

    Random, so that clients that failed together do not retry together.
    """
    longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0**number)
    return longest * random.uniform(0.5, 1.0)

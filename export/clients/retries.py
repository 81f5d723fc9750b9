"""Trying again what an endpoint could not do at once."""

import random
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

FIRST_PAUSE = 0.5
"""Seconds before the second attempt; each pause is twice the one before."""

LONGEST_PAUSE = 30.0

NO_ANSWER = (
    "does not answer ({}). Start the endpoint: python -m export.serve "
    "--model_base=models"
)
"""What is told of an endpoint that is not there."""


class TransientError(Exception):
    """A failure that may pass by itself, in words."""


class UnreachableError(TransientError):
    """The endpoint does not answer."""


class Retries:
    """Calls again after a `TransientError`, with growing random pauses.

    Args:
        most: Attempts after the first one.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._stopped = threading.Event()

    def call(self, attempt: Callable[[], T]) -> T:
        """Returns what `attempt` does, the last time that it is called."""
        for number in range(self._most):
            try:
                return attempt()
            except TransientError:
                if self._stopped.wait(pause(number)):
                    raise
        return attempt()

    def stop(self) -> None:
        """Ends all pauses, in any thread: what failed has failed."""
        self._stopped.set()


def pause(number: int) -> float:
    """Returns how many seconds to wait after attempt `number`, counted from 0.

    Random, so that clients which failed together do not come back together.
    """
    longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0**number)
    return longest * random.uniform(0.5, 1.0)

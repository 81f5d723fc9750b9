"""Whether an address responds: checked before a download that would otherwise hang."""

import re
import threading

import requests

SECONDS = 6.0
"""Timeout after which the network counts as missing."""


def fault(url: str) -> str | None:
    """Sends an address a HEAD request.

    Args:
        url: An http address.

    Returns:
        Why it does not respond, in a few words, or None.
    """
    faults = [f"no response within {SECONDS:.0f} s"]

    def ask() -> None:
        try:
            requests.head(url, timeout=SECONDS / 2).close()
            faults.clear()
        except requests.exceptions.RequestException as error:
            faults[:] = [reason(error)]

    # A name lookup has no timeout, so it gets its own thread.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(SECONDS)
    return faults[0] if faults else None


def reason(error: Exception) -> str:
    """Returns an exception's message in one short line."""
    text = " ".join(str(error).split())
    resolve = re.search(r"Failed to resolve '[^']*'", text)
    return resolve.group() if resolve else f"{type(error).__name__}: {text}"[:200]

"""Whether an address answers: asked before a download that would hang without it."""

import re
import threading

import requests

SECONDS = 6.0
"""How long an address has to answer before the network counts as missing."""


def fault(url: str) -> str | None:
    """Asks an address for its head.

    Args:
        url: An http address.

    Returns:
        Why it does not answer, in a few words, or None.
    """
    faults = [f"no answer within {SECONDS:.0f} s"]

    def ask() -> None:
        try:
            requests.head(url, timeout=SECONDS / 2).close()
            faults.clear()
        except requests.exceptions.RequestException as error:
            faults[:] = [reason(error)]

    # A name look-up has no time limit of its own, so it gets a thread to hang in.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(SECONDS)
    return faults[0] if faults else None


def reason(error: Exception) -> str:
    """Returns what an exception says, in one short line."""
    text = " ".join(str(error).split())
    resolve = re.search(r"Failed to resolve '[^']*'", text)
    return resolve.group() if resolve else f"{type(error).__name__}: {text}"[:200]

"""The endpoint's log: JSON objects on stderr, one per line."""

import json
import logging
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from datetime import UTC, datetime

# A path may be as long as the client likes.
_LONGEST = 500
# How lines of TensorFlow's C++ code start, from absl's logging and its own.
_NATIVE_LEVEL = re.compile(r"([IWEF])[0-9]{4} |[0-9-]+ [0-9:.]+: ([IWEF]) ")
_LEVELS = {"I": "info", "W": "warning", "E": "error", "F": "error"}
_lock = threading.Lock()
_info_shown = True


class _JsonHandler(logging.Handler):
    """Converts records of Python's logging to such lines."""

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            message = f"{message}: {record.exc_info[1]!r}"
        log("log", record.levelname.lower(), logger=record.name, message=message)


def log(event: str, level: str = "info", **fields: object) -> None:
    """Writes one line.

    Args:
        event: What happened, in one word of snake case: "request", "model_loaded".
        level: "info", "warning" or "error".
        **fields: JSON values; texts are cut to 500 characters.
    """
    if level == "info" and not _info_shown:
        return
    time = datetime.now(UTC).isoformat(timespec="milliseconds")
    entry = {"time": time, "level": level, "event": event, **fields}
    line = json.dumps({key: _shortened(value) for key, value in entry.items()})
    with _lock:
        try:
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()
        except (OSError, ValueError):
            # Nobody reads the log any more; requests are still served.
            return


def request(
    protocol: str,
    method: str,
    target: str,
    status: str | int,
    seconds: float,
    bytes_in: int,
    bytes_out: int,
) -> None:
    """Writes the line of one request, without its contents.

    Args:
        protocol: "REST" or "gRPC".
        method: "GET", "POST"; of gRPC, "Predict" and so on.
        target: The path; of gRPC, the model.
        status: The HTTP status, or the name of the gRPC status.
        seconds: From the request's arrival to its response.
        bytes_in: Size of the request's body.
        bytes_out: Size of the response's body.
    """
    log(
        "request",
        protocol=protocol,
        method=method,
        target=target,
        status=status,
        ms=round(1000 * seconds, 3),
        bytes_in=bytes_in,
        bytes_out=bytes_out,
    )


def show_info(shown: bool) -> None:
    """Says whether lines of level "info" are written; they are at first."""
    global _info_shown
    _info_shown = shown


def take_over_logging() -> None:
    """Turns everything that Python's logging and warnings print into JSON lines."""
    logging.captureWarnings(True)
    logging.root.handlers = [_JsonHandler(logging.WARNING)]


@contextmanager
def stderr_as_json() -> Iterator[None]:
    """Turns what is written to file descriptor 2 outside Python into JSON lines.

    TensorFlow's C++ code writes there and, whatever the log level, the JPEG library on
    damaged files. A separate process reads it: a thread would lose the last lines when
    the process is aborted.
    """
    sys.stderr.flush()
    # Python's own lines go there directly.
    with (
        open(os.dup(2), "w", buffering=1, errors="backslashreplace") as kept,
        redirect_stderr(kept),
    ):
        read, write = os.pipe()
        reader = subprocess.Popen(
            [sys.executable, "-I", __file__, *(["info"] if _info_shown else [])],
            stdin=read,
            stdout=subprocess.DEVNULL,
            # Ctrl-C is for the endpoint, whose last lines are still to come.
            start_new_session=True,
        )
        os.dup2(write, 2)
        os.close(write)
        os.close(read)
        try:
            yield
        finally:
            os.dup2(kept.fileno(), 2)
            reader.wait()


def _read_stderr() -> None:
    for line in sys.stdin.buffer:
        text = line.decode("utf-8", "replace").strip()
        if text:
            found = _NATIVE_LEVEL.match(text)
            level = _LEVELS[found[1] or found[2]] if found else "warning"
            log("log", level, logger="native", message=text)


def _shortened(value: object) -> object:
    if isinstance(value, str) and len(value) > _LONGEST:
        return f"{value[:_LONGEST]}..."
    return value


if __name__ == "__main__":
    show_info("info" in sys.argv)
    _read_stderr()

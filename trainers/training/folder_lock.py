"""One training process at a time in a folder."""

import contextlib
import datetime
import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from tfgan_models.errors import UsageError

_FILE = ".lock"


@contextlib.contextmanager
def held(model_dir: Path) -> Iterator[None]:
    """Holds a folder's lock, which the operating system frees when the process ends.

    `<model_dir>/.lock` says who holds it, or was killed holding it.

    Args:
        model_dir: An existing, writable folder.

    Raises:
        UsageError: Another process holds it, or it cannot be written.
    """
    try:
        file = (model_dir / _FILE).open("a+")
    except OSError as error:
        raise UsageError(
            f"{model_dir / _FILE} cannot be written: {error.strerror}. Give another "
            "--model_dir."
        ) from error
    with file:
        file.seek(0)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(
                f"--model_dir={model_dir} is in use by "
                f"{file.read().strip() or 'another process'}. Stop that run, or "
                "give another --model_dir."
            ) from error
        except OSError as error:
            print(
                f"{model_dir} cannot be locked ({error.strerror}): make sure that no "
                "other run writes there.",
                flush=True,
            )
        left = file.read().strip()
        if left:
            print(f"Taking over {model_dir}, left by {left}", flush=True)
        _write(file.fileno(), _myself())
        try:
            yield
        finally:
            _write(file.fileno(), "")


def is_empty(model_dir: Path) -> bool:
    """Whether a folder holds only its lock."""
    return all(path.name == _FILE for path in model_dir.iterdir())


def _myself() -> str:
    now = datetime.datetime.now().astimezone().isoformat(" ", "seconds")
    return f"process {os.getpid()} on {socket.gethostname()}, started {now}"


def _write(descriptor: int, text: str) -> None:
    # On a full disk the lock still holds.
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{text}\n".encode() if text else b"", 0)

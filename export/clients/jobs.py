"""Image files that are sent and whose results are written, several at a time."""

import functools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

from export.clients import image_files
from export.clients.retries import Retries, TransientError, UnreachableError
from export.signatures.image_signature import Signature
from tfgan_models.errors import FailureError, UsageError
from tfgan_models.folders.decoding import SUFFIXES
from tfgan_models.runs import files

T = TypeVar("T")
U = TypeVar("U")


class ModelClient(Protocol):
    """A served model, over REST or gRPC."""

    def __enter__(self) -> "ModelClient":
        """Returns itself, to be closed in the end."""

    def __exit__(self, *error: object) -> None:
        """Closes the connections."""

    def is_served(self) -> bool:
        """Says whether the endpoint has this model."""

    def describe(self) -> Signature:
        """Requests the names of the signature's input and output."""

    def run(self, picture: bytes) -> bytes:
        """Sends an image file and returns the result."""


class Job(NamedTuple):
    """An image file, and the path of its result."""

    picture: Path
    target: Path


class Outcome(NamedTuple):
    """The outcome of a job; `fault` is None if the result was written."""

    job: Job
    fault: str | None


def find(inputs: Sequence[str], output: str | None, word: str) -> list[Job]:
    """Finds the images to send.

    A file's result is `<output>` if that ends in .png and there is no other input,
    `<output>/<name>.png`, or without an output `<stem>_<word>.png` next to it. A
    folder's results are `<output>/<path inside the folder>.png`, without an output in
    `<folder>_<word>` next to it. .png is appended to the whole name, so that a.jpg and
    a.webp have separate results.

    Args:
        inputs: Files and folders.
        output: A folder or a .png file; None: next to the input.
        word: For example "translated".

    Raises:
        UsageError: There is no such input, no image, or two would have the same result.
    """
    found = [
        job for given in inputs for job in _of_input(given, output, word, len(inputs))
    ]
    if not found:
        raise UsageError(
            f"There is no image ({' '.join(SUFFIXES)}) in {', '.join(inputs)}."
        )
    _check_targets(found)
    return found


def _of_input(given: str, output: str | None, word: str, count: int) -> Iterator[Job]:
    path = Path(given)
    if path.is_dir():
        whole = Path(os.path.abspath(path))
        target = Path(output) if output else whole.with_name(f"{whole.name}_{word}")
        for picture in image_files.walk(path, target, _cannot_list):
            inside = picture.relative_to(path)
            yield Job(picture, target / inside.with_name(f"{inside.name}.png"))
        return
    if not path.is_file():
        raise UsageError(f"{given} is neither a file nor a folder.")
    if output is None:
        yield Job(path, path.with_name(f"{path.stem}_{word}.png"))
    elif count == 1 and Path(output).suffix.lower() in SUFFIXES:
        if not output.lower().endswith(".png"):
            raise UsageError(
                f"--output={output}: the result is a PNG file. Give it a name that "
                "ends in .png"
            )
        yield Job(path, Path(output))
    else:
        yield Job(path, Path(output) / f"{path.name}.png")


def _cannot_list(error: OSError) -> None:
    raise FailureError(f"{error.filename} cannot be listed: {error.strerror}")


def _check_targets(found: Iterable[Job]) -> None:
    takers: dict[str, Path] = {}
    inputs = {os.path.realpath(job.picture) for job in found}
    for picture, target in found:
        place = os.path.realpath(target)
        if place in inputs:
            raise UsageError(
                f"The result of {picture} would replace the image {target}. Give "
                "another --output."
            )
        if place in takers:
            raise UsageError(
                f"{takers[place]} and {picture} would both be written to {target}. "
                "Send them in two commands, each with its own --output, or give the "
                "folder that contains both."
            )
        takers[place] = picture


def run(
    client: ModelClient, found: Iterable[Job], retries: int, parallel: int
) -> Iterator[Outcome]:
    """Sends images and writes their results, each under a temporary name first.

    Only the images in flight are in memory. If an image cannot be translated, its
    outcome has a fault, and the others continue.

    Args:
        client: Used in several threads.
        found: The images.
        retries: Retries of an image after a transient failure.
        parallel: Images in flight.

    Yields:
        The outcomes, in order.

    Raises:
        FailureError: The endpoint no longer responds.
    """
    again = Retries(retries)
    send = functools.partial(_run, client, again)
    try:
        yield from in_flight(send, found, parallel, again)
    except UnreachableError as error:
        raise FailureError(
            f"{error}, and send the rest with --skip_existing"
        ) from error


def _run(client: ModelClient, again: Retries, job: Job) -> Outcome:
    try:
        picture = image_files.prepared(image_files.read_path(job.picture))
        answer = again.call(client.run, picture)
        job.target.parent.mkdir(parents=True, exist_ok=True)
        files.write_bytes(job.target, answer)
    except UnreachableError:
        raise
    except (image_files.ImageError, TransientError) as error:
        return Outcome(job, str(error))
    except OSError as error:
        return Outcome(job, f"Cannot write {job.target}: {error.strerror}")
    return Outcome(job, None)


def in_flight(
    function: Callable[[T], U], items: Iterable[T], parallel: int, again: Retries
) -> Iterator[U]:
    """Calls a function in `parallel` threads.

    Takes no more items than are needed to keep the threads busy.

    Args:
        function: Called with each item.
        items: Its arguments.
        parallel: The number of threads.
        again: The function's retries, abandoned when one call fails for good.

    Yields:
        Its results, in order.
    """
    pending: deque[Future[U]] = deque()
    pool = ThreadPoolExecutor(parallel)
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) == 2 * parallel:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        again.stop()
        pool.shutdown(cancel_futures=True)

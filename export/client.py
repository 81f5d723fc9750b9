"""Sends images to a served model, over TensorFlow Serving's REST or gRPC API.

    python -m export.client translate photo.jpg --url=URL
    python -m export.client upscale photo.jpg my/photos --url=URL --output=DIR

URL is http://localhost:8501/v1/models/NAME, or grpc://localhost:8500/NAME; either may
end in /versions/N. Photos are rotated upright first. Images that the model refuses are
named on stderr, and the others are written; the exit status is 1 then.
"""

import io
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from absl import flags
from PIL import Image
from tqdm import tqdm

from export.clients import image_files, jobs
from export.clients.rest import RestClient
from export.clients.retries import Retries, TransientError
from export.command import quiet_tensorflow, run
from export.signatures.image_signature import Signature
from tfgan_models.errors import FailureError, UsageError

COMMANDS = ("translate", "upscale")
PARALLEL = 4
RETRIES = 5


def define_flags() -> None:
    """Defines the flags of this command."""
    flags.DEFINE_string(
        "url",
        None,
        "The served model: http://HOST:8501/v1/models/NAME or grpc://HOST:8500/NAME, "
        "with /versions/N for a version other than the newest. Required.",
    )
    flags.DEFINE_string(
        "output",
        None,
        "Folder for the results, or a .png file for that of a single image. Default: "
        "next to each image, or next to the folder.",
    )
    flags.DEFINE_integer("parallel", PARALLEL, "Requests in flight.", 1, 256)
    flags.DEFINE_integer(
        "retries",
        RETRIES,
        "Retries of a request while the endpoint is busy or unreachable.",
        0,
        100,
    )
    flags.DEFINE_bool("skip_existing", False, "Skip images whose result exists.")


def connect(model_url: str, parallel: int = PARALLEL) -> "jobs.ModelClient":
    """Creates the client of a served model; nothing is sent yet.

    Args:
        model_url: http://HOST:8501/v1/models/NAME or grpc://HOST:8500/NAME, with
            /versions/N or /labels/L for a version other than the newest.
        parallel: Number of threads that use it.

    Returns:
        A `RestClient` or an `RpcClient`.

    Raises:
        UsageError: It is not such an address.
    """
    if not model_url.startswith("grpc://"):
        return RestClient(model_url, parallel)
    # Its messages are in TensorFlow's package.
    quiet_tensorflow()
    from export.clients.rpc import RpcClient

    return RpcClient(model_url)


def translate(model_url: str, images: np.ndarray) -> np.ndarray:
    """Translates images through a served model's `encoded` signature.

    Args:
        model_url: As for `connect`.
        images: uint8 [N, H, W, 1 or 3].

    Returns:
        uint8 [N, H', W', 3].

    Raises:
        UsageError: The endpoint responded that it cannot do this.
        FailureError: It did not respond.
    """
    again = Retries(RETRIES)
    with connect(model_url) as client:

        def one(numbered: tuple[int, np.ndarray]) -> np.ndarray:
            index, image = numbered
            grey = image.shape[-1] == 1
            picture = image_files.to_png(
                Image.fromarray(image[..., 0] if grey else image)
            )
            try:
                answer = again.call(client.run, picture)
            except image_files.ImageError as error:
                raise image_files.ImageError(f"images[{index}]: {error}") from error
            return np.asarray(Image.open(io.BytesIO(answer)).convert("RGB"))

        try:
            numbered = enumerate(images)
            return np.stack(list(jobs.in_flight(one, numbered, PARALLEL, again)))
        except image_files.ImageError as error:
            raise UsageError(str(error)) from error
        except TransientError as error:
            raise FailureError(str(error)) from error


def is_served(model_url: str) -> bool:
    """Says whether the endpoint has this model.

    Args:
        model_url: As for `connect`.

    Raises:
        FailureError: It did not respond.
    """
    with connect(model_url) as client:
        try:
            return client.is_served()
        except TransientError as error:
            raise FailureError(str(error)) from error


def main(argv: Sequence[str]) -> None:
    """Sends the images and says what was written."""
    inputs = _inputs(argv)
    given = flags.FLAGS
    with connect(given.url, given.parallel) as client:
        signature = _describe(client)
        word = signature.output.removesuffix("_bytes")
        found = jobs.find(inputs, given.output, word)
        left = [j for j in found if not (given.skip_existing and j.target.exists())]
        outcomes = jobs.run(client, left, given.retries, given.parallel)
        failed = sum(1 for _ in _faults(outcomes, len(left)))
    written = len(left) - failed
    if written:
        print(f"Wrote {_place([job.target for job in left], written)}")
    if len(found) > len(left):
        print(f"Skipped {len(found) - len(left)} that existed already.")
    if failed:
        raise FailureError(f"{failed} of {len(left)} images failed.")


def _inputs(argv: Sequence[str]) -> Sequence[str]:
    command, inputs = "".join(argv[1:2]), argv[2:]
    if command not in COMMANDS or not inputs or not flags.FLAGS.url:
        raise UsageError(
            "Give a command, images or folders of images, and the served model: "
            "python -m export.client translate photo.jpg "
            "--url=http://localhost:8501/v1/models/NAME (commands: "
            f"{', '.join(COMMANDS)}). Received: {' '.join(argv[1:])!r}, "
            f"--url={flags.FLAGS.url}"
        )
    return inputs


def _describe(client: "jobs.ModelClient") -> Signature:
    try:
        return Retries(flags.FLAGS.retries).call(client.describe)
    except TransientError as error:
        raise FailureError(str(error)) from error


def _faults(outcomes: Iterator[jobs.Outcome], count: int) -> Iterator[jobs.Outcome]:
    """Shows progress in a terminal, and yields what failed."""
    with tqdm(outcomes, total=count, unit="image", disable=None) as progress:
        for outcome in progress:
            if outcome.fault is not None:
                line = f"{outcome.job.picture}: {outcome.fault}"
                progress.write(line, file=sys.stderr)
                yield outcome


def _place(targets: Sequence[Path], written: int) -> str:
    if len(targets) == 1:
        return str(targets[0])
    return f"{written} images to {os.path.commonpath([t.parent for t in targets])}"


if __name__ == "__main__":
    define_flags()
    run(main, arguments=True)

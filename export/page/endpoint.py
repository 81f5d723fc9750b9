"""The studio's endpoint, over TensorFlow Serving's REST API."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests

from export.page.bodies import Body, Offer, offer
from export.serving.models import check_folder, find
from export.signatures.image_signature import MAX_PIXELS
from tfgan_models.errors import FailureError, UsageError

SECONDS = 120
"""Timeout of a response."""
_STOP_SECONDS = 40


@dataclass(frozen=True)
class Unserved:
    """A model that the endpoint does not serve.

    Args:
        name: Of the model.
        reason: What the endpoint said.
    """

    name: str
    reason: str


class Endpoint:
    """An endpoint that is running, or about to run.

    Args:
        url: Such as http://localhost:8501; empty: it is starting, see `own_endpoint`.
        names: Returns the names of the models to show; the API does not list them.
    """

    def __init__(self, url: str, names: Callable[[], Sequence[str]]) -> None:
        self.url = url
        self.names = names
        self._started = time.monotonic()

    def waiting(self) -> str:
        """Returns its progress before it is ready; else an empty string."""
        if self.url:
            return ""
        seconds = round(time.monotonic() - self._started)
        count = len(self.names())
        return f"Loading {count} {'model' if count == 1 else 'models'}, {seconds} s"

    def offers(self) -> list[Offer | Unserved]:
        """Requests what each model offers.

        Raises:
            FailureError: The endpoint did not respond, or it is not such an endpoint.
        """
        return [self.offer(name) for name in self.names()]

    def offer(self, name: str) -> Offer | Unserved:
        """Requests what a model offers.

        Raises:
            FailureError: The endpoint did not respond, or it is not such an endpoint.
        """
        try:
            return offer(self._ask("GET", f"{_path(name)}/metadata"))
        except UsageError as error:
            return Unserved(name, str(error))

    def predict(self, name: str, body: Body) -> dict[str, Any]:
        """Sends a request to a model.

        Args:
            name: Of the model.
            body: See `bodies`.

        Returns:
            The endpoint's response.

        Raises:
            UsageError: The endpoint refused the request.
            FailureError: It did not respond, or not with JSON.
        """
        return self._ask("POST", f"{_path(name)}:predict", body)

    def _ask(self, method: str, path: str, body: Body | None = None) -> dict[str, Any]:
        try:
            response = requests.request(
                method, f"{self.url}{path}", json=body, timeout=SECONDS
            )
        except requests.exceptions.RequestException as error:
            raise FailureError(
                f"The endpoint {self.url} does not respond ({type(error).__name__})."
            ) from error
        try:
            content = response.json()
        except ValueError:
            content = None
        if not response.ok:
            told = content.get("error") if isinstance(content, dict) else None
            raise UsageError(
                f"The endpoint responded with {response.status_code}: "
                f"{told or response.reason}"
            )
        if not isinstance(content, dict):
            raise FailureError(
                f"The endpoint {self.url} does not speak TensorFlow Serving's REST "
                f"API. Received: {response.text[:200]}"
            )
        return content


def names_in(model_base: Path) -> list[str]:
    """Returns the names of the models in a folder.

    Raises:
        UsageError: There is no such folder, or no model in it.
    """
    check_folder(model_base)
    return sorted(name for name, versions in find(model_base).items() if versions)


@contextmanager
def own_endpoint(model_base: Path) -> Iterator[subprocess.Popen[str]]:
    """Runs `python -m export.serve` on a free port for the duration of the context.

    Args:
        model_base: The folder that is served.

    Yields:
        The process, which is loading the models: see `ready_url`.
    """
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "export.serve", f"--model_base={model_base}"),
            *("--rest_port=0", "--grpc_port=0", "--norequest_log"),
            f"--timeout_ms={1000 * SECONDS}",
            # Somebody is watching, and knows how long an image is worth waiting for.
            f"--max_pixels={MAX_PIXELS}",
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        # Ctrl-C is for the studio, which then stops it.
        start_new_session=True,
    )
    try:
        yield process
    finally:
        _stop(process)


def ready_url(process: subprocess.Popen[str]) -> str:
    """Waits until an endpoint has loaded its models.

    Args:
        process: From `own_endpoint`.

    Returns:
        Its address, such as http://127.0.0.1:43561. Empty: it did not start, and has
        said why on stderr.
    """
    ready = process.stdout.readline() if process.stdout else ""
    return ready.split(" at ")[1].split("/v1/")[0] if " at http://" in ready else ""


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.communicate(timeout=_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def _path(name: str) -> str:
    return f"/v1/models/{quote(name, safe='')}"

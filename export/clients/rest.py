"""A client of TensorFlow Serving's REST API, one image per request."""

import base64
import binascii
from typing import Any

import requests
from requests import adapters, exceptions

from export.clients.image_files import ImageError
from export.clients.retries import NO_ANSWER, TransientError, UnreachableError
from export.serving.tf_messages import without_brackets
from export.signatures.image_signature import SIGNATURE, Signature, image_signature
from tfgan_models.errors import UsageError

SECONDS = 120
"""Timeout of a response."""

TRANSIENT = (429, 503, 504)
"""Statuses after which the same request may succeed."""


class RestClient:
    """A served model with a signature `encoded`. Any number of threads may use it.

    Args:
        model_url: Such as http://localhost:8501/v1/models/NAME, with /versions/N or
            /labels/L for a version other than the newest.
        parallel: Connections that are kept open.
    """

    def __init__(self, model_url: str, parallel: int = 1) -> None:
        self.url = model_url.rstrip("/").removesuffix(":predict")
        self._session = requests.Session()
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, adapters.HTTPAdapter(pool_maxsize=parallel))

    def __enter__(self) -> "RestClient":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._session.close()

    def is_served(self) -> bool:
        """Says whether the endpoint has this model.

        Raises:
            TransientError: It did not respond, or is busy.
        """
        return self._ask("GET", self.url).ok

    def describe(self) -> Signature:
        """Requests the names of the signature `encoded`.

        Raises:
            TransientError: It did not respond, or is busy.
            UsageError: There is no such model, or it does not take images.
        """
        response = self._ask("GET", f"{self.url}/metadata")
        if not response.ok:
            raise UsageError(_refusal(self.url, response))
        metadata = _content(response).get("metadata", {})
        signatures = metadata.get("signature_def", {}).get("signature_def", {})
        found = signatures.get(SIGNATURE, {})
        inputs, outputs = found.get("inputs", {}), found.get("outputs", {})
        dtypes = {name: tensor["dtype"] for name, tensor in inputs.items()}
        return image_signature(self.url, signatures, dtypes, outputs)

    def run(self, picture: bytes) -> bytes:
        """Sends an image file and returns the result.

        Raises:
            TransientError: It did not respond, or is busy.
            ImageError: It refused the image.
        """
        body = {
            "signature_name": SIGNATURE,
            "instances": [{"b64": base64.b64encode(picture).decode()}],
        }
        response = self._ask("POST", f"{self.url}:predict", body)
        if not response.ok:
            raise ImageError(_refusal(self.url, response))
        return _picture(_content(response))

    def _ask(
        self, method: str, url: str, body: dict[str, Any] | None = None
    ) -> requests.Response:
        try:
            response = self._session.request(method, url, json=body, timeout=SECONDS)
        except (
            exceptions.InvalidURL,
            exceptions.InvalidSchema,
            exceptions.MissingSchema,
        ) as error:
            raise UsageError(
                f"{self.url} is not an address: {error}. Give one such as "
                "http://localhost:8501/v1/models/mine_a2b"
            ) from error
        except exceptions.ReadTimeout as error:
            raise TransientError(
                f"{self.url} did not respond within {SECONDS} seconds."
            ) from error
        except exceptions.RequestException as error:
            raise UnreachableError(
                f"{self.url} {NO_ANSWER.format(type(error).__name__)}"
            ) from error
        if response.status_code in TRANSIENT:
            raise TransientError(_refusal(self.url, response))
        return response


def _content(response: requests.Response) -> dict[str, Any]:
    try:
        content = response.json()
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _refusal(url: str, response: requests.Response) -> str:
    reason = _content(response).get("error") or response.reason
    return f"{url} answered {response.status_code}: {without_brackets(str(reason))}"


def _picture(content: dict[str, Any]) -> bytes:
    """The first output that is a file; a signature's only output has no name."""
    try:
        (answer,) = content["predictions"]
        if "b64" not in answer:
            answer = answer[min(name for name in answer if name.endswith("_bytes"))]
        return base64.b64decode(answer["b64"], validate=True)
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise ImageError("The endpoint's response has no image.") from error

"""Asks an endpoint that speaks TensorFlow Serving's REST API."""

import base64
import io
from typing import Any

import numpy as np
import requests
from PIL import Image

from tfgan_models.errors import FailureError, UsageError

IMAGES_A_REQUEST = 16
SECONDS = 120


def translate(model_url: str, images: np.ndarray) -> np.ndarray:
    """Translates images through a served model's `encoded` signature.

    Args:
        model_url: Such as http://localhost:8501/v1/models/mine_a2b, with
            /versions/N for a version that is not the newest.
        images: uint8 [N, H, W, 1 or 3].

    Returns:
        uint8 [N, H, W, 3].

    Raises:
        UsageError: The endpoint answered that it cannot do this.
        FailureError: It did not answer.
    """
    answers: list[np.ndarray] = []
    for start in range(0, len(images), IMAGES_A_REQUEST):
        part = images[start : start + IMAGES_A_REQUEST]
        body = {
            "signature_name": "encoded",
            "instances": [{"b64": _to_base64_png(image)} for image in part],
        }
        predictions = _ask("POST", f"{model_url}:predict", body)["predictions"]
        answers += [_from_base64_png(answer["b64"]) for answer in predictions]
    return np.stack(answers)


def is_served(model_url: str) -> bool:
    """Tells whether the endpoint has this model.

    Raises:
        FailureError: It did not answer.
    """
    try:
        _ask("GET", model_url)
    except UsageError:
        return False
    return True


def _ask(method: str, url: str, body: Any = None) -> dict[str, Any]:
    try:
        response = requests.request(method, url, json=body, timeout=SECONDS)
    except requests.exceptions.RequestException as error:
        raise FailureError(
            f"{url} does not answer ({type(error).__name__}). Start the endpoint, for "
            "instance: python -m export.serve --model_base=models"
        ) from error
    try:
        content = response.json()
    except ValueError:
        content = {}
    if not response.ok:
        reason = content.get("error") or response.reason
        raise UsageError(f"{url} answered {response.status_code}: {reason}")
    return content


def _to_base64_png(image: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def _from_base64_png(text: str) -> np.ndarray:
    with Image.open(io.BytesIO(base64.b64decode(text))) as image:
        return np.asarray(image.convert("RGB"))

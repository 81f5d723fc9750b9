"""Sends an image to a served model: translate_function.py IMAGE MODEL_URL OUTPUT."""

import base64
import sys

import requests


def translate(image: str, model_url: str, output: str) -> None:
    """Writes a served model's translation of an image file.

    model_url is such as http://localhost:8501/v1/models/mine_a2b.
    """
    with open(image, "rb") as file:
        encoded = base64.b64encode(file.read()).decode()
    body = {"signature_name": "encoded", "instances": [{"b64": encoded}]}
    response = requests.post(f"{model_url}:predict", json=body, timeout=60)
    if not response.ok:
        raise RuntimeError(f"{response.status_code}: {response.text}")
    answer = response.json()["predictions"][0]["b64"]
    with open(output, "wb") as file:
        file.write(base64.b64decode(answer))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    translate(*sys.argv[1:])

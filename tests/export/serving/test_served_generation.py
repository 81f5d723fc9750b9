"""Asking the endpoint for pictures of latents."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from export.signatures.writing import write_saved_model
from tests.export.generators import assert_files_show, close, latents, style
from tests.export.serving.http import Client, serve


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    base = tmp_path_factory.mktemp("served")
    write_saved_model(style(resolution=8), base / "faces" / "1")
    with serve(base) as served:
        yield served


def ask(client: Client, status: int = 200, **body: Any) -> dict[str, Any]:
    response = client.post("/v1/models/faces:predict", json.dumps(body))
    assert response.status_code == status, response.text
    return response.json()


def test_endpoint_generate(client: Client) -> None:
    asked = {"signature_name": "generate"}
    rows = [{"seed": 1, "truncation_psi": 0.7}, {"seed": 2**62, "truncation_psi": -1}]
    by_row = ask(client, **asked, instances=rows)["predictions"]
    columns = {"seed": [1, 2**62], "truncation_psi": [0.7, -1]}
    by_column = ask(client, **asked, inputs=columns)["outputs"]
    images = np.array(by_column["image"])
    assert images.shape == (2, 8, 8, 3)
    assert [row["image"] for row in by_row] == by_column["image"]
    assert [row["image_bytes"] for row in by_row] == by_column["image_bytes"]
    files = [base64.b64decode(file["b64"]) for file in by_column["image_bytes"]]
    assert_files_show(np.array(files, object), images)


def test_endpoint_mix_and_serving_default(client: Client) -> None:
    row = {"seed_coarse": 1, "seed_fine": 2, "cutoff": 4}
    answer = ask(client, signature_name="mix", instances=[row])["predictions"][0]
    generated = ask(
        client, signature_name="generate", inputs={"seed": [1], "truncation_psi": [1]}
    )["outputs"]
    close(np.array(answer["image"]), np.array(generated["image"][0]))
    latent = latents(2).tolist()
    rows = ask(client, instances=latent)["predictions"]
    named = ask(client, instances=[{"latent": value} for value in latent])
    assert rows == named["predictions"] == ask(client, inputs=latent)["outputs"]
    assert np.shape(rows) == (2, 8, 8, 3)


def test_endpoint_refuses(client: Client) -> None:
    row = {"seed": 1, "truncation_psi": 3.5}
    answer = ask(client, 400, signature_name="generate", instances=[row])
    assert answer == {"error": "truncation_psi must be from -2 to 2. Received: 3.5"}
    row = {"seed": 1.5, "truncation_psi": 1}
    answer = ask(client, 400, signature_name="generate", instances=[row])
    assert "not of expected type: int64" in answer["error"]
    row = {"seed_coarse": 1, "seed_fine": 2, "cutoff": 5}
    answer = ask(client, 400, signature_name="mix", instances=[row])
    assert "cutoff must be from 0 to 4" in answer["error"]
    answer = ask(client, 400, inputs=latents(1)[0].tolist())
    assert "Shape of tensor latent [6] is not compatible" in answer["error"]

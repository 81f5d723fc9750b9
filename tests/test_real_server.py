"""What `make serve-real` calls a difference."""

import base64
import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from export import server_files
from tests import real_server
from tests.export.test_server_files import save
from tfgan_models.errors import FailureError


def png(level: int, side: int = 4) -> dict[str, str]:
    contents = io.BytesIO()
    Image.fromarray(np.full((side, side), level, np.uint8)).save(contents, "PNG")
    return {"b64": base64.b64encode(contents.getvalue()).decode()}


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({"predictions": [1.0, 2]}, {"predictions": [1.00001, 2]}),
        ([float("nan")], [float("nan")]),
        ({"predictions": [png(100)]}, {"predictions": [png(101)]}),
        ({"error": "x is 0"}, {"error": "x is 0\n\t [[{{node a}}]]"}),
        ("text", "text"),
    ],
)
def test_what_is_the_same(ours: Any, theirs: Any) -> None:
    assert real_server.differences((200, ours), (200, theirs)) == []


@pytest.mark.parametrize(
    ("ours", "theirs", "place"),
    [
        ({"predictions": [1.0]}, {"predictions": [1.1]}, "answer.predictions[0]: 1.0"),
        ({"outputs": 1}, {"predictions": 1}, "answer: ['outputs'], the real one"),
        ([[1], [2]], [[1]], "answer: 2 values, the real one 1"),
        ([1], [1.0], "answer[0]: 1, the real one 1.0"),
        ([1.0], [float("nan")], "answer[0]"),
        ([1.0], None, "answer: [1.0]"),
        ([png(100)], [png(102)], "answer[0].b64"),
        ([png(100)], [png(100, side=5)], "answer[0].b64"),
        ({"error": "x is 0"}, {"error": "y is 0"}, "answer.error: x is 0"),
        ({"error": ""}, {"error": "y is 0"}, "answer.error: "),
    ],
)
def test_what_differs(ours: Any, theirs: Any, place: str) -> None:
    (difference,) = real_server.differences((200, ours), (200, theirs))
    assert difference.replace("'", "").startswith(place.replace("'", ""))


def test_the_status_counts() -> None:
    (difference,) = real_server.differences(
        (400, {"error": "x"}), (404, {"error": "x"})
    )
    assert "status 400, the real one 404" in difference


def test_every_signature_is_asked_in_both_formats(tmp_path: Path) -> None:
    save(tmp_path / "tiny_cyclegan" / "3", [-1, 5])
    server_files.write(tmp_path)
    asked = list(real_server.cases(tmp_path))
    bodies = {
        case.path: json.loads(case.body)
        for case in asked
        if case.body.startswith('{"signature_name": "serving_default"')
    }
    assert set(bodies) == {
        f"/v1/models/tiny_cyclegan{place}:predict"
        for place in ("", "/versions/3", "/labels/stable")
    }
    row = [{"x": [0.0] * 5}] * 2
    assert any(f'"instances": {json.dumps(row)}' in case.body for case in asked)
    assert all(body["inputs"] == {"x": [[0.0] * 5] * 2} for body in bodies.values())
    assert sum(case.method == "GET" for case in asked) > 4


def test_without_docker_nothing_is_called_verified(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(FailureError, match="Not verified against TensorFlow Serving"):
        real_server.main([""])

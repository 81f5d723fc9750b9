"""All systems as they are handed on: exported, checked, warmed up, served, asked."""

import base64
import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

from export import check
from export.serving.models import Model
from export.signatures import saved_signatures, warmup
from export.signatures.examples import examples
from tests import real_server
from tests.export.conftest import Endpoint, endpoint
from tests.export.formats.models import SYSTEMS
from tests.export.generators import pixels
from tests.export.serving.grpc_client import request
from trainers import __main__ as trainers

Arrays = dict[str, np.ndarray]
each_system = pytest.mark.parametrize("system", SYSTEMS)


@pytest.fixture(scope="module")
def model_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("every_system")
    real_server.write_models(base)
    return base


@pytest.fixture(scope="module")
def served(model_base: Path) -> Iterator[Endpoint]:
    with endpoint(f"--model_base={model_base}") as running:
        yield running


def version(model_base: Path, system: str) -> Path:
    return model_base / f"tiny_{system}" / "1"


def test_none_is_missing() -> None:
    assert set(SYSTEMS) == set(trainers.SYSTEMS)


def test_check_finds_nothing_wrong(model_base: Path) -> None:
    lines: list[str] = []
    assert check.check(model_base, lines.append) == []
    report = "\n".join(lines)
    assert report.endswith("10 versions checked: no problems")
    assert "no warm-up requests" not in report
    for system in SYSTEMS:
        directory = version(model_base, system)
        signatures = list(saved_signatures.read(directory))
        assert "serving_default" in signatures
        warmed = [r.model_spec.signature_name for r in warmup.read(directory)]
        assert warmed == signatures
        # Below the line of the version and that of the columns, one of each signature.
        start = next(i for i, t in enumerate(lines) if t.startswith(f"{directory}: "))
        rows = lines[start + 2 : start + 2 + len(signatures)]
        assert [row.split()[0] for row in rows] == signatures


@each_system
def test_every_signature_answers_alike_everywhere(
    system: str, model_base: Path, served: Endpoint
) -> None:
    """In process, and from the endpoint by rows, by columns and over gRPC."""
    model = Model(version(model_base, system))
    url = f"{served.address}/v1/models/tiny_{system}/labels/stable:predict"
    for name, signature in model.signatures.items():
        inputs = examples(signature.inputs, signature.shapes, 2)
        expected = signature.run(inputs)
        values = {key: real_server.to_json(array) for key, array in inputs.items()}
        columns = ask(url, signature_name=name, inputs=values)["outputs"]
        assert_same(of_json(columns, list(expected)), expected)
        rows = [{key: value[i] for key, value in values.items()} for i in range(2)]
        answers = ask(url, signature_name=name, instances=rows)["predictions"]
        if len(expected) > 1:
            answers = {key: [answer[key] for answer in answers] for key in expected}
        assert answers == columns
        assert_same(by_grpc(served, f"tiny_{system}", name, inputs), expected)


@pytest.mark.slow
def test_what_serve_real_asks_is_answered(
    model_base: Path,
    served: Endpoint,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The endpoint stands in for TensorFlow Serving."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(real_server, "REAL", served.address)
    monkeypatch.setattr(real_server, "_need_docker", lambda: None)
    monkeypatch.setattr(real_server, "_real_server", nullcontext)
    monkeypatch.setattr(
        real_server, "_local_endpoint", lambda _: nullcontext(served.address)
    )
    monkeypatch.setattr(
        real_server,
        "write_models",
        lambda folder: shutil.copytree(model_base, folder, dirs_exist_ok=True),
    )
    real_server.main([""])
    count, told = capsys.readouterr().out.split(" ", 1)
    assert told == "requests: the answers of both servers are the same.\n"
    assert int(count) > 100
    assert list(tmp_path.iterdir()) == []


def ask(url: str, **body: Any) -> dict[str, Any]:
    response = httpx.post(url, json=body, timeout=60)
    assert response.status_code == 200, response.text
    return response.json()


def of_json(column: Any, names: list[str]) -> Arrays:
    """The outputs of an answer by columns; an only one stands there by itself."""
    outputs = column if len(names) > 1 else {names[0]: column}
    return {
        name: np.array([base64.b64decode(file["b64"]) for file in values], object)
        if name.endswith("_bytes")
        else np.array(values)
        for name, values in outputs.items()
    }


def by_grpc(served: Endpoint, model: str, signature: str, inputs: Arrays) -> Arrays:
    options = [("grpc.max_receive_message_length", -1)]
    with grpc.insecure_channel(served.grpc_address, options) as channel:
        asked = request(model, inputs, signature)
        outputs = PredictionServiceStub(channel).Predict(asked, timeout=60).outputs
    return {name: tf.make_ndarray(outputs[name]) for name in outputs}


def assert_same(answer: Arrays, expected: Arrays) -> None:
    assert set(answer) == set(expected)
    for name, value in expected.items():
        assert answer[name].shape == value.shape
        if value.dtype == object:
            for ours, theirs in zip(answer[name], value, strict=True):
                assert np.abs(pixels(ours) - pixels(theirs)).max() <= 1
        else:
            assert np.ptp(value) > 0
            np.testing.assert_allclose(answer[name], value, rtol=1e-4, atol=1e-4)

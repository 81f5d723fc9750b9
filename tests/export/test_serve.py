"""The serving command in a process of its own, over a real socket."""

import signal
import socket
import subprocess
from pathlib import Path

import httpx
import pytest

from export.signatures import write_saved_model
from tests.export.conftest import REPOSITORY, command, environment, serving
from tfgan_models.networks import ResNetGenerator, UNetGenerator


def run(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        command(*arguments),
        cwd=REPOSITORY,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serves_until_it_is_stopped(model_base: Path, number: int) -> None:
    with serving(f"--model_base={model_base}") as (process, line, address):
        assert line.startswith("Serving half version 12, mixed version 1 at http://127")
        assert line.endswith("/v1/models/NAME:predict")
        response = httpx.post(
            f"{address}/v1/models/half:predict", json={"instances": [1.0, 2.0]}
        )
        assert response.json() == {"predictions": [2.5, 3.0]}
        process.send_signal(number)
        output, errors = process.communicate(timeout=30)
        assert process.returncode == 0
        assert output == ""
        assert errors == ""


def test_wrong_ranks_are_refused_and_the_server_lives(tmp_path: Path) -> None:
    resnet = ResNetGenerator(filters=2, residual_blocks=1)
    unet = UNetGenerator(downsamplings=2, filters=2)
    write_saved_model(resnet, tmp_path / "resnet" / "1")
    write_saved_model(unet, tmp_path / "unet" / "1")
    pixel = [0.0, 0.0, 0.0]
    with serving(f"--model_base={tmp_path}") as (process, _, address):
        for name in ("resnet", "unet"):
            url = f"{address}/v1/models/{name}:predict"
            for inputs in (0.0, pixel, [pixel], [[pixel]], [[[[pixel]]]], [[[[0.0]]]]):
                response = httpx.post(url, json={"inputs": inputs}, timeout=60)
                assert response.status_code == 400
                assert "Shape of tensor image" in response.json()["error"]
                encoded = {"signature_name": "encoded", "inputs": [["a"]]}
                response = httpx.post(url, json=encoded, timeout=60)
                assert "Shape of tensor image_bytes" in response.json()["error"]
            answer = httpx.post(url, json={"instances": [[[pixel]]]}, timeout=60)
            assert answer.status_code == 200
            assert len(answer.json()["predictions"][0][0][0]) == 3
        assert process.poll() is None


def test_one_model_is_named_in_the_address(tmp_path: Path, model_base: Path) -> None:
    (tmp_path / "only").symlink_to(model_base / "half")
    with serving(f"--model_base={tmp_path}", "--host=localhost") as (_, line, address):
        assert line.startswith("Serving only version 12 at http://")
        assert line.endswith("/v1/models/only:predict")
        assert httpx.get(f"{address}/v1/models/only").status_code == 200


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "--model_base is required"),
        (("--model_base=/does/not/exist",), "model_base=/does/not/exist is not a"),
        (("--model_base=.", "--rest_port=x"), "--rest_port=x"),
        (("--model_base=.",), "holds no <name>/<version>/saved_model.pb"),
    ],
)
def test_usage_errors(arguments: tuple[str, ...], text: str) -> None:
    finished = run(*arguments)
    assert finished.returncode == 2
    assert finished.stdout == ""
    assert finished.stderr.count("\n") == 1
    assert text in finished.stderr


def test_port_in_use(model_base: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        finished = run(f"--model_base={model_base}", f"--rest_port={port}")
    assert finished.returncode == 1
    assert finished.stderr.count("\n") == 1
    assert f"Cannot listen on 127.0.0.1:{port}" in finished.stderr


def test_damaged_model(tmp_path: Path) -> None:
    damaged = tmp_path / "m" / "1" / "saved_model.pb"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"no model")
    finished = run(f"--model_base={tmp_path}", "--rest_port=0")
    assert finished.returncode == 1
    assert finished.stderr.count("\n") == 1
    assert f"Could not load {damaged.parent}" in finished.stderr

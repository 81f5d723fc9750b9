"""Small SavedModels that the endpoint's tests serve."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

REPOSITORY = Path(__file__).parents[2]


class HalfPlusTwo(tf.Module):
    """y = x / 2 + offset."""

    def __init__(self, offset: float) -> None:
        super().__init__()
        self.offset = tf.Variable(offset)

    @tf.function(input_signature=[tf.TensorSpec([None, 1], tf.float32, "x")])
    def halve(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": 0.5 * x + self.offset}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    def narrow(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        x = tf.ensure_shape(x, [None])
        return {"y": tf.cast(x, tf.complex64)}


class Mixed(tf.Module):
    """Several inputs and outputs, strings among them."""

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string, "text"),
            tf.TensorSpec([None], tf.int32, "times"),
        ]
    )
    def repeat(self, text: tf.Tensor, times: tf.Tensor) -> dict[str, tf.Tensor]:
        return {
            "joined_bytes": tf.strings.join([text, text]),
            "text": text,
            "twice": 2 * times,
        }

    @tf.function(input_signature=[tf.TensorSpec([], tf.string, "text")])
    def scalar(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"text_bytes": text}


@pytest.fixture(scope="session")
def model_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`half` in versions 1 (+1, `old`) and 12 (+2, `stable`), `mixed` in version 1."""
    base = tmp_path_factory.mktemp("models")
    for version, offset in ((1, 1.0), (12, 2.0)):
        module = HalfPlusTwo(offset)
        tf.saved_model.save(
            module,
            str(base / "half" / str(version)),
            signatures={"serving_default": module.halve, "narrow": module.narrow},
        )
    mixed = Mixed()
    tf.saved_model.save(
        mixed,
        str(base / "mixed" / "1"),
        signatures={"serving_default": mixed.repeat, "scalar": mixed.scalar},
    )
    (base / "models.config").write_text(
        'model_config_list { config { name: "half" model_version_policy { all {} } '
        'version_labels { key: "stable" value: 12 } '
        'version_labels { key: "old" value: 1 } } }'
    )
    (base / "half" / "notes").mkdir()
    (base / "half" / "99").mkdir()  # A version without a model in it.
    return base


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-W", "error", "-m", "export.serve", *arguments]


def environment() -> dict[str, str]:
    """That of a person who has not quieted TensorFlow."""
    kept = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    return {**kept, "PYTHONUNBUFFERED": "1"}


@dataclass
class Endpoint:
    """A running endpoint.

    Args:
        process: Of the command.
        line: The first that it printed.
        address: Of the REST API: http://HOST:PORT.
        grpc_address: HOST:PORT.
        log: The file that its stderr goes to.
    """

    process: subprocess.Popen
    line: str
    address: str
    grpc_address: str
    log: Path

    def entries(self) -> list[dict[str, Any]]:
        """What it has logged; fails where a line is no JSON."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@contextmanager
def endpoint(*arguments: str) -> Iterator[Endpoint]:
    """Runs the endpoint on two free ports."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "stderr"
        with log.open("wb") as stderr:
            process = subprocess.Popen(
                command("--rest_port=0", "--grpc_port=0", *arguments),
                cwd=REPOSITORY,
                env=environment(),
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        try:
            line = process.stdout.readline().strip()
            if not line:
                pytest.fail(f"The endpoint did not start: {log.read_text()}")
            address = line.split(" at ")[1].split("/v1/")[0]
            grpc_address = process.stdout.readline().strip().split(" at ")[1]
            yield Endpoint(process, line, address, grpc_address, log)
        finally:
            process.kill()
            process.communicate()


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[subprocess.Popen, str, str]]:
    """Runs the endpoint on free ports; yields (process, ready line, address)."""
    with endpoint(*arguments) as running:
        yield running.process, running.line, running.address

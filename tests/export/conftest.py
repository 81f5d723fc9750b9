"""Small SavedModels that the endpoint's tests serve."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
    """`half` in versions 1 (+1) and 12 (+2), `mixed` in version 1."""
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
    (base / "half" / "notes").mkdir()
    (base / "half" / "99").mkdir()  # A version without a model in it.
    return base


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-W", "error", "-m", "export.serve", *arguments]


def environment() -> dict[str, str]:
    """That of a person who has not quieted TensorFlow."""
    kept = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    return {**kept, "PYTHONUNBUFFERED": "1"}


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[subprocess.Popen, str, str]]:
    """Runs the endpoint on a free port; yields (process, ready line, address)."""
    process = subprocess.Popen(
        command("--rest_port=0", *arguments),
        cwd=REPOSITORY,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        line = process.stdout.readline().strip()
        if not line:
            pytest.fail(f"The endpoint did not start: {process.stderr.read()}")
        yield process, line, line.split(" at ")[1].split("/v1/")[0]
    finally:
        process.kill()
        process.communicate()

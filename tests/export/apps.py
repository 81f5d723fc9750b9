"""Programs of other people, who have our files and not our package."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

OLD_KERAS = "old_keras"
BACKENDS = [
    "tensorflow",
    "torch",
    OLD_KERAS,
    pytest.param("jax", marks=pytest.mark.slow),
]
"""Of Keras; one is the oldest Keras that reads our files, on JAX."""

BLOCKED = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("tfgan_models", "export", "trainers"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Blocker())
try:
    import tfgan_models
except ModuleNotFoundError:
    pass
else:
    sys.exit("tfgan_models could be imported")

import numpy as np
"""
"""The start of a program where this package cannot be imported."""


def run_app(code: str, folder: Path, backend: str) -> str:
    """Runs `code` in `folder` on one of `BACKENDS`; returns what it printed."""
    python: str | None = sys.executable
    if backend == OLD_KERAS:
        python, backend = os.environ.get("OLD_KERAS_PYTHON"), "jax"
        if python is None:
            pytest.skip("make old-keras runs this")
    elif importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    environment = {**os.environ, "KERAS_BACKEND": backend}
    # JAX compiles every operation: unoptimised, in a fraction of the time.
    environment["XLA_FLAGS"] = "--xla_backend_optimization_level=0"
    environment["PYTHONPATH"] = os.environ["PYTHONPATH"].split(os.pathsep)[0]
    finished = subprocess.run(
        [python, "-c", code],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout

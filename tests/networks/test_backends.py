"""Networks and layers run on JAX and PyTorch, without TensorFlow, equally."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.layers.conformance import CASES as LAYERS
from tests.networks.conformance import CASES, arrays, randomize

ROOT = Path(__file__).parents[2]
# JAX compiles each operation for each shape: unoptimised, in a third of the time.
ENVIRONMENT = {
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": "--xla_backend_optimization_level=0",
}


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns a folder of each network's weights, and TensorFlow's outputs."""
    folder = tmp_path_factory.mktemp("answers")
    for i, case in enumerate(CASES):
        network = case()
        randomize(network)
        network.save_weights(folder / f"{i}.weights.h5")
        save(folder / f"{i}.npz", network(*case.inputs(network)))
    for i, case in enumerate(LAYERS):
        save(folder / f"layer_{i}.npz", case.model()(list(case.inputs())))
    return folder


def save(path: Path, outputs: Any) -> None:
    """Writes outputs as arrays y0, y1, ..."""
    np.savez(path, **{f"y{j}": y for j, y in enumerate(arrays(outputs))})


# JAX compiles each operation for each shape, a minute long. `make old-keras` has our
# files computed by it.
@pytest.mark.parametrize(
    "backend", [pytest.param("jax", marks=pytest.mark.slow), "torch"]
)
def test_equal_outputs_without_tensorflow(backend: str, answers: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "tests.networks.backend_worker", str(answers)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | ENVIRONMENT | {"KERAS_BACKEND": backend},
        check=False,
    )
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout.splitlines()[-1])
    assert report["backend"] == backend
    assert not report["imports_tensorflow"]
    assert not report["ends_with_tensorflow"]
    assert len(report["errors"]) == len(CASES) + len(LAYERS)
    assert max(report["errors"].values()) < 1e-5, report["errors"]

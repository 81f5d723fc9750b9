"""Files of the real tensorflow-addons give the outputs that it gave."""

import os
from pathlib import Path

import keras
import numpy as np
import pytest

from export.keras_file.plain_keras import to_plain_keras
from tfgan_models.interop import addons

FOLDER = Path(os.environ.get("TFGAN_ADDONS_MODELS", "build/addons"))
FILES = sorted(
    path for path in FOLDER.glob("*") if path.suffix == ".h5" or path.is_dir()
)

pytestmark = pytest.mark.skipif(
    not FILES, reason=f"{FOLDER} has no models of tensorflow-addons: run `make interop`"
)


def recorded(path: Path) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The inputs and outputs of the model in a file."""
    name = path.stem
    for kind in ("_traces", "_compiled"):
        name = name.removesuffix(kind)
    with np.load(FOLDER / f"{name}.npz") as arrays:
        count = sum(key.startswith("input") for key in arrays)
        inputs = [arrays[f"input_{i}"] for i in range(count)]
        outputs = [arrays[f"output_{i}"] for i in range(len(arrays) - count)]
    return inputs, outputs


def difference(network: keras.Model, path: Path) -> float:
    """Between outputs and those recorded, relative to their scale where it is > 1."""
    inputs, expected = recorded(path)
    outputs = network(inputs if len(inputs) > 1 else inputs[0], training=False)
    outputs = outputs if isinstance(outputs, list) else [outputs]
    assert len(outputs) == len(expected)
    worst = 0.0
    for output, wanted in zip(outputs, expected, strict=True):
        assert output.shape == wanted.shape
        error = np.abs(keras.ops.convert_to_numpy(output) - wanted).max()
        worst = max(worst, error / max(1.0, np.abs(wanted).max()))
    return worst


@pytest.mark.parametrize("path", FILES or [FOLDER], ids=lambda path: path.name)
def test_equal_output(path: Path, tmp_path: Path) -> None:
    network = addons.load(path).networks["model"]
    file = tmp_path / "model.keras"
    to_plain_keras(network).save(file)
    ours = difference(network, path)
    plain = difference(keras.models.load_model(file), path)
    print(f"\n{path.name}: {ours:.1e}, as .keras {plain:.1e}", end=" ")
    assert ours < 1e-5
    assert plain < 1e-5

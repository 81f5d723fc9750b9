"""Runs every network under another Keras backend; started by test_backends.py.

Reads weights and TensorFlow's outputs from the folder given, prints as JSON what was
imported and how far each network's and layer's output is from TensorFlow's.
"""

import importlib
import json
import sys
from pathlib import Path
from typing import Any


def distance(outputs: list[Any], path: Path) -> float:
    """Returns the largest difference from TensorFlow's outputs in a file."""
    import numpy as np

    expected = np.load(path)
    return max(
        (float(np.abs(y - expected[f"y{j}"]).max()) for j, y in enumerate(outputs))
    )


def start_with_ones() -> None:
    """Leaves out random weights: a file's replace them, and JAX compiles each shape."""
    import keras
    import numpy as np

    def ones(self: Any, shape: Any, dtype: Any = None, **options: Any) -> Any:
        return np.ones(shape, "float32")

    names = ("RandomNormal", "RandomUniform", "TruncatedNormal", "VarianceScaling")
    for name in names:
        getattr(keras.initializers, name).__call__ = ones


def main(folder: Path) -> None:
    """Prints one JSON object: "backend", what is imported, "errors"."""
    importlib.import_module("tfgan_models.networks")
    imported = "tensorflow" in sys.modules

    import keras

    from tests.layers.conformance import CASES as LAYERS
    from tests.networks.conformance import CASES, arrays

    errors = {}
    for i, case in enumerate(LAYERS):
        outputs = arrays(case.model()(list(case.inputs())))
        errors[f"layer {i} {case}"] = distance(outputs, folder / f"layer_{i}.npz")
    start_with_ones()
    for i, case in enumerate(CASES):
        network = case()
        network.load_weights(folder / f"{i}.weights.h5")
        outputs = arrays(network(*case.inputs(network)))
        errors[f"{i} {case}"] = distance(outputs, folder / f"{i}.npz")
    print(
        json.dumps(
            {
                "backend": keras.backend.backend(),
                "imports_tensorflow": imported,
                "ends_with_tensorflow": "tensorflow" in sys.modules,
                "errors": errors,
            }
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))

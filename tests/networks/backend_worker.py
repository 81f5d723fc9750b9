"""Runs every network under another Keras backend; started by test_backends.py.

Reads weights, inputs and TensorFlow's outputs from the folder given, prints as JSON
what was imported and how far each network's output is from TensorFlow's.
"""

import importlib
import json
import sys
from pathlib import Path


def main(folder: Path) -> None:
    """Prints one JSON object: "backend", "imported", "errors", "padded"."""
    importlib.import_module("tfgan_models.networks")
    imported = "tensorflow" in sys.modules

    import keras
    import numpy as np

    from tests.networks.conformance import CASES

    errors = {}
    for i, case in enumerate(CASES):
        arrays = np.load(folder / f"{i}.npz")
        network = case()
        network.load_weights(folder / f"{i}.weights.h5")
        y = network.predict_on_batch(arrays["x"])
        errors[f"{i} {case}"] = float(np.abs(y - arrays["y"]).max())
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
